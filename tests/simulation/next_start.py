"""Checks that a start at any moment, also after a kill, ends with the rows of a rebuild.

The database is copied after a transaction about changed rooms: that is what a kill at this moment
would leave. It is also copied when a process has ended, and when commits were lost. A bot that
starts on the copy reads only what has changed. What it writes into the copy is compared with a
rebuild, but for rooms that are dirty then: they are still to be read. The bot lives beside the
simulation, and changes nothing there.
"""

from collections.abc import Collection, Iterable
from functools import partial
from random import Random
from typing import Final

from actors.model import RoomId
from actors.rules.answers import Answers
from actors.runtime.transition_log import TransitionLog
from adapter.sql.store import SqlStore
from adapter.sql.values import Statement
from adapter.sqlite.inline import _Database
from supervisor.serving.assembly import assemble
from tests.simulation.checkers import Checkers
from tests.simulation.connection import Gate
from tests.simulation.machines import Clock, Machine, run_machines
from tests.simulation.member import DEVICE
from tests.simulation.platform import PlatformLine, SimulatedPlatform
from tests.simulation.process import BOT, SeededIds
from tests.simulation.rebuilding import visitor, wrong_rows
from tests.simulation.server import SimulatedServer
from tests.simulation.shared_store import SharedStore

SHARE: Final = 0.5
"""The share of the transactions about changed rooms that are followed by a start."""
TABLE: Final = "dirty"


class NextStart:
    """The starts. `inherited` are rooms of an earlier bot, see `wrong_rows`."""

    def __init__(
        self, server: SimulatedServer, store: SharedStore, checkers: Checkers, rng: Random
    ) -> None:
        self.inherited: Collection[RoomId] = ()
        self.starts = 0
        """How many starts have read only what had changed."""
        self._server = server
        self._store = store
        self._checkers = checkers
        self._rng = rng
        self._copies: list[_Database] = []

    def committed(self, statements: Iterable[Statement]) -> None:
        """Copy the database, perhaps, after a transaction."""
        is_about_changes = any(statement.table == TABLE for statement in statements)
        if is_about_changes and self._rng.random() < SHARE:
            self.note()

    def note(self) -> None:
        """Copy the database."""
        self._copies.append(self._store.copied())

    def check(self) -> None:
        """Start a bot on each copy. No event loop may run meanwhile."""
        copies, self._copies = self._copies, []
        for copy in copies:
            if self._is_reachable():
                clock = Clock()
                start = partial(self._start, copy)
                run_machines([Machine(clock)], [start], clock, Random(0))  # noqa: S311 - no secret
            copy.close()

    def _is_reachable(self) -> bool:
        has_session = self._server.sessions.present(BOT, DEVICE) is not None
        return has_session and not self._server.down

    async def _start(self, copy: _Database) -> None:
        server = self._server
        random = Random(0)  # noqa: S311 - no secret
        store = SqlStore(copy, clock=server.now)
        bot = assemble(
            visitor(server),
            store,
            PlatformLine(SimulatedPlatform(random), Gate()),
            TransitionLog(None, "next", server.now),
            allows=lambda _: True,
            answers=Answers.EVERYONE,
            ids=SeededIds(random),
            random=random,
        )
        async with bot.system:
            await bot.activities.hydrate()
            if bot.activities._delta is None:
                return
            await bot.activities.reconcile()
        self.starts += 1
        rows, dirty = await store.rows(""), await store.dirty()
        for wrong in await wrong_rows(rows, server, self.inherited, dirty):
            self._checkers.violated(f"after a start: {wrong}")
