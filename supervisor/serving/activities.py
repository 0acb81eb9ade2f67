"""What the bot does in each state of its lifecycle, over the ports."""

import math
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from actors.messages import GapOpened, InboxWaiting, IntentsWaiting
from actors.meter import Meter
from actors.model import RoomId, RoomSnapshot
from actors.ports import HomeserverUnavailable, Hydration, PositionLost, SyncDelta
from actors.reading import read_graph, read_if_joined
from actors.reconcile import RoomsFail, reconcile, reconcile_some
from actors.rules.relations import RoomGraph
from actors.rules.report import ReconcileReport, Tally
from actors.runtime.letters import FailuresShared, Report
from actors.services import Services
from actors.writes import DeleteRow, PutRow, SavePosition
from supervisor.serving.outbox import Outbox
from supervisor.serving.pump import Pump, invited
from supervisor.serving.second_instance import SecondInstanceDetector

_log = structlog.get_logger()

ROOMS_WRITTEN: Final = "changed_rooms"


@dataclass(frozen=True, slots=True)
class Delta:
    """What happened since a position, and the rooms whose state it changed, read anew."""

    since: str
    news: SyncDelta
    rooms: dict[RoomId, RoomSnapshot]
    graph: RoomGraph
    """Those rooms and what they have to do with."""


@dataclass(slots=True)
class BotActivities:
    """Each method is one state's activity; it ends by returning why, or by raising a port error."""

    services: Services
    outbox: Outbox
    detector: SecondInstanceDetector
    meter: Meter
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
    _pruned_at: float = field(default=-math.inf, init=False)

    async def log_in(self) -> str:
        """Get a session."""
        return f"logged in by {await self.services.homeserver.log_in()}"

    async def hydrate(self) -> str:
        """Read the joined rooms' state: of those that changed, or else of all."""
        self.services.system.interrupt()
        self.services.registry.gaps.restore(await self.services.store.gaps())
        self._delta = await self._changed_rooms()
        if self._delta is not None:
            changed = _count(len(self._delta.rooms), "room") if self._delta.rooms else "no room"
            return f"{changed} changed since the stored position"
        self._hydration = hydration = await self.services.homeserver.hydrate()
        if hydration.malformed:
            _log.warning("malformed_events", count=hydration.malformed)
        await self._start_from(hydration)
        return _count(len(hydration.snapshots), "room")

    async def _start_from(self, hydration: Hydration) -> None:
        """Where there is no position to go on from, take the one that came with the snapshot.

        Messages from before it are not seen, invites that wait are.
        """
        if self._resume and await self.services.store.position() is not None:
            return
        self._say_from_now(hydration)
        invites = [write for invite in hydration.invites for write in invited(invite)]
        await self.services.store.commit([*invites, SavePosition(hydration.position)])
        self._resume = True

    def _say_from_now(self, hydration: Hydration) -> None:
        """A bot that has no rooms of its own yet cannot have missed anything in them."""
        me = self.services.homeserver.me
        if not self._resume:
            _log.warning("started_from_now", reason="the homeserver knows the position no more")
        elif any(seen.marker or seen.creator == me for seen in hydration.snapshots):
            _log.warning("started_from_now", reason="the database has no position")
        else:
            _log.info("started_from_now", reason="first start")

    async def _changed_rooms(self) -> Delta | None:
        """What happened since the stored position; None where that is not enough to know."""
        position = await self.services.store.position()
        if position is None or not (self.trusted and self._resume):
            return None
        try:
            news = await self.services.homeserver.sync(position, 0)
        except PositionLost as error:
            _log.warning("sync_position_lost", reason=str(error))
            self._resume = False
            return None
        rooms = [room.room_id for room in news.rooms if room.state_changed]
        if len(rooms) > self.services.bounds.changed_rooms:
            return None
        try:
            read = [await read_if_joined(self.services.homeserver, room_id) for room_id in rooms]
            seen = {each.room_id: each for each in read if each is not None}
            graph = await read_graph(
                seen.values(),
                self.services.homeserver,
                self.services.store,
                limit=self.services.bounds.related_rooms,
            )
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
            report = await reconcile_some(delta.graph, delta.rooms, self.services)
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
        self.services.registry.undecided.clear()
        report = await reconcile(hydration, self.services)
        self.report, self.partly = report, False
        _say(report)
        self.trusted = True
        return _outcome(report)

    async def serve(self, *, degraded: bool = False) -> None:
        """Answer people until something raises.

        `degraded` leaves rooms that rest alone, and does not mind that many of them fail.
        """
        position = await self.services.store.position()
        if position is None:
            raise RuntimeError("serve comes after reconcile")
        pump = self._pump()
        gate, system = self.services.gate, self.services.system
        gate.live, gate.creating = True, not degraded
        self.outbox.homeserver_answers()
        system.observe = _mind_nothing if degraded else self._hear
        if not degraded:
            system.outage_is_over()
        try:
            with anyio.CancelScope() as self._serving:
                # What has happened since may void what waits.
                position = await pump.catch_up(position)
                await self._tell_all_that_wait()
                await pump.run(position, regularly=self._tell_all_that_wait)
        finally:
            gate.live = False
        raise RoomsFail(self._failing)

    def _hear(self, report: Report) -> None:
        if isinstance(report, FailuresShared) and self._serving is not None:
            self._failing = f"{report.actors} rooms fail the same way: {report.reason}"
            self._serving.cancel()

    def nothing_open(self) -> bool:
        """Whether all that is known of the rooms is in the store and on the homeserver."""
        services = self.services
        if services.registry.is_pending or services.upkeep.busy or services.system.has_mail():
            return False
        quarantined = any(cell.quarantined for cell in services.system.cells)
        return self.trusted and not quarantined

    def _pump(self) -> Pump:
        return Pump(self.services, self.outbox, self.detector, self.meter)

    def forget_position(self) -> None:
        """The server does not know the stored position any more."""
        self._resume = False

    async def probe(self) -> None:
        """Return only when the homeserver and the store really answer."""
        await self.services.store.verify()
        await self.services.homeserver.probe()
        await self.services.store.commit(
            [PutRow("probe", {"at": self.services.wall_clock()}), DeleteRow("probe")]
        )

    async def _tell_all_that_wait(self) -> None:
        """Nothing that waits in the store depends on somebody having been told in time."""
        await self.services.store.verify()
        await self._prune()
        self.services.system.background.run(self.detector.announce)
        for room_id in self.services.registry.gaps:
            self.services.tell_room(room_id, GapOpened())
        for room_id in await self.services.store.waiting_rooms():
            self.services.tell_room(room_id, InboxWaiting())
        for owner in await self.services.store.intent_owners():
            self.services.tell_owner(owner, IntentsWaiting())
        for room_id in await self.services.store.unsent_rooms():
            self.outbox.wake(room_id)
        self.services.upkeep.start()

    async def _prune(self) -> None:
        """What is settled for good is kept for a week, and no longer."""
        now = anyio.current_time()
        if now - self._pruned_at >= self.services.bounds.prune_every_s:
            self._pruned_at = now
            await self.services.store.prune(
                before=self.services.wall_clock() - self.services.bounds.keep_s
            )


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
