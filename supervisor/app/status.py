"""The observer of a running bot, for the status server and the service manager."""

import math
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Final

import anyio

from actors.leadership import NO_LEASE, Leadership
from actors.meter import Meter
from actors.model import RoomId
from actors.port_errors import StoreUnavailable
from actors.rules.report import ReconcileReport
from actors.rules.room_states import RoomState
from actors.runtime.cells import Cell
from supervisor.current import Degraded
from supervisor.lifecycle import INITIAL, State, Trigger
from supervisor.logging import Redactor
from supervisor.serving.assembly import Bot
from supervisor.settings import Settings
from supervisor.status.cache import CacheView, Figures, Rows
from supervisor.status.conversations import at_work, named
from supervisor.status.history import History
from supervisor.status.platform import platform_seen
from supervisor.status.rooms import Stateless, room_counts, unchanged
from supervisor.status.snapshot import (
    LISTED,
    PROGRAM,
    Leading,
    Lifecycle,
    Note,
    PlatformSeen,
    Quarantined,
    Reconciled,
    Snapshot,
    WorkersSeen,
    rfc3339,
    within_bounds,
)
from supervisor.status.streaming import streaming_seen
from supervisor.status.workers import LoadReader, workers_seen
from supervisor.supervisor import Supervisor
from supervisor.watchdog import is_stuck

FRESH_S: Final = 1.0
"""A snapshot is reused for this long."""
CLOSE_WITHIN_S: Final = 5.0
SET_S: Final = 1.0
"""A wall clock that differs from the event loop's clock by more than before was set meanwhile."""


@dataclass(slots=True)
class _Opened:
    """A bot. Its files may be closed."""

    bot: Bot
    cache: CacheView
    stateless: Stateless = field(default_factory=Stateless)
    is_open: bool = True


@dataclass(slots=True)
class _Watched:
    """The current run."""

    boot: str
    supervisor: Supervisor
    opened: _Opened | None = None
    """The bot, once this process leads and has opened the bot's files."""


@dataclass(slots=True)
class Observer:
    """Observes the bot of a process. Implements `supervisor.status.server.Observed`.

    It takes a snapshot only on request, at most once per `FRESH_S`. Created inside the event loop.
    """

    settings: Settings
    wall_clock: Callable[[], float] = time.time
    meter: Meter = field(default_factory=Meter)
    history: History = field(default_factory=History)
    leadership: Leadership | None = None
    """Set when this process takes part in the question of which process leads."""
    load_reader: LoadReader | None = None
    """Set if workers ask the platform."""
    waits_for: str = ""
    """What a process that stands by waits for, as far as it knows."""
    version: str = field(default_factory=lambda: version(PROGRAM))
    _watched: _Watched | None = field(default=None, init=False)
    _began: float = field(default_factory=anyio.current_time, init=False)
    _epoch: float = field(default=-math.inf, init=False)
    """The difference between seconds since the epoch and anyio's time, as it was last seen."""
    _seen: Snapshot | None = field(default=None, init=False)
    _seen_at: float = field(default=0.0, init=False)
    _one_at_a_time: anyio.Lock = field(default_factory=anyio.Lock, init=False)

    def standing_by(self, boot: str, supervisor: Supervisor) -> None:
        """Observe a run without a bot, until `watching` names one."""
        self._watched, self._seen, self.waits_for = _Watched(boot, supervisor), None, ""

    @asynccontextmanager
    async def watching(self, boot: str, bot: Bot, supervisor: Supervisor) -> AsyncIterator[None]:
        """Observe this bot. After the context, its files are no longer read."""
        opened = _Opened(bot, CacheView(bot.services.store))
        self._watched, self._seen = _Watched(boot, supervisor, opened), None
        try:
            yield
        finally:
            opened.is_open = False
            with anyio.move_on_after(CLOSE_WITHIN_S, shield=True):
                async with self._one_at_a_time:  # a snapshot in progress is finished
                    self._seen_at = -math.inf

    # ------------------------------------------------------------ for the server

    async def snapshot(self) -> Snapshot:
        """The bot's snapshot, with figures that are at most `FRESH_S` old.

        One that the database delays is shared by all that wait for it.
        """
        async with self._one_at_a_time:
            if self._seen is None or anyio.current_time() - self._seen_at >= FRESH_S:
                self._seen = within_bounds(await self._take_snapshot())
                self._seen_at = anyio.current_time()
            return self._current(self._seen)

    def readiness(self) -> tuple[bool, str]:
        """Whether the bot is live and reads on, and a sentence about its state.

        A platform in trouble is in the sentence alone: people are served as far as the bot can.
        """
        seen = self._lifecycle()
        bot = self._bot
        paused = bot.activities.backlog.paused if bot else ""
        if paused and seen.state == State.LIVE:
            return False, paused
        sentence = f"{seen.state} since {seen.since}" + (f": {seen.reason}" if seen.reason else "")
        trouble = self._platform(bot).trouble if bot else ""
        return seen.state == State.LIVE, f"{sentence}; {trouble}" if trouble else sentence

    async def metrics(self) -> bytes:
        """The metrics in Prometheus' text format."""
        # Loaded with the first request for metrics.
        from supervisor.status.metrics import exposition  # noqa: PLC0415

        return exposition(await self.snapshot(), self.meter, self.history)

    def is_stuck(self) -> bool:
        """Whether the current state has shown no sign of life for too long."""
        now = anyio.current_time()
        if self._watched is None:
            return is_stuck(INITIAL, now - self._began)
        current = self._watched.supervisor.current
        quiet_s = now - max(current.since, self.meter.beat_at)
        due = current.next_attempt_at if isinstance(current, Degraded) else None
        return is_stuck(current.state, quiet_s, None if due is None else due - now)

    # ------------------------------------------------------------ snapshots

    @property
    def _bot(self) -> Bot | None:
        opened = self._watched.opened if self._watched else None
        return opened.bot if opened else None

    async def _take_snapshot(self) -> Snapshot:
        watched = self._watched
        bare = Snapshot(
            version=self.version,
            user_id=self.settings.user_id,
            homeserver=self.settings.homeserver,
            boot=watched.boot if watched else "",
            pid=os.getpid(),
            started_at=self._at(self._began),
            taken_at=rfc3339(self.wall_clock()),
            lifecycle=self._lifecycle(),
            rooms={state.value: 0 for state in RoomState},
            leading=self._leading(),
        )
        if watched is None or watched.opened is None:
            return bare
        if watched.opened.is_open:
            return await self._filled(bare, watched.opened)
        return self._seen or bare

    def _current(self, seen: Snapshot) -> Snapshot:
        """A snapshot with the state as it is now: figures may be late, the state never is."""
        lifecycle, leading = self._lifecycle(), self._leading()
        if (lifecycle, leading) == (seen.lifecycle, seen.leading):
            return seen
        now = replace(
            seen,
            lifecycle=lifecycle,
            leading=leading,
            boot=self._watched.boot if self._watched else "",
            taken_at=rfc3339(self.wall_clock()),
        )
        return within_bounds(now)

    async def _filled(self, bare: Snapshot, opened: _Opened) -> Snapshot:
        bot, activities = opened.bot, opened.bot.activities
        set_aside = [cell for cell in bot.system.cells.failed() if cell.quarantined][:LISTED]
        found, workers = await self._read(opened, set_aside)
        other, rows = activities.detector.other(), found.rows
        counts, same = _rooms(opened, rows)
        working = at_work(bot.services.replies, found.waiting or {}, self._at)
        return replace(
            bare,
            rooms=counts,
            unchanged=same,
            owners=rows.owners if rows else (),
            owners_total=rows.owners_total if rows else None,
            quarantined=tuple(self._quarantined(bot, cell, found) for cell in set_aside),
            inbox_waiting=None if found.waiting is None else sum(found.waiting.values()),
            reading_paused=activities.backlog.paused or None,
            rooms_behind=len(bot.services.registry.gaps),
            outbox_unsent=found.outbox_unsent,
            upkeep_due=bot.services.upkeep.due_count,
            reconciled=self._reconciled(activities.report, partly=activities.partly),
            second_instance=other.where or other.boot if other else None,
            creates_no_rooms=bot.services.encryption.reason,
            platform=self._platform(bot),
            at_work=named(working, found.metas, found.since),
            workers=workers,
            streaming=streaming_seen(
                self.meter,
                bot.services.traits.so_far,
                streams=bot.services.streams,
                per_s=bot.governor.per_s,
            ),
        )

    async def _read(
        self, opened: _Opened, cells: Sequence[Cell]
    ) -> tuple[Figures, WorkersSeen | None]:
        """What the database says, and what it says of the workers, read side by side."""
        workers: list[WorkersSeen | None] = []

        async def look() -> None:
            workers.append(await self._workers())

        async with anyio.create_task_group() as reading:
            reading.start_soon(look)
            found = await opened.cache.figures(
                [RoomId(cell.address.name) for cell in cells],
                lambda waiting: at_work(opened.bot.services.replies, waiting, self._at),
            )
        return found, workers[0]

    def _platform(self, bot: Bot) -> PlatformSeen:
        services = bot.services
        running, waiting = services.replies.counts()
        return platform_seen(
            self.settings.platform,
            services.platform_health,
            self.meter,
            running=running,
            waiting=waiting,
            at=rfc3339,
            hide=Redactor(self.settings.secrets).text,
        )

    async def _workers(self) -> WorkersSeen | None:
        """The workers, if they ask the platform."""
        if self.load_reader is None:
            return None
        try:
            load = await self.load_reader.look()
        except StoreUnavailable:
            return workers_seen(None)
        return workers_seen(load)

    def _leading(self) -> Leading | None:
        """The process that leads, if several processes may lead."""
        seen = self.leadership.standing if self.leadership is not None else None
        if seen is None or (seen.leads and seen.epoch == NO_LEASE):
            return None
        return Leading(
            role="leader" if seen.leads else "standby", epoch=seen.epoch, leader=seen.leader
        )

    def _lifecycle(self) -> Lifecycle:
        if self._watched is None:
            since = self._at(self._began)
            return Lifecycle(state=INITIAL.value, since=since, reason="starting")
        supervisor = self._watched.supervisor
        current = supervisor.current
        degraded = current if isinstance(current, Degraded) else None
        due = degraded.next_attempt_at if degraded else None
        return Lifecycle(
            state=current.state.value,
            since=self._at(current.since),
            reason=current.reason or self.waits_for,
            cause=degraded.cause.value if degraded else None,
            failures=supervisor.attempts,
            next_attempt_at=None if due is None else self._at(due),
            steps=tuple(self.history.steps),
        )

    def _quarantined(self, bot: Bot, cell: Cell, found: Figures) -> Quarantined:
        room_id = RoomId(cell.address.name)
        since = bot.services.states.since(room_id)
        meta = found.metas.get(room_id)
        return Quarantined(
            room_id=room_id,
            reason=str(cell.error) or type(cell.error).__name__,
            since=self._at(since),
            probes=cell.probes,
            next_probe_at=self._at(cell.paused_until),
            name=meta.display_name if meta else None,
            chat_id=meta.chat_id if meta else None,
            owner=meta.matrix_user_id if meta else None,
        )

    def _reconciled(self, report: ReconcileReport | None, *, partly: bool) -> Reconciled | None:
        if report is None:
            return None
        steps = self.history.steps
        done = (step.at for step in reversed(steps) if step.trigger == Trigger.RECONCILED)
        conflicts = report["conflicts"]
        return Reconciled(
            at=next(done, None),
            counts={key: value for key, value in report.items() if isinstance(value, int)},
            skipped=len(report["skipped_rooms"]),
            conflicts=tuple(Note(**conflict) for conflict in conflicts[:LISTED]),
            conflicts_total=len(conflicts),
            partly=partly,
        )

    def _at(self, time_s: float) -> str:
        """A time of anyio's clock for people, such that ages are right: by the wall clock of now.

        The times stay equal from one snapshot to the next, unless the wall clock was set.
        """
        epoch = self.wall_clock() - anyio.current_time()
        if abs(epoch - self._epoch) > SET_S:
            self._epoch = epoch
        return rfc3339(self._epoch + time_s)


def _rooms(opened: _Opened, rows: Rows | None) -> tuple[dict[str, int], int]:
    """The number of rooms in each state, and of those that this run need not check."""
    bot, activities = opened.bot, opened.bot.activities
    states, stored = bot.services.states, rows.rooms if rows else frozenset()
    stateless = opened.stateless.among(stored, states)
    all_read = activities.trusted and activities.report is not None and not activities.partly
    counts = room_counts(states, len(stateless), all_read=all_read)
    if not (activities.trusted and activities.partly):
        return counts, 0
    probed = {RoomId(cell.address.name) for cell in bot.system.cells.failed() if cell.probes}
    return counts, unchanged(states, stored, stateless, probed)
