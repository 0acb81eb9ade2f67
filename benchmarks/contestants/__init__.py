"""The programs that are measured: each runs alone, in a process of its own.

They are told what to do by their environment, as the bot is, and say when they are ready.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Task:
    """What every contestant is given."""

    homeserver: str
    user_id: str
    password: str
    database: Path

    @classmethod
    def given(cls) -> Self:
        """From the environment, by the bot's own names."""
        return cls(
            homeserver=os.environ["MATRIX_HOMESERVER"],
            user_id=os.environ["MATRIX_USER_ID"],
            password=os.environ["MATRIX_PASSWORD"],
            database=Path(os.environ["MATRIX_DB_PATH"]),
        )
