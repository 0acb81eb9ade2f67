"""The actor system: a cell for every address, a task only while its mailbox is not empty.

One handler at a time per actor; actors run side by side. A handler that raises ends its actor's
incarnation: the message is kept, the actor is started again after a rest, and one that crashes too
often is set aside and probed now and then. `tell` never waits.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Self

import anyio
from anyio.abc import TaskGroup

from actors.runtime.background import Background
from actors.runtime.cells import Actor, Cell, Cells
from actors.runtime.counting import RuntimeMeter
from actors.runtime.handling import Handling
from actors.runtime.letters import Address, Message, Report
from actors.runtime.policy import Policy, RuntimeBounds
from actors.runtime.recovery import Recovery
from actors.runtime.runners import Runners
from actors.runtime.timers import Timers


class ActorSystem:
    """All actors of one program. Use it as an async context manager; `tell` works inside it.

    While `is_open` answers no, stored messages are not delivered: the program tells them again
    when it opens, from the store.
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
        self._handling = Handling(spawn, self._recovery, meter, clock)
        self._runners = Runners(self._handling.drain)
        self._tasks: TaskGroup | None = None
        self.observe: Callable[[Report], None] = lambda _: None
        """Receives, synchronously, every report that no `ask` waits for."""
        self._listener: Callable[[Report], None] | None = None
        """Receives reports while `ask` is waiting."""

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        self.background.start(self._tasks)
        self._runners.start(self._tasks)
        self._tasks.start_soon(self._timers.run)
        self._timers.later(self._bounds.tick_s, self._passivate)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks, self._tasks = self._tasks, None
        self._runners.end()
        self.background.end()
        if tasks is not None:
            tasks.cancel_scope.cancel()
            await tasks.__aexit__(None, None, None)

    async def stop(self, within_s: float) -> tuple[Address, ...]:
        """Start nothing more and let running handlers end; the actors that did not make it."""
        self._handling.stopping = True
        with anyio.move_on_after(within_s):
            await self.handled()
        return tuple(self._runners.busy)

    async def handled(self) -> None:
        """Return as soon as no handler runs."""
        await self._runners.all_done()

    # ------------------------------------------------------------ telling

    def tell(self, address: Address, message: Message) -> None:
        """Leave a message in a mailbox; it takes the place of an earlier one of its slot."""
        is_open = self._is_open()
        if message.is_stored and not is_open:
            return
        cell = self.cells.of(address)
        cell.post(message)
        if cell.pause_timer is not None and not is_open:
            self._recovery.end_pause(cell)  # a program that is not open yet waits for every answer
        else:
            self._wake(cell)

    def tell_later(self, delay_s: float, address: Address, message: Message) -> None:
        """`tell` after a while."""
        self._timers.later(delay_s, lambda: self.tell(address, message))

    async def ask(
        self,
        messages: Iterable[tuple[Address, Message]],
        on_report: Callable[[Report], bool],
        within_s: float,
    ) -> None:
        """Tell actors something, and pass on all reports until `on_report` has what it asked for.

        One caller asks at a time. Raises TimeoutError. An answer that comes after that is a dead
        letter: it is counted, and is no error.
        """
        over = anyio.Event()

        def listen(report: Report) -> None:
            if on_report(report):
                over.set()

        self._listener = listen
        try:
            with anyio.fail_after(within_s):
                for address, message in messages:
                    self.tell(address, message)
                await over.wait()
        finally:
            self._listener = None

    def report(self, report: Report) -> None:
        """Pass a report upwards."""
        if self._listener is not None:
            self._listener(report)
            return
        self._meter.dead_letters += report.is_answer
        self.observe(report)

    # ------------------------------------------------------------ looking

    def has_mail(self) -> bool:
        """Whether any actor has something left to handle."""
        return any(cell.mailbox for cell in self.cells)

    def has_mail_for(self, address: Address) -> bool:
        """Whether an actor has something left to handle."""
        cell = self.cells.get(address)
        return cell is not None and bool(cell.mailbox)

    def is_busy(self, address: Address) -> bool:
        """Whether an actor is at work, or next; one that rests after an error is not."""
        return address in self._runners.busy

    def active(self, kind: str, within_s: float) -> int:
        """How many actors of a kind are at work, or were within the last seconds."""
        since, busy = self._clock() - within_s, self._runners.busy
        return sum(
            cell.address in busy or cell.used >= since
            for cell in self.cells
            if cell.address.kind == kind
        )

    # ------------------------------------------------------------ failures

    def interrupt(self) -> None:
        """End every handler that waits for something; its message is kept and handled anew."""
        self._handling.interrupt()

    def outage_is_over(self) -> None:
        """Give every actor that rests because of what was lost another chance now."""
        self._recovery.outage_is_over()

    def set_aside(self, address: Address, error: Exception) -> None:
        """Quarantine an actor over a failure that was seen elsewhere; it is probed like any."""
        self._recovery.set_aside(address, error)

    def _wake(self, cell: Cell) -> None:
        if cell.may_run and not self._handling.stopping:
            self._runners.wake(cell)

    def _passivate(self) -> None:
        """Drop actors that were idle for a while; what they know lies in the store."""
        now = self._clock()
        for cell in self.cells:
            idle_s = now - cell.used
            if not self.is_busy(cell.address) and idle_s > self._bounds.passivate_after_s:
                cell.actor = None
        self._timers.later(self._bounds.tick_s, self._passivate)
