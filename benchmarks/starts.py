"""How long it takes to start: Python, two commands, the least program on nio, and the bot.

All are measured as whole processes and in turn, so that they have the same machine beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.contestants.ours import STOP_WHEN_READY
from benchmarks.results import HELP, NIO_START, PYTHON, RUN, START, STATUS, Results
from benchmarks.running import NIO_START as NIO
from benchmarks.running import OURS as BOT
from benchmarks.running import Contestant, ended, environment_in, started

TURNS: Final = 5
"""The starts of each contestant in a round."""
CONTESTANTS: Final = (PYTHON, HELP, STATUS, NIO_START, RUN)
_COMMANDS: Final = {
    PYTHON: ("-c", "pass"),
    HELP: ("-m", "supervisor", "--help"),
    STATUS: ("-m", "supervisor", "status"),
}
_PROGRAMS: Final = {NIO_START: NIO, RUN: BOT}
_ACCOUNT: Final = "bot"
_KILLED: Final = {STOP_WHEN_READY: "SIGKILL"}


@dataclass(slots=True)
class Starts:
    """The measurement. The programs keep their files in folders of their own in `folder`."""

    url: str
    folder: Path
    results: Results
    on_run: Callable[[str], None]
    _turns: int = field(default=0, init=False)

    async def round(self) -> None:
        """Start each contestant `TURNS` times. Nothing counts that a program does to be warm."""
        for name, program in _PROGRAMS.items():
            if not self._turns:
                await self._until_ready(name, program)
        for _ in range(TURNS):
            at = self._turns % len(CONTESTANTS)
            for name in (*CONTESTANTS[at:], *CONTESTANTS[:at]):
                self.on_run(f"{START}: {name}")
                self.results.add(START, name, **await self._measured(name))
            self._turns += 1

    async def _measured(self, name: str) -> dict[str, float]:
        if name in _PROGRAMS:
            return await self._until_ready(name, _PROGRAMS[name])
        files = self.folder / str(list(_PROGRAMS).index(RUN))
        return ended(
            _COMMANDS[name],
            environment_in(files, url=self.url, account=_ACCOUNT, device="START"),
        )

    async def _until_ready(self, name: str, program: Contestant) -> dict[str, float]:
        number = list(_PROGRAMS).index(name)
        async with started(
            program,
            url=self.url,
            account=_ACCOUNT,
            folder=self.folder / str(number),
            device=f"START{number}",
            environment=_KILLED,
        ) as it:
            return {"process_s": it.start_s, "cpu_s": it.ready.cpu_ready_s}
