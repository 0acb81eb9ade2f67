"""The actor system: a cell for every address, a task only while its mailbox is not empty.

One handler at a time per actor; actors run side by side. A handler that raises ends its actor's
incarnation: the message is kept, the actor is started again after a backoff, and a room that
crashes too often is set aside and probed now and then. Nothing told here is ever awaited.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from random import Random
from typing import Final, Self

import anyio
import structlog
from anyio.abc import TaskGroup

from actors.messages import (
    ANSWERS,
    OUTSIDE_A_ROUND,
    ActorCrashed,
    Address,
    IdentitySettled,
    InboxWaiting,
    IntentsWaiting,
    Message,
    OwnerComplete,
    Report,
    RoomChanged,
    RoomLeft,
    RoomsFailing,
    SnapshotTaken,
    slot,
)
from actors.meter import Meter
from actors.model import RoomId
from actors.ports import (
    CredentialsRefused,
    HomeserverUnavailable,
    PlatformFailed,
    PortError,
    RateLimited,
    SessionRevoked,
)
from actors.rules.room_states import ROOM_LIFECYCLE, RoomState, RoomTrigger
from actors.runtime.cell import Actor, Cell
from actors.runtime.failures import BREAKER, Failures
from actors.runtime.restart import Backoff, CrashWindow
from actors.runtime.runners import Runners
from actors.runtime.timers import Timers
from actors.runtime.transition_log import TransitionLog

_log = structlog.get_logger()

PASSIVATE_AFTER_S: Final = 900.0
TICK_S: Final = 60.0
SESSION_PAUSE_S: Final = 5.0
RESTART: Final = Backoff()
PROBE: Final = Backoff(base_s=30.0, cap_s=900.0, floor_s=30.0)
WINDOW: Final = CrashWindow()
OF_A_ROUND: Final = (SnapshotTaken, IdentitySettled, OwnerComplete)
"""Messages that are handled without waiting for anything."""


class RoomsFail(Exception):
    """Many rooms fail the same way at once; raised by whoever drives the bot when it hears so."""


class ActorSystem:
    """All actors of one bot. Use it as an async context manager; `tell` works inside it."""

    def __init__(
        self,
        spawn: Callable[[Address], Actor],
        transitions: TransitionLog,
        random: Random,
        *,
        clock: Callable[[], float] = anyio.current_time,
        meter: Meter | None = None,
    ) -> None:
        self.meter = meter or Meter()
        self._clock = clock
        self._spawn = spawn
        self._transitions = transitions
        self._random = random
        self._failures = Failures()
        self._cells: dict[Address, Cell] = {}
        self._timers = Timers(clock)
        self._tasks: TaskGroup | None = None
        self._runners = Runners(self._drain)
        self._scopes: dict[Address, anyio.CancelScope] = {}
        """Of handlers that may be interrupted."""
        self._stopping = False
        self.live = False
        """Whether people's messages may be handled. Set by whoever drives the bot."""
        self.degraded = False
        """Whether those are rooms that are well, while many fail: nothing new is made then."""
        self.observe: Callable[[Report], None] = lambda _: None
        """Told of every report that nobody waits for, synchronously."""
        self._listener: Callable[[Report], None] | None = None
        """Whoever asks now."""

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        self._runners.start(self._tasks)
        self._tasks.start_soon(self._timers.run)
        self._timers.later(TICK_S, self._passivate)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks, self._tasks = self._tasks, None
        self._runners.end()
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)

    async def stop(self, within_s: float) -> tuple[Address, ...]:
        """Start nothing more, and let handlers that run come to their end; who did not make it."""
        self._stopping = True
        self.live = False
        with anyio.move_on_after(within_s):
            await self.handled()
        return tuple(self._runners.busy)

    async def handled(self) -> None:
        """Return as soon as no handler runs."""
        await self._runners.all_done()

    # ------------------------------------------------------------ telling

    def tell(self, address: Address, message: Message) -> None:
        """Leave a message in a mailbox; it takes the place of an earlier one of its slot.

        Messages of people and promises are handled only while live: whoever goes live tells all
        that wait in the store.
        """
        if not self.live and isinstance(message, InboxWaiting | IntentsWaiting):
            return
        cell = self._cell(address)
        if cell.mailbox is None:
            cell.mailbox = {}
        if isinstance(message, SnapshotTaken):
            cell.mailbox.pop(slot(RoomChanged()), None)  # the snapshot has what changed before it
        if isinstance(message, RoomChanged) and slot(RoomLeft()) in cell.mailbox:
            cell.mailbox.pop(slot(message), None)  # we may be back in the room since we left it
        if isinstance(message, RoomChanged | SnapshotTaken):
            cell.mailbox.pop(OUTSIDE_A_ROUND, None)  # it will be settled again
        cell.mailbox[slot(message)] = message
        if cell.resting is not None and not self.live:
            self._rested(cell, cell.resting)  # a round of reconciliation waits for every answer
        self._wake(cell)

    def tell_later(self, delay_s: float, address: Address, message: Message) -> None:
        """`tell` after a while."""
        self._timers.later(delay_s, lambda: self.tell(address, message))

    async def ask(
        self,
        letters: Iterable[tuple[Address, Message]],
        hear: Callable[[Report], bool],
        within_s: float,
    ) -> None:
        """Tell actors something, and pass on all reports until `hear` has what it asked for.

        One asks at a time. Raises TimeoutError; an answer that comes when nobody asks any more is a
        dead letter: counted, and no error.
        """
        over = anyio.Event()

        def listen(report: Report) -> None:
            if hear(report):
                over.set()

        self._listener = listen
        try:
            with anyio.fail_after(within_s):
                for address, message in letters:
                    self.tell(address, message)
                await over.wait()
        finally:
            self._listener = None

    def report(self, report: Report) -> None:
        """Pass a report upwards."""
        if self._listener is not None:
            self._listener(report)
            return
        self.meter.dead_letters += isinstance(report, ANSWERS)
        self.observe(report)

    def has_mail(self) -> bool:
        """Whether any actor has something left to handle."""
        return any(cell.mailbox for cell in self._cells.values())

    def has_mail_for(self, address: Address) -> bool:
        """Whether an actor has something left to handle."""
        cell = self._cells.get(address)
        return cell is not None and bool(cell.mailbox)

    def is_busy(self, address: Address) -> bool:
        """Whether an actor is at work, or next; one that rests after an error is not."""
        return address in self._runners.busy

    def _cell(self, address: Address) -> Cell:
        cell = self._cells.get(address)
        if cell is None:
            cell = self._cells[address] = Cell(address, self._clock())
        return cell

    # ------------------------------------------------------------ room states

    def rooms(self) -> Iterator[tuple[RoomId, Cell]]:
        """Every room's cell."""
        for address, cell in self._cells.items():
            if address.startswith("!"):
                yield RoomId(address), cell

    def unread_rooms(self) -> Iterator[RoomId]:
        """Rooms that failed when they were looked at last: nobody knows what they are."""
        for room_id, cell in self.rooms():
            failed = cell.state is RoomState.UNCHECKED and cell.error is not None
            if failed or cell.probes:
                yield room_id

    def state_of(self, room_id: RoomId) -> RoomState:
        """The room's state; a room never heard of is unchecked."""
        cell = self._cells.get(room_id)
        return cell.state if cell else RoomState.UNCHECKED

    def fire(self, room_id: RoomId, trigger: RoomTrigger, reason: str) -> None:
        """Move a room to its next state and note that for the journal, denied triggers too."""
        now = self._clock()
        cell = self._cell(room_id)
        src, dwell_s = cell.state, now - cell.since
        dst = ROOM_LIFECYCLE.next(src, trigger)
        if dst is not None:
            cell.state, cell.since = dst, now
        must_flush = self._transitions.note(
            self._transitions.decided(
                f"room:{room_id}",
                src,
                trigger,
                dst,
                reason,
                attempt=max(1, cell.probes),
                dwell_s=dwell_s,
            )
        )
        if must_flush:
            self.background(self._transitions.flush)

    def interrupt(self) -> None:
        """End every handler that waits for something; its message is kept and handled anew.

        Called when a round is to begin: what handlers wait for belongs to a time that is over,
        and the round must wait for nobody.
        """
        for scope in self._scopes.values():
            scope.cancel()

    def resume_all(self) -> None:
        """Give every cell that rests because of the homeserver another chance now."""
        for cell in self._cells.values():
            if cell.resting is None:
                continue
            if cell.state is not RoomState.QUARANTINED:
                cell.resting = None
                cell.crashes = ()
                self._wake(cell)
            elif isinstance(cell.error, HomeserverUnavailable):
                cell.resting = None
                self._probe(cell)

    # ------------------------------------------------------------ running

    def _wake(self, cell: Cell) -> None:
        if cell.mailbox and cell.resting is None and not self._stopping:
            self._runners.wake(cell)

    async def _drain(self, cell: Cell) -> None:
        try:
            while cell.mailbox and cell.resting is None and not self._stopping:
                key = next(iter(cell.mailbox))
                message = cell.mailbox.pop(key)
                if cell.actor is None:
                    cell.actor = self._spawn(cell.address)
                await self._handle(cell, cell.actor, message)
        finally:
            cell.used = self._clock()
            if not cell.mailbox:
                cell.mailbox = None

    async def _handle(self, cell: Cell, actor: Actor, message: Message) -> None:
        try:
            if isinstance(message, OF_A_ROUND):
                await self._timed(actor, message)
            else:
                await self._interruptible(cell, actor, message)
        except RateLimited as limit:
            cell.keep(message)
            self._rest(cell, limit.retry_after_s)
        except (SessionRevoked, CredentialsRefused):
            cell.keep(message)
            self._rest(cell, SESSION_PAUSE_S)
        except Exception as error:  # noqa: BLE001  the actor boundary: one room never stops others
            await self._crashed(cell, actor, message, error)
        else:
            cell.probes = 0

    async def _interruptible(self, cell: Cell, actor: Actor, message: Message) -> None:
        with anyio.CancelScope() as scope:
            self._scopes[cell.address] = scope
            try:
                await self._timed(actor, message)
            finally:
                del self._scopes[cell.address]
        if scope.cancelled_caught:
            cell.actor = None
            cell.keep(message)

    async def _timed(self, actor: Actor, message: Message) -> None:
        began = self._clock()
        try:
            await actor.handle(message)
        finally:
            self.meter.handling.add(self._clock() - began)

    async def _crashed(self, cell: Cell, actor: Actor, message: Message, error: Exception) -> None:
        cell.actor = None
        cell.error = error
        self.meter.crashes += 1
        cell.keep(message)
        cell.crashes = WINDOW.after(cell.crashes, self._clock())
        _log.warning(
            "actor_crashed",
            address=cell.address,
            message=type(message).__name__,
            error=_why(error),
            crashes=len(cell.crashes),
            exc_info=None if isinstance(error, PortError) else error,
        )
        self.report(ActorCrashed(cell.address, error))
        correlated = self._correlated(cell, error)
        if not correlated:
            await self._beside(actor.crashed, (error,))
        if not correlated and self._charged(cell, error):
            self._set_aside(cell)
        else:
            self._rest(cell, RESTART.delay_s(len(cell.crashes), self._random))

    def _charged(self, cell: Cell, error: Exception) -> bool:
        """Whether this crash is one too many for the room."""
        if not cell.address.startswith("!") or isinstance(error, PlatformFailed):
            return False
        if isinstance(error, HomeserverUnavailable) and not self.live:
            return False
        return cell.probes > 0 or WINDOW.exceeded(cell.crashes)

    def _correlated(self, cell: Cell, error: Exception) -> bool:
        """Whether many rooms fail the same way now; then nobody is charged."""
        if not self.live or not cell.address.startswith("!"):
            return False
        if isinstance(error, PlatformFailed) and self._failures.platform_is_down():
            return True
        rooms = self._failures.shared(cell.address, error, self._clock(), self._active_rooms)
        for address in rooms:
            self._cells[address].crashes = ()
        if rooms:
            self.report(RoomsFailing(len(rooms), _why(error)))
        return bool(rooms)

    def _active_rooms(self) -> int:
        since = self._clock() - BREAKER.within_s
        busy = self._runners.busy
        return sum(room_id in busy or cell.used >= since for room_id, cell in self.rooms())

    def platform_answered(self) -> None:
        """Somebody was given an answer: the platform is not down."""
        self._failures.platform_answered(self._clock())

    def set_aside(self, room_id: RoomId, reason: str) -> None:
        """Quarantine a room that could not even be read; it is probed like any other."""
        cell = self._cell(room_id)
        if cell.state is not RoomState.QUARANTINED:
            cell.error = HomeserverUnavailable(reason)
            self._set_aside(cell)

    def _set_aside(self, cell: Cell) -> None:
        cell.probes += 1
        cell.crashes = ()
        delay_s = PROBE.delay_s(cell.probes, self._random)
        self._rest(cell, delay_s)
        reason = f"{cell.error}; next probe in {delay_s:.0f} s"
        self.fire(RoomId(cell.address), RoomTrigger.FAILED_REPEATEDLY, reason)

    def _rest(self, cell: Cell, delay_s: float) -> None:
        timer = self._timers.later(delay_s, lambda: self._rested(cell, timer))
        cell.resting = timer
        cell.rests_until = self._clock() + delay_s

    def _rested(self, cell: Cell, timer: int) -> None:
        if cell.resting != timer:
            return
        cell.resting = None
        if cell.state is RoomState.QUARANTINED:
            self._probe(cell)
        else:
            self._wake(cell)

    def _probe(self, cell: Cell) -> None:
        room_id = RoomId(cell.address)
        self.fire(room_id, RoomTrigger.PROBED, f"probe {cell.probes}")
        self.tell(room_id, RoomChanged())

    def background(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run something beside the actors whose failure matters to nobody, like a read receipt."""
        if self._tasks is not None:
            self._tasks.start_soon(self._beside, work, args)

    async def _beside(self, work: Callable[..., Awaitable[None]], args: tuple[object, ...]) -> None:
        try:
            await work(*args)
        except Exception as error:  # noqa: BLE001  the boundary again: it stops none of the actors
            _log.warning(
                "background_failed",
                work=work.__qualname__,
                error=_why(error),
                exc_info=None if isinstance(error, PortError) else error,
            )

    def _passivate(self) -> None:
        """Drop actors that nobody has used for a while; their rows are in the store."""
        now = self._clock()
        for cell in self._cells.values():
            idle = cell.address not in self._runners.busy and now - cell.used > PASSIVATE_AFTER_S
            if idle:
                cell.actor = None
        self._timers.later(TICK_S, self._passivate)


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
