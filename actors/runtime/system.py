"""The actor system: it delivers messages to actors, restarts them and quarantines them.

An address needs no declaration: the first message makes its cell, and the first handling makes its
actor. Actors form no tree; `Policy` decides about every failure. All of it runs in one event loop,
and no method may be called from another thread.

Guarantees:

1. **One handler at a time.** An actor handles one message at a time. Different actors run side by
   side: a handler that waits delays no other actor.
2. **Bounded mailboxes.** `tell` never waits and never fails. A mailbox holds at most one message
   for each slot. A later message takes the place of an earlier one, so a message that is told twice
   before it is handled is handled once. Otherwise messages are handled in the order in which they
   were told, except where their class says `behind` or `voids`.
3. **At least once, in memory.** A message stays until its handler has returned: a handler that
   raises or is interrupted gets the message again, unless a newer one has taken its slot. Handlers
   must therefore be safe to repeat. Mailboxes do not outlive the process: what must not be lost is
   in the store before an actor is told.
4. **Failures stay with their actor.** Nothing that a handler, a hook, a timer or the policy raises
   leaves the system, a cancellation of its own included; only KeyboardInterrupt and SystemExit do.
   The actor object is dropped, and a new one handles the message after a pause, which grows until
   the actor has been well for a while. An error that the policy calls no crash only pauses the
   actor. A group of errors is judged as the most telling error in it.
5. **Quarantine.** An actor that crashes too often is quarantined, and then probed after growing
   pauses. A handler that returns ends the quarantine; an interrupted one does not. When the policy
   says that a failure is shared by many actors, none of them is charged.
6. **Bounded answers.** `ask` returns when its caller has heard enough, or raises TimeoutError. An
   answer that comes later is a dead letter: counted, no error, and not heard by a later `ask`. The
   messages of an `ask` end with it.
7. **Closed systems keep quiet.** While `is_open` returns False, `tell` drops stored messages; the
   program tells them again, from the store, once it is open. Any other message ends the pause of
   its actor, quarantined or not, because the program waits for every actor then.
8. **An orderly end.** `stop` starts no further handler, lets the running ones return, and names
   those that did not within the bound. Leaving the `async with` block cancels handlers, timers and
   background work. What does not end within `leave_within_s` then is named and left behind: it runs
   on without the system, until the event loop ends.
"""

from collections.abc import Callable, Iterable
from random import Random
from types import TracebackType
from typing import Self

import anyio
import structlog

from actors.runtime.apart import TasksApart
from actors.runtime.asking import Asks
from actors.runtime.background import Background
from actors.runtime.cells import Actor, Cell, Cells
from actors.runtime.counting import RuntimeMeter
from actors.runtime.handling import Handling
from actors.runtime.letters import Address, Message, Report
from actors.runtime.policy import Policy, RuntimeBounds
from actors.runtime.recovery import Recovery
from actors.runtime.runners import Runners
from actors.runtime.timers import Timers

_log = structlog.get_logger()


class ActorSystem:
    """All actors of one program. It is an async context manager, and runs actors inside of it.

    `spawn` makes the actor of an address. `is_open` says whether stored messages are delivered.
    `clock` gives seconds; it must be the clock of the event loop.
    """

    def __init__(
        self,
        spawn: Callable[[Address], Actor],
        policy: Policy,
        random: Random,
        *,
        is_open: Callable[[], bool],
        bounds: RuntimeBounds = RuntimeBounds(),
        clock: Callable[[], float] = anyio.current_time,
        meter: RuntimeMeter | None = None,
        background: Background | None = None,
    ) -> None:
        self._meter = meter = meter or RuntimeMeter()
        self._is_open = is_open
        self._bounds = bounds
        self._clock = clock
        self.background = background or Background()
        self.cells = Cells(clock)
        self._timers = Timers(clock)
        self._recovery = Recovery(
            self.cells,
            self._timers,
            policy,
            self.background,
            random=random,
            bounds=bounds,
            meter=meter,
            active=self.active,
            wake=self._wake,
            report=self.report,
        )
        self._asks = Asks()
        self._handling = Handling(spawn, self._recovery, meter, clock, self._asks)
        self._runners = Runners(self._handling.drain, clock)
        self._apart: TasksApart | None = None
        self.left_behind: tuple[str, ...] = ()
        """The actors and the background work that did not end when the system was left."""
        self._delayed: dict[tuple[Address, object], int] = {}
        """The timer of each slot that `tell_later` has set."""
        self.observe: Callable[[Report], None] = lambda _: None
        """Receives every report while no `ask` is waiting. It is called synchronously."""
        self._listener: Callable[[Report], None] | None = None
        """Receives every report while `ask` is waiting."""

    async def __aenter__(self) -> Self:
        self._apart = TasksApart()
        tasks = await self._apart.enter()
        self.background.start(tasks)
        self._runners.start(tasks)
        tasks.start_soon(self._timers.run)
        self._timers.later(self._bounds.tick_s, self._passivate)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        apart, self._apart = self._apart, None
        self._handling.stopping = True
        self._runners.end()
        self.background.end()
        if apart is None:
            return None
        all_ended = await apart.leave(self._bounds.leave_within_s, (exc_type, exc, traceback))
        if not all_ended:
            actors = sorted(address.name for address in self._runners.busy)
            work = sorted(self.background.running)
            self.left_behind = (*actors, *work)
            _log.error("left_behind", actors=actors, background=work)
        return None

    async def stop(self, within_s: float) -> tuple[Address, ...]:
        """Start no further handler, and wait up to `within_s` seconds for the running ones.

        Returns the addresses of the actors that are still busy then.
        """
        self._handling.stopping = True
        with anyio.move_on_after(within_s):
            await self.handled()
        return tuple(self._runners.busy)

    async def handled(self) -> None:
        """Wait until no actor is busy."""
        await self._runners.all_done()

    # ------------------------------------------------------------ telling

    def tell(self, address: Address, message: Message) -> None:
        """Put a message into an actor's mailbox and return at once.

        A stored message is dropped while the system is not open.
        """
        is_open = self._is_open()
        if (message.is_stored and not is_open) or (message.is_asked and self._asks.is_late):
            return
        cell = self.cells.of(address)
        cell.post(message)
        if cell.pause_timer is not None and not is_open:
            self._recovery.end_pause(cell)  # before it opens, a program waits for every actor
        else:
            self._wake(cell)

    def tell_later(self, delay_s: float, address: Address, message: Message) -> None:
        """`tell` after `delay_s` seconds. A later call for the slot replaces an earlier one."""
        slot = (address, message.slot)

        def tell() -> None:
            if self._delayed.get(slot) == timer:
                del self._delayed[slot]
                self.tell(address, message)

        timer = self._delayed[slot] = self._timers.later(delay_s, tell)

    async def ask(
        self,
        messages: Iterable[tuple[Address, Message]],
        on_report: Callable[[Report], bool],
        within_s: float,
    ) -> None:
        """Tell actors `messages`, and pass every report to `on_report` until it returns True.

        Only one caller may ask at a time. Raises TimeoutError after `within_s` seconds. Messages
        that are part of this `ask` (`Message.is_asked`) and wait after it are dropped.
        """
        over = anyio.Event()

        def listen(report: Report) -> None:
            with self._asks.listening():
                if on_report(report):
                    over.set()

        self._listener = listen
        try:
            with self._asks.running(), anyio.fail_after(within_s):
                for address, message in messages:
                    self.tell(address, message)
                await over.wait()
        finally:
            self._listener = None
            for cell in self.cells:
                cell.drop_asked()

    def report(self, report: Report) -> None:
        """Pass a report to the caller of `ask`, or else to `observe`."""
        if self._listener is not None and not self._asks.is_late:
            self._listener(report)
            return
        self._meter.dead_letters += report.is_answer
        self.observe(report)

    # ------------------------------------------------------------ what actors are doing

    def has_mail(self) -> bool:
        """Whether any mailbox holds a message."""
        return any(cell.mailbox for cell in self.cells)

    def has_mail_for(self, address: Address) -> bool:
        """Whether an actor's mailbox holds a message."""
        cell = self.cells.get(address)
        return cell is not None and bool(cell.mailbox)

    def is_busy(self, address: Address) -> bool:
        """Whether an actor is handling a message or about to; a paused actor is not busy."""
        return address in self._runners.busy

    def is_failing(self, address: Address) -> bool:
        """Whether an actor has failed since its handler last returned."""
        cell = self.cells.get(address)
        return cell is not None and cell.failing

    def active(self, kind: str, within_s: float) -> int:
        """How many actors of a kind are busy, or were within the last `within_s` seconds.

        A program asks for the same time in every call.
        """
        return self._runners.activity.count(kind, within_s)

    # ------------------------------------------------------------ failures

    def interrupt(self) -> None:
        """Cancel every running handler, unless its message never waits. The messages are kept."""
        self._handling.interrupt()

    def outage_is_over(self) -> None:
        """End the pause of every actor now, and probe those that an outage has quarantined."""
        self._recovery.outage_is_over()

    def answers_again(self, address: Address) -> None:
        """End the pause of one actor now, if an outage has caused it."""
        self._recovery.answers_again(address)

    def set_aside(self, address: Address, error: Exception) -> None:
        """Quarantine an actor because of a failure that another part of the program has seen."""
        self._recovery.set_aside(address, error)

    def _wake(self, cell: Cell) -> None:
        if cell.may_run and not self._handling.stopping:
            self._runners.wake(cell)

    def _passivate(self) -> None:
        """Drop actors that were idle for `passivate_after_s`; their cells stay."""
        now = self._clock()
        for cell in self.cells:
            idle_s = now - cell.used
            if not self.is_busy(cell.address) and idle_s > self._bounds.passivate_after_s:
                cell.actor = None
        self._runners.activity.forget(self._bounds.passivate_after_s)
        self._timers.later(self._bounds.tick_s, self._passivate)
