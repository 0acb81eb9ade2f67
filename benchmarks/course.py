"""The course of a run: every contestant in every scenario, one round after the other.

In each round they come in another order, one at a time, so that a machine that grows slower or
faster meanwhile is unfair to nobody.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import msgspec

from benchmarks.contestants.ours import STOP_WHEN_READY
from benchmarks.people import Listener, converse, crowd, listeners
from benchmarks.results import CELLS, COLD, ECHO, FAR, OURS, WARM, WARM_QUARTER, Results
from benchmarks.rows import read_rows
from benchmarks.running import (
    BARE_COLD,
    BARE_ECHO,
    FULL,
    NAIVE,
    NIO_ECHO,
    Contestant,
    Started,
    started,
)
from benchmarks.running import OURS as BOT
from benchmarks.topology import ACCOUNTS, Topology

COLD_STARTERS: Final = (BOT, BARE_COLD, NAIVE, FULL)
ECHOES: Final = (BOT, BARE_ECHO, NIO_ECHO)
SCENARIOS: Final = ("cold", "far", "warm", "echo")
WARM_STARTS: Final = 5
"""So many in a round: they take hundredths of a second, and few of them say little."""
_PEOPLE: Final = 5
_SETTLING_MESSAGES: Final = 5
_ONCE: Final = {STOP_WHEN_READY: "1"}


class RowsDiffer(Exception):
    """A contestant has not written what the first one has: they can't be compared."""


@dataclass(slots=True)
class Course:
    """One run. `far_url` is the same homeserver, 20 ms away."""

    url: str
    far_url: str
    topology: Topology
    folder: Path
    messages: int
    results: Results
    say: Callable[[str], None]
    """Told what is going on, once for each run of a contestant."""
    _rows: dict[str, object] = field(default_factory=dict, init=False)
    _runs: int = field(default=0, init=False)

    async def prepare(self) -> None:
        """Have the bot started once for each account, so that the homeserver is warm."""
        for account in ACCOUNTS:
            await self._start(account, self._new_folder())

    async def round(self, number: int, scenarios: Sequence[str]) -> None:
        """Every contestant once."""
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "cold": lambda: self._cold_starts(number, COLD, self.url),
            "far": lambda: self._cold_starts(number, FAR, self.far_url),
            "warm": self._warm_restarts,
            "echo": lambda: self._echoes(number),
        }
        for scenario in scenarios:
            await acts[scenario]()

    async def cells(self) -> None:
        """What an idle room costs, measured in a process of its own."""
        self.say("100,000 rooms")
        done = await anyio.run_process([sys.executable, "-m", "benchmarks.cells"])
        measured = msgspec.json.decode(done.stdout, type=dict[str, float])
        self.results.add(CELLS, OURS, **measured)
        self.results.add(CELLS, "limit", idle_bytes=1024)

    # ------------------------------------------------------------ starting

    async def _cold_starts(self, number: int, scenario: str, url: str) -> None:
        for contestant in rotated(COLD_STARTERS, number):
            self.say(f"{scenario}: {contestant.name}")
            folder = self._new_folder()
            device = f"COLD{self._runs}"
            async with started(
                contestant,
                url=url,
                account="bot",
                folder=folder,
                device=device,
                environment=_ONCE,
            ) as it:
                self._note_start(scenario, contestant, it)
            self._compare(contestant, folder)

    async def _warm_restarts(self) -> None:
        """Start anew, so that nothing of the rounds before is left to catch up with; start again.

        The first start does not count. The two sizes take turns.
        """
        places = [(WARM_QUARTER, "quarter"), (WARM, "bot")]
        folders = {account: self._new_folder() for _, account in places}
        for account, folder in folders.items():
            await self._start(account, folder)
        for scenario, account in places * WARM_STARTS:
            self._note_start(scenario, BOT, await self._start(account, folders[account]))

    async def _start(self, account: str, folder: Path) -> Started:
        """Start the bot, and stop it in order as soon as it is live."""
        self.say(f"{account} starts")
        async with started(
            BOT,
            url=self.url,
            account=account,
            folder=folder,
            device="WARM",
            environment=_ONCE,
        ) as it:
            return it

    def _note_start(self, scenario: str, contestant: Contestant, it: Started) -> None:
        ready = it.ready
        self.results.add(
            scenario,
            contestant.name,
            wall_s=ready.work_s,
            process_s=it.start_s,
            work_cpu_s=ready.work_cpu_s,
            cpu_s=ready.cpu_ready_s,
            peak_mib=ready.peak_kib / 1024,
        )

    def _compare(self, contestant: Contestant, folder: Path) -> None:
        rows = read_rows(folder / "lambda_matrix.db")
        self._rows = self._rows or rows
        if rows != self._rows:
            raise RowsDiffer(contestant.name)

    # ------------------------------------------------------------ answering

    async def _echoes(self, number: int) -> None:
        for contestant in rotated(ECHOES, number):
            self.say(f"{ECHO}: {contestant.name}")
            async with (
                started(
                    contestant,
                    url=self.url,
                    account="bot",
                    folder=self._new_folder(),
                    device=f"ECHO{self._runs}",
                ) as it,
                listeners(self.url, self.topology.homes_of("bot")[:_PEOPLE]) as everybody,
            ):
                await self._talk(contestant, it, everybody)

    async def _talk(
        self, contestant: Contestant, it: Started, everybody: Sequence[Listener]
    ) -> None:
        texts = [f"message {self._runs}-{number}" for number in range(2 * self.messages)]
        await converse(everybody[0], [f"{self._runs}-{n}" for n in range(_SETTLING_MESSAGES)])
        before_s = it.cpu_s()
        for latency_s in await converse(everybody[0], texts[: self.messages]):
            self.results.add(ECHO, contestant.name, latency_s=latency_s)
        between_s = it.cpu_s()
        rate = await crowd(everybody, texts[self.messages :])
        self.results.add(
            ECHO,
            contestant.name,
            messages_per_s=rate,
            cpu_ms_one=(between_s - before_s) / self.messages * 1000,
            cpu_ms_many=(it.cpu_s() - between_s) / self.messages * 1000,
        )

    def _new_folder(self) -> Path:
        self._runs += 1
        return self.folder / f"run-{self._runs}"


def rotated(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """The same contestants, each round with another one first."""
    at = number % len(contestants)
    return [*contestants[at:], *contestants[:at]]
