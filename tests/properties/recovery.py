"""One reconciliation over a simulated server, and what it left behind."""

import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio
from typing_extensions import override

from actors.chats import ChatManager
from actors.model import RoomId, UserId
from actors.ports import Hydration
from actors.rules.classify import ConflictReason
from actors.rules.report import ReconcileReport
from adapter.matrix.reconcile import reconcile_matrix_state, reconcile_single_room
from adapter.sqlite.inline import InlineStore
from tests.properties.building import Built
from tests.properties.damage import Cache
from tests.properties.worlds import BOT
from tests.simulation.homeserver import SimulatedHomeserver

Reconciling: TypeAlias = Callable[[SimulatedHomeserver, InlineStore], Awaitable[ReconcileReport]]


class Backwards(SimulatedHomeserver):
    """A homeserver that names its rooms in another order."""

    @override
    async def hydrate(self) -> Hydration:
        """The same rooms, the last one first."""
        hydration = await super().hydrate()
        return replace(hydration, snapshots=hydration.snapshots[::-1])


@dataclass(frozen=True)
class Recovery:
    """What a reconciliation said, and the `kv` table after it.

    `again` is the report of a second run, `rewritten` how many rows of the file it touched.
    """

    report: ReconcileReport
    cache: Cache
    again: ReconcileReport
    rewritten: int

    def undecided(self) -> set[RoomId]:
        """Rooms in conflict, whose rows are left alone."""
        return {
            RoomId(note["room_id"])
            for note in self.report["conflicts"]
            if note["reason"] != ConflictReason.CHAT_ID_CONTESTED
        }


def recover(
    built: Built,
    cache: Cache,
    *,
    backend: str = "trio",
    homeserver: type[SimulatedHomeserver] = SimulatedHomeserver,
) -> Recovery:
    """Reconcile twice, beginning with this cache."""

    async def once(client: SimulatedHomeserver, store: InlineStore) -> ReconcileReport:
        return await reconcile_matrix_state(client, store, ChatManager(store))

    return anyio.run(_twice, once, homeserver(built.server, BOT), cache, backend=backend)


def repair(
    built: Built, cache: Cache, room_id: RoomId, owner: UserId, *, backend: str = "trio"
) -> Recovery:
    """Repair one room twice, beginning with this cache."""

    async def once(client: SimulatedHomeserver, store: InlineStore) -> ReconcileReport:
        return await reconcile_single_room(client, store, ChatManager(store), room_id, owner)

    return anyio.run(_twice, once, SimulatedHomeserver(built.server, BOT), cache, backend=backend)


async def _twice(once: Reconciling, client: SimulatedHomeserver, cache: Cache) -> Recovery:
    await client.log_in()
    store = InlineStore()
    try:
        kv: sqlite3.Connection = vars(store._database)["_connection"]
        kv.executemany("INSERT INTO kv(key, value) VALUES (?, ?)", cache.items())
        report = await once(client, store)
        rows = dict(kv.execute("SELECT key, value FROM kv"))
        before = kv.total_changes
        again = await once(client, store)
        return Recovery(report, rows, again, kv.total_changes - before)
    finally:
        store.close()
