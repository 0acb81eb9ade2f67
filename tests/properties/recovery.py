"""One reconciliation over a simulated server, and what it left behind."""

import sqlite3
from dataclasses import dataclass, replace
from typing import Final

import anyio
from typing_extensions import override

from actors.chats import ChatManager
from actors.classify import ConflictReason
from actors.model import RoomId
from actors.ports import Hydration
from actors.report import ReconcileReport
from adapter.matrix.reconcile import reconcile_matrix_state
from adapter.sqlite.inline import InlineStore
from tests.properties.building import Built
from tests.properties.damage import Cache
from tests.properties.worlds import BOT
from tests.simulation.homeserver import SimulatedHomeserver

BACKENDS: Final = ("asyncio", "trio")


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

    async def run() -> Recovery:
        client = homeserver(built.server, BOT)
        await client.log_in()
        store = InlineStore()
        try:
            kv: sqlite3.Connection = vars(store._database)["_connection"]
            kv.executemany("INSERT INTO kv(key, value) VALUES (?, ?)", cache.items())
            report = await reconcile_matrix_state(client, store, ChatManager(store))
            rows = dict(kv.execute("SELECT key, value FROM kv"))
            before = kv.total_changes
            again = await reconcile_matrix_state(client, store, ChatManager(store))
            return Recovery(report, rows, again, kv.total_changes - before)
        finally:
            store.close()

    return anyio.run(run, backend=backend)
