"""`surfaces-bot` as somebody at a shell types it, beside a bot that may be running."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import anyio

from demo.bot import BotProcess

_SETTINGS: Final = ("MATRIX_", "BOT_", "STATUS_", "LOG_")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """What it printed: one JSON object and nothing else."""
        decoded: dict[str, Any] = json.loads(self.out)
        return decoded

    @property
    def rows(self) -> list[dict[str, Any]]:
        """What it printed: one JSON object on each line and nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]


async def surfaces_bot(
    bot: BotProcess, *arguments: str, environment: Mapping[str, str | None] = {}
) -> Finished:
    """Run a command to its end with a bot's settings, in its folder; None takes a setting away."""
    settings = {**bot.environment, **environment}
    given = {name: value for name, value in settings.items() if value is not None}
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, "-m", "supervisor", *arguments],
            cwd=bot.folder,
            env=plain_environment() | given,
            check=False,
        )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
