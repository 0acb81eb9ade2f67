"""One activity for each state of the lifecycle, over the ports."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import anyio
import structlog

from actors.late_edits import LateEdits
from actors.messages import GapOpened, InboxWaiting, IntentsWaiting, RoomChanged
from actors.meter import Meter
from actors.model import RoomId, UserId
from actors.port_errors import (
    HomeserverUnavailable,
    LeaseLost,
    PositionLost,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.ports import Hydration, SyncDelta
from actors.reading import known_rooms, read_graph, read_rooms
from actors.reconcile import RoomsFail, reconcile, reconcile_some
from actors.rules.generation import Doubt
from actors.rules.relations import RoomGraph
from actors.rules.report import ReconcileReport, Tally
from actors.runtime.letters import ActorCrashed, FailuresShared, Report
from actors.services import Services
from actors.snapshots import RoomSnapshot
from actors.writes import DeleteRow, NoteWholeRead, PutRow, SavePosition, Write
from supervisor.loading import filling
from supervisor.serving.backlog import Backlog
from supervisor.serving.fresh_start import beginnings, doubt_writes, loss_writes, sharpened
from supervisor.serving.generations import Generations
from supervisor.serving.gone_rooms import note_gone_rooms
from supervisor.serving.outbox import Outbox
from supervisor.serving.pruner import Pruner
from supervisor.serving.pump import Pump, invite_writes, invites_at
from supervisor.serving.refusals import Refusals
from supervisor.serving.rereading import Rereading
from supervisor.serving.second_instance import SecondInstanceDetector

_OF_THE_STORE: Final = (StoreUnavailable, StoreCorrupt)
"""Commits of others may be lost with the one that failed: all that is known is read again."""

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
    backlog: Backlog
    detector: SecondInstanceDetector
    generations: Generations
    refusals: Refusals
    pruner: Pruner
    meter: Meter
    late_edits: LateEdits
    rereading: Rereading
    trusted: bool = False
    """Whether the stored rows, except those of dirty rooms, match the homeserver at the stored
    position."""
    report: ReconcileReport | None = None
    """The report of the last reconciliation."""
    partly: bool = False
    """Whether the last reconciliation covered only the changed rooms."""
    _hydration: Hydration | None = field(default=None, init=False)
    _hydrated_at: float = field(default=0.0, init=False)
    """When the latest hydrate began, in seconds since the epoch."""
    _changes: dict[RoomId, int] = field(default_factory=dict, init=False)
    """The dirty rooms then."""
    _joined: Collection[RoomId] = field(default=(), init=False)
    """The joined rooms at the latest hydrate."""
    _delta: Delta | None = field(default=None, init=False)
    _doubt: Doubt | None = field(default=None, init=False)
    """Why the stored position can't be believed, until another position replaces it."""
    _serving: anyio.CancelScope | None = field(default=None, init=False)
    _ended_by: Exception | None = field(default=None, init=False)
    """The error that ends `serve` from beside it: failing rooms, or a refused account."""

    async def log_in(self) -> str:
        """Get a session."""
        return f"logged in by {await self.services.homeserver.log_in()}"

    async def hydrate(self) -> str:
        """Read the state of the changed rooms if they are known, else of all joined rooms."""
        self.services.system.interrupt()
        self._doubt = await self.generations.doubt() or self._doubt
        if self._doubt is not None:
            _log.warning("position_doubted", reason=str(self._doubt))
        await self._look_at_store()
        self._delta = await self._changed_rooms()
        if self._delta is not None:
            changed = _count(len(self._delta.rooms), "room") if self._delta.rooms else "no room"
            return f"{changed} changed since the stored position"
        self._hydration = hydration = await self.services.homeserver.hydrate()
        if hydration.malformed:
            places = hydration.malformed_at
            self.meter.malformed += hydration.malformed
            _log.warning("malformed_events", count=hydration.malformed, places=places)
        self._joined = {seen.room_id for seen in hydration.snapshots}
        self._joined |= (hydration.unreadable or {}).keys()
        doubt = await self._start_from(hydration)
        # Where the bot starts from now, no news says what came before; replies go on meanwhile.
        self.services.histories.drop_all()
        because = f"; started from now: {doubt}" if doubt else ""
        return _count(len(hydration.snapshots), "room") + because

    async def _look_at_store(self) -> None:
        """Take on what the store has, before anything is read."""
        services = self.services
        services.registry.gaps.restore(await services.store.gaps())
        services.registry.dirty.restore(await services.store.dirty())
        self._changes = services.registry.dirty.changes()
        self._hydrated_at = services.wall_clock()
        self.trusted = await services.store.whole_read_at() is not None

    async def _start_from(self, hydration: Hydration) -> Doubt | None:
        """Save the hydration's position if the bot has no valid one; return the doubt about it.

        What was said before it is found in the rooms. Pending invites are answered.
        """
        store = self.services.store
        if self._doubt is None and await store.position() is not None:
            return None
        keys = await store.keys("")
        doubt = sharpened(self._doubt, self._joined, await known_rooms(store))
        is_first = not self._has_own_rooms(hydration)
        _log_start_from_now(doubt, is_first=is_first)
        writes: list[Write] = []
        now = self.services.wall_clock()
        if doubt is not None:
            known = beginnings(doubt, await store.gaps(), await store.waiting_counts())
            writes += doubt_writes(doubt, hydration, keys, known, now)
        elif not is_first:
            writes += loss_writes(hydration)
        writes += invite_writes(invites_at(hydration.invites, now))
        agreeing = await self.generations.agreeing()
        position = SavePosition(hydration.position)
        await store.commit([*writes, NoteWholeRead(None), position, agreeing])
        self._doubt, self.trusted = None, False
        self.services.registry.gaps.restore(await store.gaps())
        return doubt

    def _has_own_rooms(self, hydration: Hydration) -> bool:
        """Whether the bot has created a room. A bot without rooms of its own missed nothing.

        A room that can't be read may be one of its own.
        """
        me = self.services.homeserver.me
        created = (seen.marker or seen.creator == me for seen in hydration.snapshots)
        return bool(hydration.unreadable) or any(created)

    async def _changed_rooms(self) -> Delta | None:
        """The delta since the stored position; None if all rooms must be read instead."""
        position = await self.services.store.position()
        if position is None or self._doubt is not None or not self.trusted:
            return None
        try:
            news = await self.services.homeserver.sync(position, 0)
            self._joined = await self.services.homeserver.joined_rooms()
        except PositionLost as error:
            _log.warning("sync_position_lost", reason=str(error))
            self._doubt = Doubt.POSITION
            return None
        rooms = {*self._changes, *(room.room_id for room in news.rooms if room.state_changed)}
        if len(rooms) > self.services.bounds.changed_rooms:
            return None
        try:
            slots = self.services.homeserver_slots
            seen = await read_rooms(sorted(rooms), self.services.homeserver, slots)
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
            outcome = await self._reconcile_changed(delta)
        else:
            outcome = await self._reconcile_all()
        await note_gone_rooms(self.services, self._joined)
        return outcome

    async def _reconcile_changed(self, delta: Delta) -> str:
        """Reconcile the changed rooms, and accept the news. Messages are handled only in `live`."""
        report = Tally().report()
        if delta.rooms or self._changes:
            report = await reconcile_some(delta.graph, delta.rooms, self.services, self._changes)
            _log_report(report)
        self.report, self.partly = _with_earlier_conflicts(report, self.report, delta), True
        await self._pump().accept(delta.news, delta.since, delta.rooms)
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
        with filling():
            report = await reconcile(hydration, self.services, self._changes, at=self._hydrated_at)
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
        self._ended_by = None
        self.services.encryption.ask_again()
        self.outbox.end_pauses()
        self.generations.begin()
        system.observe = _ignore_report if degraded else self._on_report
        self.refusals.tell = self._end_serving
        if not degraded:
            self.services.registry.put_off.clear()
            system.outage_is_over()
            self.services.upkeep.outage_is_over()
        self.services.replies.outage_is_over()
        try:
            with anyio.CancelScope() as self._serving:
                # The news may make waiting messages void.
                position = await pump.catch_up(position)
                await self._announce_waiting()
                await pump.run(position, regularly=self._announce_waiting)
        finally:
            gate.live = False
            self._serving = None
        raise self._reason_of_end()

    def _reason_of_end(self) -> Exception:
        return self._ended_by or RuntimeError("serve ends by raising")

    def _on_report(self, report: Report) -> None:
        if isinstance(report, FailuresShared):
            reason = f"{report.actors} rooms fail the same way: {report.reason}"
            self._end_serving(RoomsFail(reason))
        if isinstance(report, ActorCrashed) and isinstance(report.error, _OF_THE_STORE):
            self._end_serving(report.error)

    def _end_serving(self, error: Exception) -> None:
        """Let `serve` raise this error, if it runs and does not end already."""
        if self._serving is not None and not self._serving.cancel_called:
            self._ended_by = error
            self._serving.cancel()

    def _pump(self) -> Pump:
        return Pump(
            self.services, self.outbox, self.backlog, self.detector, self.meter, self.late_edits
        )

    def forget_position(self) -> None:
        """Drop the stored position: the homeserver no longer knows it."""
        self._doubt = Doubt.POSITION

    async def probe(self) -> None:
        """Return only after both the homeserver and the store have answered.

        After a refusal for now, also a request to read and a request to write have to succeed: an
        account that is refused can often do everything but the one thing that it needs.
        """
        await _ask_store(self.services)
        await self.services.homeserver.probe()
        if self.refusals.pending:
            await self._probe_account()

    async def wait_for_store(self) -> None:
        """Return once the store answers, or raise what else is wrong with it."""
        while True:
            await anyio.sleep(self.services.bounds.look_at_store_s)
            try:
                return await _ask_store(self.services)
            except StoreUnavailable as error:
                if isinstance(error, LeaseLost):
                    raise

    async def _probe_account(self) -> None:
        position = await self.services.store.position()
        if position is not None:
            with suppress(PositionLost):
                await self.services.homeserver.sync(position, 0)
        await self.refusals.check()

    async def _announce_waiting(self) -> None:
        """Notify the actors and the outbox of all waiting work in the store.

        Without this, work would stay there if its first notification was lost.
        """
        await self.services.store.verify()
        await self.pruner.prune()
        self.services.system.background.run(self.detector.announce)
        self.services.system.background.run(self.generations.replace)
        self.services.system.background.run(self.services.encryption.look)
        self.services.system.background.run(self.services.traits.read)
        self.services.system.background.run(self.services.appearance.show, not self._joined)
        self.services.system.background.run(self.rereading.reread)
        for room_id in self.services.registry.unattended.take():
            self.services.tell_room(room_id, RoomChanged())
        for room_id in self.services.registry.gaps.to_wake():
            self.services.tell_room(room_id, GapOpened())
        for room_id in await self.services.store.waiting_counts():
            self.services.tell_room(room_id, InboxWaiting())
        for owner in await self._queue_owners():
            self.services.tell_owner(owner, IntentsWaiting())
        for room_id in await self.services.store.unsent_counts():
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


def _log_start_from_now(doubt: Doubt | None, *, is_first: bool) -> None:
    reason = doubt or ("first start" if is_first else "the database has no position")
    log = _log.info if is_first and doubt is None else _log.warning
    log("started_from_now", reason=str(reason))


async def _ask_store(services: Services) -> None:
    """Return once the store has written and read."""
    now = services.wall_clock()
    await services.store.commit([PutRow("probe", {"at": now}), DeleteRow("probe")])
    await services.store.verify()


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
