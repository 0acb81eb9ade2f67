"""The course of a run: every contestant in every scenario, one round after the other.

The contestants run one at a time, in a different order in each round, so that a machine that
becomes slower or faster during the run affects all of them alike.
"""

import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import msgspec

from benchmarks.contestants.ours import STOP_WHEN_READY
from benchmarks.people import Listener, converse, crowd, listeners
from benchmarks.questions import Questions
from benchmarks.results import (
    CELLS,
    COLD,
    ECHO,
    FAR,
    LIMIT,
    OURS,
    QUESTION,
    RESTART,
    WARM,
    WARM_QUARTER,
    Results,
)
from benchmarks.rows import read_rows
from benchmarks.running import (
    BARE_COLD,
    BARE_ECHO,
    BARE_TALK,
    FULL,
    NAIVE,
    NIO_ECHO,
    Contestant,
    Started,
    settled,
    started,
)
from benchmarks.running import OURS as BOT
from benchmarks.topology import ACCOUNTS, Topology

COLD_STARTERS: Final = (BOT, BARE_COLD, NAIVE, FULL)
ECHOES: Final = (BOT, BARE_ECHO, NIO_ECHO)
TALKERS: Final = (BOT, BARE_TALK)
SCENARIOS: Final = ("cold", "far", "warm", "echo", "questions")
WARM_STARTS: Final = 5
"""Warm restarts in a round. One takes hundredths of a second: a median needs several."""
_PEOPLE: Final = 5
_WARM_UP_MESSAGES: Final = 5
_TURNS_BEFORE: Final = 10
"""The questions of a conversation that are answered before the first one is measured."""
_ONCE: Final = {STOP_WHEN_READY: "SIGTERM"}
_KILLED: Final = {STOP_WHEN_READY: "SIGKILL"}


class RowsDiffer(Exception):
    """A contestant has written other rows than the first one: their times are not comparable."""


@dataclass(slots=True)
class Course:
    """One run. `far_url` reaches the same homeserver with a round trip of 20 ms."""

    url: str
    far_url: str
    questions: Questions
    topology: Topology
    folder: Path
    messages: int
    results: Results
    on_run: Callable[[str], None]
    """Receives a description of each run of a contestant, before it begins."""
    _rows: dict[str, object] = field(default_factory=dict, init=False)
    _runs: int = field(default=0, init=False)

    async def prepare(self) -> None:
        """Start the bot once for each account, to warm up the homeserver."""
        for account in ACCOUNTS:
            await self._start(account, self._new_folder())

    async def round(self, number: int, scenarios: Sequence[str]) -> None:
        """Run every contestant of the scenarios once; warm restarts run several times."""
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "cold": lambda: self._cold_starts(number, COLD, self.url),
            "far": lambda: self._cold_starts(number, FAR, self.far_url),
            "warm": self._warm_restarts,
            "echo": lambda: self._echoes(number),
            "questions": lambda: self._questions(number),
        }
        for scenario in scenarios:
            await acts[scenario]()

    async def cells(self) -> None:
        """Measure the cost of an idle room, in a separate process."""
        self.on_run("100,000 rooms")
        done = await anyio.run_process([sys.executable, "-m", "benchmarks.cells"])
        measured = msgspec.json.decode(done.stdout, type=dict[str, float])
        self.results.add(CELLS, OURS, **measured)
        self.results.add(CELLS, LIMIT, idle_bytes=1024, activation_us=1000)

    # ------------------------------------------------------------ starting

    async def _cold_starts(self, number: int, scenario: str, url: str) -> None:
        for contestant in rotated(COLD_STARTERS, number):
            self.on_run(f"{scenario}: {contestant.name}")
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
        """Restart the bot several times in a new folder, for both accounts in turn.

        The first start of each folder is cold and is not measured. The folder is new in each round,
        so that the bot has no events of earlier rounds to read.
        """
        places = [(WARM_QUARTER, "quarter"), (WARM, "bot")]
        folders = {account: self._new_folder() for _, account in places}
        for account, folder in folders.items():
            await self._start(account, folder)
        for scenario, account in places * WARM_STARTS:
            self._note_start(scenario, BOT, await self._start(account, folders[account]))

    async def _start(self, account: str, folder: Path) -> Started:
        """Start the bot, and kill it as soon as it is live."""
        self.on_run(f"{account} starts")
        async with started(
            BOT,
            url=self.url,
            account=account,
            folder=folder,
            device="WARM",
            environment=_KILLED,
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
            self.on_run(f"{ECHO}: {contestant.name}")
            folder = self._new_folder()
            async with (
                started(
                    contestant,
                    url=self.url,
                    account="bot",
                    folder=folder,
                    device=f"ECHO{self._runs}",
                ) as it,
                listeners(self.url, self.topology.owners_of("bot")[:_PEOPLE]) as people,
            ):
                if contestant is BOT:
                    await settled(folder)
                await self._talk(contestant, it, people)

    async def _talk(self, contestant: Contestant, it: Started, people: Sequence[Listener]) -> None:
        texts = [f"message {self._runs}-{number}" for number in range(2 * self.messages)]
        await converse(people[0], [f"{self._runs}-{n}" for n in range(_WARM_UP_MESSAGES)])
        before_s = it.cpu_s()
        for latency_s in await converse(people[0], texts[: self.messages]):
            self.results.add(ECHO, contestant.name, latency_s=latency_s)
        between_s = it.cpu_s()
        rate = await crowd(people, texts[self.messages :])
        self.results.add(
            ECHO,
            contestant.name,
            messages_per_s=rate,
            cpu_ms_one=(between_s - before_s) / self.messages * 1000,
            cpu_ms_many=(it.cpu_s() - between_s) / self.messages * 1000,
        )

    # ------------------------------------------------------------ asking a platform

    async def _questions(self, number: int) -> None:
        self.results.add(QUESTION, LIMIT, to_platform_s=0.015, to_message_s=0.010)
        owners = self.topology.owners_of("bot")
        for contestant in rotated(TALKERS, number):
            folder = self._new_folder()
            owner = owners[self._runs % len(owners)]
            async with listeners(self.url, [owner]) as (person,):
                await self._ask(contestant, folder, person, QUESTION, self.messages)
                for _ in range(WARM_STARTS):
                    await self._ask(contestant, folder, person, RESTART, 1)

    async def _ask(
        self, contestant: Contestant, folder: Path, person: Listener, scenario: str, count: int
    ) -> None:
        """Start a contestant in a folder, and ask it so many questions in the same chat.

        They are asked again in a new folder, in which the conversation has to begin before.
        """
        self.on_run(f"{scenario}: {contestant.name}")
        unmeasured = 0 if folder.exists() else _TURNS_BEFORE
        async with started(
            contestant,
            url=self.questions.url,
            account="bot",
            folder=folder,
            device=folder.name,
            environment=self.questions.environment,
        ):
            if contestant is BOT:
                await settled(folder)
            for number in range(unmeasured + count):
                question = f"{scenario}, {time.time_ns()}: why is the sea salt?"
                measured = await self.questions.ask(person, question)
                if number >= unmeasured:
                    self.results.add(scenario, contestant.name, **measured)

    def _new_folder(self) -> Path:
        self._runs += 1
        return self.folder / f"run-{self._runs}"


def rotated(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """The contestants, rotated so that each round begins with another one."""
    at = number % len(contestants)
    return [*contestants[at:], *contestants[:at]]
