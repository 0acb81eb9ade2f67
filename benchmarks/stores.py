"""Compares the store on SQLite and on PostgreSQL side by side, in one run.

`python -m benchmarks.stores` prints, for each of ROUNDS (5) rounds and as a median, the time of a
commit and how many messages a second go through the store with one room and with 20. A message is
accepted with the position, read, finished with its answer, and the answer is marked as sent: three
commits and two reads. PostgreSQL is a temporary server on a socket that flushes to the disk as
usual. The exit code is 1 if a target is missed.
"""

import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

import anyio

from actors.model import EventId, InboundMessage, OutboundMessage, RoomId, UserId
from actors.ports import StateStore
from actors.writes import AcceptMessage, FinishMessage, MarkSent, PutRow, QueueMessage, SavePosition
from adapter.postgres.store import PostgresStore
from adapter.sqlite.store import SqliteStore
from tests.postgres import throwaway_cluster

Opens: TypeAlias = Callable[[], AbstractAsyncContextManager[StateStore]]
"""Opens an empty store."""

COMMITS: Final = 300
MESSAGES: Final = 2000
ROOMS: Final = (1, 20)
RATIO: Final = 4.0
"""The longest commit on PostgreSQL, in commits on SQLite."""
PER_S: Final = 2000.0
"""The fewest messages a second on PostgreSQL with the most rooms."""
_BOB: Final = UserId("@bob:localhost")


@dataclass(slots=True)
class Measured:
    """What was measured of one engine, a value for each round."""

    commit_ms: list[float] = field(default_factory=list)
    per_s: dict[int, list[float]] = field(default_factory=lambda: {rooms: [] for rooms in ROOMS})


async def commits_ms(store: StateStore) -> float:
    """The median time of a commit of one row, when nothing else happens, in milliseconds."""
    took = []
    for number in range(COMMITS):
        began = time.perf_counter()
        await store.commit([PutRow("chat:@bob:localhost:C1", {"number": number})])
        took.append(time.perf_counter() - began)
    return median(took) * 1000


async def messages_per_s(store: StateStore, rooms: int) -> float:
    """How many messages a second go through the store, in so many rooms at once."""
    began = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for number in range(rooms):
            tasks.start_soon(
                _converse, store, RoomId(f"!{rooms}-{number}:localhost"), MESSAGES // rooms
            )
    return MESSAGES / (time.perf_counter() - began)


async def _converse(store: StateStore, room_id: RoomId, messages: int) -> None:
    for number in range(messages):
        event_id = EventId(f"${room_id}{number}{time.monotonic_ns()}")
        said = InboundMessage(event_id, room_id, _BOB, 5, "m.text", "Hello", is_edit=False)
        await store.commit([AcceptMessage(said), SavePosition(event_id)])
        (waiting,) = await store.waiting(room_id, 10)
        answer = OutboundMessage(event_id, room_id, waiting.message.body, notice=False)
        await store.commit([FinishMessage(event_id), QueueMessage(answer)])
        (unsent,) = await store.unsent(room_id, 10)
        await store.commit([MarkSent(unsent.txn_id, EventId(f"{event_id}-answer"))])


async def measure(engines: dict[str, Opens], rounds: int) -> dict[str, Measured]:
    """Measure all engines in each round, one after the other."""
    measured = {name: Measured() for name in engines}
    for _ in range(rounds):
        for name, opens in engines.items():
            async with opens() as store:
                measured[name].commit_ms.append(await commits_ms(store))
                for rooms in ROOMS:
                    measured[name].per_s[rooms].append(await messages_per_s(store, rooms))
    return measured


def lines(measured: dict[str, Measured]) -> list[str]:
    """The table of medians, a line for each engine."""
    rows = []
    for name, of_engine in measured.items():
        per_s = "".join(f"{median(of_engine.per_s[rooms]):>10,.0f}" for rooms in ROOMS)
        rows.append(f"{name:<12}{median(of_engine.commit_ms):>10.2f}{per_s}")
    heading = "".join(f"{f'{rooms} room(s)':>10}" for rooms in ROOMS)
    return [f"{'':<12}{'commit ms':>10}{heading}", *rows]


def missed(measured: dict[str, Measured]) -> list[str]:
    """The targets that were missed, as sentences."""
    sqlite, postgres = (median(measured[name].commit_ms) for name in ("SQLite", "PostgreSQL"))
    per_s = median(measured["PostgreSQL"].per_s[ROOMS[-1]])
    found = []
    if postgres > RATIO * sqlite:
        found.append(f"a commit takes {postgres / sqlite:.1f} times that of SQLite, not {RATIO:g}")
    if per_s < PER_S:
        found.append(f"{per_s:,.0f} messages a second, not {PER_S:,.0f}")
    return found


def main() -> int:
    """Run the comparison and print it."""
    rounds = int(os.environ.get("ROUNDS") or 5)
    with TemporaryDirectory() as folder, throwaway_cluster(fsync="on") as cluster:
        files = iter(range(rounds))

        @asynccontextmanager
        async def sqlite() -> AsyncIterator[StateStore]:
            async with SqliteStore.open(Path(folder) / f"{next(files)}.db") as store:
                yield store

        @asynccontextmanager
        async def postgres() -> AsyncIterator[StateStore]:
            async with PostgresStore.open(cluster.database()) as store:
                yield store

        engines: dict[str, Opens] = {"SQLite": sqlite, "PostgreSQL": postgres}
        measured = anyio.run(measure, engines, rounds)
    print("\n".join([*lines(measured), *missed(measured)]))
    return 1 if missed(measured) else 0


if __name__ == "__main__":
    sys.exit(main())
