"""The bot as its operator sees it: a program with an environment, files, a log and a database."""

import json
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import anyio

from demo.child_program import ChildProgram

LogEvent: TypeAlias = dict[str, Any]

RUN: Final = (sys.executable, "-m", "supervisor", "run")

_LAST_LINES: Final = 15
_LINE_WIDTH: Final = 300


class BotFailed(Exception):
    """The bot ended, or an expected event did not come in time. The text has its last log lines."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition of the bot's lifecycle, read from its log."""

    src: str
    trigger: str
    dst: str
    reason: str


class BotFiles:
    """What a bot keeps in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def database(self) -> Path:
        """The database, which a recovery rebuilds."""
        return self.folder / "lambda_matrix.db"

    @property
    def store(self) -> Path:
        """The folder with the session and the instance lock."""
        return self.folder / "matrix_store"

    @property
    def journal(self) -> Path:
        """The journal of transitions."""
        return self.folder / "lambda_journal.db"

    def wipe(self, *, journal: bool = False) -> None:
        """Delete the database, the session and the store; the journal as well if asked."""
        for database in (self.database, self.journal) if journal else (self.database,):
            for file in self.folder.glob(f"{database.name}*"):
                file.unlink()
        shutil.rmtree(self.store, ignore_errors=True)

    def kv(self) -> dict[str, Any]:
        """Return the whole `kv` table, decoded; empty if there is no database."""
        if not self.database.exists():
            return {}
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT key, value FROM kv ORDER BY key")
            return {key: json.loads(value) for key, value in rows}


class BotProcess(BotFiles):
    """`surfaces-bot run` in a folder of its own. It can be started and ended repeatedly.

    Leaving the context ends the bot. `environment` adds variables to the bot's environment or
    replaces them; `command` replaces the program.
    """

    def __init__(
        self,
        *,
        homeserver_url: str,
        user_id: str,
        password: str,
        folder: Path,
        environment: dict[str, str] | None = None,
        command: Sequence[str] = RUN,
    ) -> None:
        super().__init__(folder)
        self.user_id = user_id
        self.environment = {
            "MATRIX_HOMESERVER": homeserver_url,
            "MATRIX_USER_ID": user_id,
            "MATRIX_PASSWORD": password,
            "MATRIX_DB_PATH": str(self.database),
            "MATRIX_STORE_PATH": str(self.store),
            "MATRIX_JOURNAL_PATH": str(self.journal),
            "STATUS_BIND": "",
            "LOG_FORMAT": "json",
        } | (environment or {})
        self._command = command
        self._program: ChildProgram | None = None
        self._runs = 0
        self._read = 0

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._program is not None:
            await self._program.end()

    @property
    def log(self) -> Path:
        """The output of the latest run."""
        return self.folder / f"run-{self._runs}.log"

    @property
    def pid(self) -> int:
        """The process id of the latest run."""
        return self._started().pid

    @property
    def is_started(self) -> bool:
        """Whether it was started, and has not been ended since."""
        return self._program is not None

    def start(self) -> None:
        """Start the bot; its log is read from the beginning."""
        self._runs += 1
        self._read = 0
        self._program = ChildProgram(
            self._command,
            folder=self.folder,
            log=self.log,
            environment=_environment_without_settings() | self.environment,
        )

    async def start_and_go_live(self, timeout_s: float = 60) -> None:
        """Start the bot, and wait until its lifecycle is `live`. Raises BotFailed."""
        self.start()
        await self.wait_for_state("live", timeout_s=timeout_s)

    async def kill(self) -> None:
        """End the bot with SIGKILL."""
        await self._started().kill()
        self._program = None

    async def terminate(self, grace_s: float = 20) -> int:
        """Stop the bot with SIGTERM, as an operator does, and return its exit code."""
        code = await self._started().end(grace_s)
        self._program = None
        return code

    async def wait_for_exit(self, timeout_s: float = 20) -> int:
        """Wait until the bot ends by itself, and return its exit code. Raises TimeoutError."""
        code = await self._started().wait(timeout_s)
        self._program = None
        return code

    def keep(self) -> None:
        """Leave the bot running when this process ends.

        Its settings are written to `.env`, so that commands in its folder find it.
        """
        lines = [f"{name}={value}\n" for name, value in self.environment.items()]
        dotenv = self.folder / ".env"
        dotenv.touch(mode=0o600)
        dotenv.write_text("".join(lines), encoding="utf-8")
        self._started().detach()
        self._program = None

    def events(self) -> list[LogEvent]:
        """Return the log events of the latest run so far, oldest first."""
        return [event for _, event in self._events_from(0)]

    def transitions(self) -> list[Transition]:
        """Return the lifecycle transitions of the latest run so far, oldest first."""
        return [
            Transition(event["src"], event["trigger"], event["dst"], event.get("reason", ""))
            for event in self.events()
            if event["event"] == "lifecycle_transition"
        ]

    def last_lines(self) -> str:
        """Return the last lines of the latest run's log, each on a new, indented line."""
        if not self.log.exists():
            return "\n  no output yet"
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return "".join(f"\n  {shorten(line, _LINE_WIDTH)}" for line in lines)

    async def wait_for_state(self, state: str, *, timeout_s: float = 60) -> LogEvent:
        """Wait until the lifecycle enters a state. Raises BotFailed."""
        return await self.wait_for_event(
            "lifecycle_transition", lambda event: event["dst"] == state, timeout_s=timeout_s
        )

    async def wait_for_event(
        self,
        name: str,
        predicate: Callable[[LogEvent], bool] = lambda _: True,
        *,
        timeout_s: float = 30,
    ) -> LogEvent:
        """Wait for a log event that comes after the last one waited for. Raises BotFailed."""
        deadline = time.monotonic() + timeout_s
        while True:
            ended = self._started().exit_code()
            for position, event in self._events_from(self._read):
                if event["event"] == name and predicate(event):
                    self._read = position
                    return event
            if ended is not None:
                raise BotFailed(f"The bot ended with {ended} before {name}:{self.last_lines()}")
            if time.monotonic() > deadline:
                raise BotFailed(f"No {name} within {timeout_s:g} s:{self.last_lines()}")
            await anyio.sleep(0.02)

    def _started(self) -> ChildProgram:
        if self._program is None:
            raise BotFailed("The bot is not running")
        return self._program

    def _events_from(self, position: int) -> list[tuple[int, LogEvent]]:
        """The log's events from a position on, each with the position after it."""
        found = []
        with self.log.open("rb") as lines:
            lines.seek(position)
            for line in lines:
                position += len(line)
                if line.startswith(b"{") and line.endswith(b"}\n"):
                    found.append((position, json.loads(line)))
        return found


def _environment_without_settings() -> dict[str, str]:
    """The environment of this process without the settings of another bot."""
    foreign = ("MATRIX_", "BOT_", "STATUS_", "LOG_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
