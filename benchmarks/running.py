"""Starts the contestants and reads their measurements."""

import json
import os
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio

from benchmarks import results
from benchmarks.stopwatch import READY_PATH, Ready
from benchmarks.topology import PASSWORD
from demo.child_program import ChildProgram

ALONE: Final = Path("benchmarks/.cache/alone/bin/python")
"""A Python with the bot's dependencies only. `make bench` makes it."""
_SETTLED_WITHIN_S: Final = 600
_READY_WITHIN_S: Final = 900
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_LAST_LINES: Final = 15


class ContestantFailed(Exception):
    """A contestant failed before it was ready. The text has the last lines of its output."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A measured program; `command` are the arguments of `python -m`."""

    name: str
    command: tuple[str, ...]


OURS: Final = Contestant(results.OURS, ("benchmarks.contestants.ours",))
BARE_COLD: Final = Contestant(results.BARE, ("benchmarks.contestants.bare", "cold"))
NAIVE: Final = Contestant(results.NAIVE, ("benchmarks.contestants.nio_client", "naive"))
FULL: Final = Contestant(results.FULL, ("benchmarks.contestants.nio_client", "full"))
BARE_ECHO: Final = Contestant(results.BARE, ("benchmarks.contestants.bare", "echo"))
BARE_TALK: Final = Contestant(results.BARE, ("benchmarks.contestants.bare", "talk"))
NIO_START: Final = Contestant(results.NIO_START, ("benchmarks.contestants.nio_start",))
NIO_ECHO: Final = Contestant(results.NIO, ("benchmarks.contestants.nio_client", "echo"))


@dataclass(frozen=True, slots=True)
class Started:
    """A contestant that has reported that it is ready."""

    ready: Ready
    start_s: float
    """Seconds from the start of its process until it was ready."""
    pid: int

    def cpu_s(self) -> float:
        """The CPU seconds that it has used so far, with a resolution of 10 ms."""
        # The name, in parentheses, is followed by the state and eleven more fields.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


@asynccontextmanager
async def started(
    contestant: Contestant,
    *,
    url: str,
    account: str,
    folder: Path,
    device: str = "BENCHMARK",
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Started]:
    """Start a contestant in a folder and wait until it is ready; end it on leaving the context.

    Raises ContestantFailed.
    """
    ready_path, log = folder / "ready.json", folder / "contestant.log"
    given = environment_in(folder, url=url, account=account, device=device)
    ready_path.unlink(missing_ok=True)
    began = time.time()
    program = ChildProgram(
        [str(ALONE.absolute()), "-m", *contestant.command],
        folder=Path.cwd(),
        log=log,
        environment={**given, READY_PATH: str(ready_path), **(environment or {})},
    )
    try:
        ready = await _ready(program, ready_path, log)
        yield Started(ready, ready.ready_at - began, program.pid)
    finally:
        with anyio.CancelScope(shield=True):
            await program.end()


def ended(arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, float]:
    """Run Python until it has ended; its seconds in all, and those of the CPU. Blocks.

    Raises ContestantFailed.
    """
    began = time.perf_counter()
    program = subprocess.Popen(  # noqa: S603
        [str(ALONE.absolute()), *arguments],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(program.pid, 0)
    process_s = time.perf_counter() - began
    program.returncode = os.waitstatus_to_exitcode(status)
    if program.returncode:
        raise ContestantFailed(f"{' '.join(arguments)} has ended with {program.returncode}")
    return {"process_s": process_s, "cpu_s": used.ru_utime + used.ru_stime}


def number_in(database: Path, query: str) -> int:
    """The number that a query finds in a bot's database."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(query).fetchone()[0])


def open_gaps(database: Path) -> int:
    """How many rooms a bot has yet to look through for what it may have missed."""
    return number_in(database, "SELECT count(*) FROM gaps")


async def settled(folder: Path) -> None:
    """Wait until the bot whose files are in a folder has looked through its rooms.

    Raises TimeoutError.
    """
    with anyio.fail_after(_SETTLED_WITHIN_S):
        while open_gaps(folder / "lambda_matrix.db"):  # noqa: ASYNC110
            await anyio.sleep(0.1)


async def _ready(program: ChildProgram, path: Path, log: Path) -> Ready:
    with anyio.fail_after(_READY_WITHIN_S):
        while not path.exists():
            if program.exit_code() not in {None, 0}:
                lines = "\n".join(log.read_text(errors="replace").splitlines()[-_LAST_LINES:])
                raise ContestantFailed(lines)
            await anyio.sleep(0.02)
    return Ready(**json.loads(path.read_text()))


def environment_in(folder: Path, *, url: str, account: str, device: str) -> dict[str, str]:
    """The environment of a program of this account, whose files are in a folder. Creates it."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        **_plain_environment(),
        "MATRIX_HOMESERVER": url,
        "MATRIX_USER_ID": f"@{account}:localhost",
        "MATRIX_PASSWORD": PASSWORD,
        "MATRIX_DEVICE_ID": device,
        "MATRIX_DB_PATH": str(folder / "lambda_matrix.db"),
        "MATRIX_STORE_PATH": str(folder / "matrix_store"),
        "MATRIX_JOURNAL_PATH": str(folder / "lambda_journal.db"),
        "STATUS_BIND": "",
        "LOG_FORMAT": "json",
    }


def _plain_environment() -> dict[str, str]:
    """The environment of this process without settings of the bot and of measuring tools.

    Python may write compiled modules, as in production.
    """
    dropped = ("MATRIX_", "BOT_", "OPENAI_", "STATUS_", "LOG_", "COV", "PYTEST", "PYTHONDONT")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
