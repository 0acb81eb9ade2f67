"""The measured programs. Each runs alone, in its own process.

A program reads its task from the bot's environment variables, and reports when it is ready.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Task:
    """The account and the database of a contestant."""

    homeserver: str
    user_id: str
    password: str
    database: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment variables of the bot."""
        return cls(
            homeserver=os.environ["MATRIX_HOMESERVER"],
            user_id=os.environ["MATRIX_USER_ID"],
            password=os.environ["MATRIX_PASSWORD"],
            database=Path(os.environ["MATRIX_DB_PATH"]),
        )
