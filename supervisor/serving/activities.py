"""One activity for each state of the lifecycle, over the ports."""

import math
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from actors.messages import GapOpened, InboxWaiting, IntentsWaiting
from actors.meter import Meter
from actors.model import RoomId, RoomSnapshot, UserId
from actors.ports import HomeserverUnavailable, Hydration, PositionLost, SyncDelta
from actors.reading import read_graph, read_if_joined
from actors.reconcile import RoomsFail, reconcile, reconcile_some
from actors.rules.relations import RoomGraph
from actors.rules.report import ReconcileReport, Tally
from actors.runtime.letters import FailuresShared, Report
from actors.services import Services
from actors.writes import DeleteRow, PutRow, SavePosition
from supervisor.serving.outbox import Outbox
from supervisor.serving.pump import Pump, invite_writes, invites_at
from supervisor.serving.second_instance import SecondInstanceDetector

_log = structlog.get_logger()

ROOMS_WRITTEN: Final = "changed_rooms"


@dataclass(frozen=True, slots=True)
class Delta:
    """The news since a position, and the rooms with changed state, read again."""

    since: str
    news: SyncDelta
    rooms: dict[RoomId, RoomSnapshot]
    graph: RoomGraph
    """Those rooms and the rooms that are related to them."""


@dataclass(slots=True)
class BotActivities:
    """The activities. Each returns the reason of the transition, or raises a port error."""

    services: Services
    outbox: Outbox
    detector: SecondInstanceDetector
    meter: Meter
    trusted: bool = False
    """Whether the stored rows are known to match the homeserver at the stored position."""
    report: ReconcileReport | None = None
    """The report of the last reconciliation."""
    partly: bool = False
    """Whether the last reconciliation covered only the changed rooms."""
    _hydration: Hydration | None = field(default=None, init=False)
    _delta: Delta | None = field(default=None, init=False)
    _resume: bool = field(default=True, init=False)
    """Whether the stored position is still valid."""
    _serving: anyio.CancelScope | None = field(default=None, init=False)
    _failing: str = field(default="", init=False)
    """How rooms failed when their failures last ended `serve`."""
    _pruned_at: float = field(default=-math.inf, init=False)

    async def log_in(self) -> str:
        """Get a session."""
        return f"logged in by {await self.services.homeserver.log_in()}"

    async def hydrate(self) -> str:
        """Read the state of the changed rooms if they are known, else of all joined rooms."""
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
        """Save the hydration's position if the bot has no valid one.

        The bot does not see messages from before it, but answers pending invites.
        """
        if self._resume and await self.services.store.position() is not None:
            return
        self._log_start_from_now(hydration)
        invites = invite_writes(invites_at(hydration.invites, self.services.wall_clock()))
        await self.services.store.commit([*invites, SavePosition(hydration.position)])
        self._resume = True

    def _log_start_from_now(self, hydration: Hydration) -> None:
        """Log that messages may be missing. A bot without rooms of its own missed none."""
        me = self.services.homeserver.me
        if not self._resume:
            _log.warning("started_from_now", reason="the homeserver no longer knows the position")
        elif any(seen.marker or seen.creator == me for seen in hydration.snapshots):
            _log.warning("started_from_now", reason="the database has no position")
        else:
            _log.info("started_from_now", reason="first start")

    async def _changed_rooms(self) -> Delta | None:
        """The delta since the stored position; None if all rooms must be read instead."""
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
            # A full reconciliation quarantines a room that cannot be read.
            _log.warning("changed_rooms_unreadable", rooms=len(rooms), reason=str(error))
            return None
        return Delta(position, news, seen, graph)

    async def reconcile(self) -> str:
        """Bring the cache in line with the rooms that were read."""
        if self._delta is not None:
            delta, self._delta = self._delta, None
            return await self._reconcile_changed(delta)
        return await self._reconcile_all()

    async def _reconcile_changed(self, delta: Delta) -> str:
        """Reconcile the changed rooms, and accept the news. Messages are handled only in `live`."""
        report = Tally().report()
        if delta.rooms:
            report = await reconcile_some(delta.graph, delta.rooms, self.services)
            _log_report(report)
        self.report, self.partly = _with_earlier_conflicts(report, self.report, delta), True
        # The actor of a changed Space still has to notify the rooms that it added or removed.
        chats = [room_id for room_id, seen in delta.rooms.items() if not seen.is_space]
        await self._pump().accept(delta.news, delta.since, chats)
        if not delta.rooms:
            return "no room has changed"
        return f"{_count(len(delta.rooms), 'changed room')}: {_outcome(report)}"

    async def _reconcile_all(self) -> str:
        """Reconcile all joined rooms."""
        if self._hydration is None:
            raise RuntimeError("reconcile comes after hydrate")
        hydration, self._hydration = self._hydration, None
        self.trusted = False
        self.services.registry.undecided.clear()
        report = await reconcile(hydration, self.services)
        self.report, self.partly = report, False
        _log_report(report)
        self.trusted = True
        return _outcome(report)

    async def serve(self, *, degraded: bool = False) -> None:
        """Answer messages until an error is raised.

        With `degraded`, paused rooms stay paused, and many failing rooms raise no error.
        """
        position = await self.services.store.position()
        if position is None:
            raise RuntimeError("serve comes after reconcile")
        pump = self._pump()
        gate, system = self.services.gate, self.services.system
        gate.live, gate.creating = True, not degraded
        self.outbox.end_pauses()
        system.observe = _ignore_report if degraded else self._on_report
        if not degraded:
            system.outage_is_over()
        try:
            with anyio.CancelScope() as self._serving:
                # The news may make waiting messages void.
                position = await pump.catch_up(position)
                await self._announce_waiting()
                await pump.run(position, regularly=self._announce_waiting)
        finally:
            gate.live = False
        raise RoomsFail(self._failing)

    def _on_report(self, report: Report) -> None:
        if isinstance(report, FailuresShared) and self._serving is not None:
            self._failing = f"{report.actors} rooms fail the same way: {report.reason}"
            self._serving.cancel()

    def has_no_open_work(self) -> bool:
        """Whether all known changes of the rooms are in the store and on the homeserver."""
        services = self.services
        if services.registry.is_pending or services.upkeep.busy or services.system.has_mail():
            return False
        quarantined = any(cell.quarantined for cell in services.system.cells)
        return self.trusted and not quarantined

    def _pump(self) -> Pump:
        return Pump(self.services, self.outbox, self.detector, self.meter)

    def forget_position(self) -> None:
        """Drop the stored position: the homeserver no longer knows it."""
        self._resume = False

    async def probe(self) -> None:
        """Return only after both the homeserver and the store have answered."""
        await self.services.store.verify()
        await self.services.homeserver.probe()
        await self.services.store.commit(
            [PutRow("probe", {"at": self.services.wall_clock()}), DeleteRow("probe")]
        )

    async def _announce_waiting(self) -> None:
        """Notify the actors and the outbox of all waiting work in the store.

        Without this, work would stay there if its first notification was lost.
        """
        await self.services.store.verify()
        await self._prune()
        self.services.system.background.run(self.detector.announce)
        for room_id in self.services.registry.gaps:
            self.services.tell_room(room_id, GapOpened())
        for room_id in await self.services.store.waiting_rooms():
            self.services.tell_room(room_id, InboxWaiting())
        for owner in await self._queue_owners():
            self.services.tell_owner(owner, IntentsWaiting())
        for room_id in await self.services.store.unsent_rooms():
            self.outbox.wake(room_id)
        self.services.upkeep.start()

    async def _queue_owners(self) -> tuple[UserId, ...]:
        """Bring the queue for rooms in line with the store; the owners with open intents."""
        store = self.services.store
        wanting = {
            owner: min((it.asked_at or 0.0 for it in await store.open_intents(owner)), default=0.0)
            for owner in await store.intent_owners()
        }
        self.services.registry.queue.keep(wanting, anyio.current_time())
        return tuple(wanting)

    async def _prune(self) -> None:
        """Delete settled messages that are older than `Bounds.keep_s`."""
        now = anyio.current_time()
        if now - self._pruned_at >= self.services.bounds.prune_every_s:
            self._pruned_at = now
            await self.services.store.prune(
                before=self.services.wall_clock() - self.services.bounds.keep_s
            )


def _with_earlier_conflicts(
    report: ReconcileReport, before: ReconcileReport | None, delta: Delta
) -> ReconcileReport:
    """The report, with the earlier conflicts of rooms that were not read again."""
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


def _ignore_report(report: Report) -> None:
    """Ignore failing rooms: the bot is already degraded because of them."""


def _log_report(report: ReconcileReport) -> None:
    """Log the report without the changed rooms, which the journal has one by one."""
    _log.info("reconciled", **{key: value for key, value in report.items() if key != ROOMS_WRITTEN})
