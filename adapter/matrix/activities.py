"""What the bot does in each state of its lifecycle, over the ports."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from actors.messages import GapOpened, InboxWaiting, IntentsWaiting, Report, RoomsFailing
from actors.model import RoomId, RoomSnapshot, UserId
from actors.ports import (
    Homeserver,
    HomeserverUnavailable,
    Hydration,
    PositionLost,
    StateStore,
    SyncDelta,
)
from actors.reading import graph_around, read_if_joined
from actors.reconcile import reconcile, reconcile_some
from actors.rules.classify import Concern
from actors.rules.relations import RoomGraph
from actors.rules.report import ReconcileReport, Tally
from actors.rules.room_states import RoomState
from actors.runtime.system import ActorSystem, RoomsFail
from actors.upkeep import Upkeep
from actors.writes import DeleteRow, OpenGap, PutRow, SavePosition
from adapter.matrix.instances import Instances
from adapter.matrix.outbox import Outbox
from adapter.matrix.pump import Pump, invited

_log = structlog.get_logger()

PRUNE_EVERY_S: Final = 3600.0
KEEP_S: Final = 7 * 86_400.0
ROOMS_WRITTEN: Final = "changed_rooms"
MAX_CHANGED: Final = 50
"""When more rooms than this have changed, reading all of them at once is quicker."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What happened since a position, and the rooms whose state it changed, read anew."""

    since: str
    news: SyncDelta
    rooms: dict[RoomId, RoomSnapshot]
    graph: RoomGraph
    """Those rooms and what they have to do with."""


@dataclass(slots=True)
class Activities:
    """Each method is one state's activity; it ends by returning why, or by raising a port error."""

    homeserver: Homeserver
    store: StateStore
    system: ActorSystem
    outbox: Outbox
    upkeep: Upkeep
    instances: Instances
    replacements: set[RoomId]
    gaps: dict[RoomId, OpenGap]
    undecided: dict[RoomId, Concern]
    taken: dict[UserId, int]
    wall_clock: Callable[[], float]
    trusted: bool = False
    """Whether the rows are known to say what the homeserver said at the stored position."""
    report: ReconcileReport | None = None
    """The last reconciliation's."""
    partly: bool = False
    """Whether that one looked only at the rooms that had changed: the others are as they were."""
    _hydration: Hydration | None = field(default=None, init=False)
    _delta: Delta | None = field(default=None, init=False)
    _resume: bool = field(default=True, init=False)
    """Whether the stored position is still good."""
    _serving: anyio.CancelScope | None = field(default=None, init=False)
    _failing: str = field(default="", init=False)
    """How rooms failed when that ended `serve` last."""
    _pruned_at: float = field(default=-PRUNE_EVERY_S, init=False)

    async def log_in(self) -> str:
        """Get a session."""
        return f"logged in by {await self.homeserver.log_in()}"

    async def hydrate(self) -> str:
        """Read the joined rooms' state: of those that changed, or else of all."""
        self.system.interrupt()
        self.gaps.clear()
        self.gaps.update({gap.room_id: gap for gap in await self.store.gaps()})
        self._delta = await self._changed_rooms()
        if self._delta is not None:
            changed = _count(len(self._delta.rooms), "room") if self._delta.rooms else "no room"
            return f"{changed} changed since the stored position"
        self._hydration = hydration = await self.homeserver.hydrate()
        if hydration.malformed:
            _log.warning("malformed_events", count=hydration.malformed)
        await self._start_from(hydration)
        return _count(len(hydration.snapshots), "room")

    async def _start_from(self, hydration: Hydration) -> None:
        """Where there is no position to go on from, take the one that came with the snapshot.

        Messages from before it are not seen, invites that wait are.
        """
        if self._resume and await self.store.position() is not None:
            return
        self._say_from_now(hydration)
        invites = [write for invite in hydration.invites for write in invited(invite)]
        await self.store.commit([*invites, SavePosition(hydration.position)])
        self._resume = True

    def _say_from_now(self, hydration: Hydration) -> None:
        """A bot that has no rooms of its own yet cannot have missed anything in them."""
        me = self.homeserver.me
        if not self._resume:
            _log.warning("started_from_now", reason="the homeserver knows the position no more")
        elif any(seen.marker or seen.creator == me for seen in hydration.snapshots):
            _log.warning("started_from_now", reason="the database has no position")
        else:
            _log.info("started_from_now", reason="first start")

    async def _changed_rooms(self) -> Delta | None:
        """What happened since the stored position; None where that is not enough to know."""
        position = await self.store.position()
        if position is None or not (self.trusted and self._resume):
            return None
        try:
            news = await self.homeserver.sync(position, 0)
        except PositionLost as error:
            _log.warning("sync_position_lost", reason=str(error))
            self._resume = False
            return None
        rooms = [room.room_id for room in news.rooms if room.state_changed]
        if len(rooms) > MAX_CHANGED:
            return None
        try:
            read = [await read_if_joined(self.homeserver, room_id) for room_id in rooms]
            seen = {each.room_id: each for each in read if each is not None}
            graph = await graph_around(seen.values(), self.homeserver, self.store)
        except HomeserverUnavailable as error:
            # One room that can't be read is quarantined, where all of them are looked at.
            _log.warning("changed_rooms_unreadable", rooms=len(rooms), reason=str(error))
            return None
        return Delta(position, news, seen, graph)

    async def reconcile(self) -> str:
        """Bring the cache in line with what was read."""
        if self._delta is not None:
            delta, self._delta = self._delta, None
            return await self._reconcile_changed(delta)
        return await self._reconcile_all()

    async def _reconcile_changed(self, delta: Delta) -> str:
        """Accept what happened since the stored position; nothing of it is handled before live."""
        report = Tally().report()
        if delta.rooms:
            report = await reconcile_some(delta.graph, delta.rooms, self.system, self.store)
            _say(report)
        self.report, self.partly = _with_earlier_conflicts(report, self.report, delta), True
        # A Space that has changed still has to tell the rooms that it lists now, or no longer.
        chats = [room_id for room_id, seen in delta.rooms.items() if not seen.is_space]
        await self._pump().accept(delta.news, delta.since, chats)
        if not delta.rooms:
            return "no room has changed"
        return f"{_count(len(delta.rooms), 'changed room')}: {_outcome(report)}"

    async def _reconcile_all(self) -> str:
        """Bring the whole cache in line."""
        if self._hydration is None:
            raise RuntimeError("reconcile comes after hydrate")
        hydration, self._hydration = self._hydration, None
        self.trusted = False
        self.undecided.clear()
        me = self.homeserver.me
        report = await reconcile(hydration, self.system, self.store, me)
        self.report, self.partly = report, False
        _say(report)
        self.trusted = True
        return _outcome(report)

    async def serve(self, *, degraded: bool = False) -> None:
        """Answer people until something raises.

        `degraded` leaves rooms that rest alone, and does not mind that many of them fail.
        """
        position = await self.store.position()
        if position is None:
            raise RuntimeError("serve comes after reconcile")
        pump = self._pump()
        self.system.live = True
        self.outbox.hurry()
        self.system.degraded = degraded
        self.system.observe = _mind_nothing if degraded else self._hear
        if not degraded:
            self.system.resume_all()
        try:
            with anyio.CancelScope() as self._serving:
                # What has happened since may void what waits.
                position = await pump.catch_up(position)
                await self._tell_all_that_wait()
                await pump.run(position, regularly=self._tell_all_that_wait)
        finally:
            self.system.live = False
        raise RoomsFail(self._failing)

    def _hear(self, report: Report) -> None:
        if isinstance(report, RoomsFailing) and self._serving is not None:
            self._failing = f"{report.rooms} rooms fail the same way: {report.reason}"
            self._serving.cancel()

    def nothing_open(self) -> bool:
        """Whether all that is known of the rooms is in the store and on the homeserver."""
        if self.replacements or self.undecided or self.taken:
            return False
        if self.upkeep.busy or self.system.has_mail():
            return False
        quarantined = any(cell.state is RoomState.QUARANTINED for _, cell in self.system.rooms())
        return self.trusted and not quarantined

    def _pump(self) -> Pump:
        return Pump(
            self.homeserver,
            self.store,
            self.system,
            self.outbox,
            self.instances,
            self.replacements,
            self.gaps,
        )

    def forget_position(self) -> None:
        """The server does not know the stored position any more."""
        self._resume = False

    async def probe(self) -> None:
        """Return only when the homeserver and the store really answer."""
        await self.store.verify()
        await self.homeserver.probe()
        await self.store.commit([PutRow("probe", {"at": self.wall_clock()}), DeleteRow("probe")])

    async def _tell_all_that_wait(self) -> None:
        """Nothing that waits in the store depends on somebody having been told in time."""
        await self.store.verify()
        await self._prune()
        self.system.background(self.instances.announce)
        for room_id in tuple(self.gaps):
            self.system.tell(room_id, GapOpened())
        for room_id in await self.store.waiting_rooms():
            self.system.tell(room_id, InboxWaiting())
        for owner in await self.store.intent_owners():
            self.system.tell(owner, IntentsWaiting())
        for room_id in await self.store.unsent_rooms():
            self.outbox.wake(room_id)
        self.upkeep.start()

    async def _prune(self) -> None:
        """What is settled for good is kept for a week, and no longer."""
        now = anyio.current_time()
        if now - self._pruned_at >= PRUNE_EVERY_S:
            self._pruned_at = now
            await self.store.prune(before=self.wall_clock() - KEEP_S)


def _with_earlier_conflicts(
    report: ReconcileReport, before: ReconcileReport | None, delta: Delta
) -> ReconcileReport:
    """What was undecided before still is, in rooms that were not looked at again."""
    settled = {*delta.rooms, *delta.news.left}
    earlier = before["conflicts"] if before else []
    whole = report.copy()
    whole["conflicts"] = [note for note in earlier if note["room_id"] not in settled]
    whole["conflicts"] += report["conflicts"]
    return whole


def _outcome(report: ReconcileReport) -> str:
    changes, conflicts = report["changes"], len(report["conflicts"])
    return f"{_count(changes, 'change')}, {_count(conflicts, 'conflict')}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _mind_nothing(report: Report) -> None:
    """Whoever serves while rooms fail knows that they do."""


def _say(report: ReconcileReport) -> None:
    """The report, once. The rooms that were written stand one by one in the journal."""
    _log.info("reconciled", **{key: value for key, value in report.items() if key != ROOMS_WRITTEN})
