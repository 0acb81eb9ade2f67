"""Calls the handlers of one cell, one message after the other, and catches every failure."""

from collections.abc import Callable

import anyio

from actors.runtime.cells import Actor, Cell
from actors.runtime.counting import RuntimeMeter
from actors.runtime.letters import Address, Message
from actors.runtime.recovery import Recovery


class Handling:
    """Runs the handlers of all cells. The runners call `drain`, once at a time for each cell."""

    def __init__(
        self,
        spawn: Callable[[Address], Actor],
        recovery: Recovery,
        meter: RuntimeMeter,
        clock: Callable[[], float],
    ) -> None:
        self.spawn = spawn
        self._recovery = recovery
        self._meter = meter
        self._clock = clock
        self._scopes: dict[Address, anyio.CancelScope] = {}
        """The scopes of the running handlers that may be interrupted."""
        self.stopping = False
        """True once no further handler may start."""

    def interrupt(self) -> None:
        """Cancel every handler that may be interrupted; its message is kept."""
        for scope in self._scopes.values():
            scope.cancel()

    async def drain(self, cell: Cell) -> None:
        """Handle a cell's messages until the mailbox is empty or the cell is paused."""
        try:
            while cell.mailbox and cell.pause_timer is None and not self.stopping:
                message = cell.mailbox.pop(next(iter(cell.mailbox)))
                if cell.actor is None:
                    cell.actor = self.spawn(cell.address)
                await self._handle(cell, cell.actor, message)
        finally:
            cell.used = self._clock()
            if not cell.mailbox:
                cell.mailbox = None

    async def _handle(self, cell: Cell, actor: Actor, message: Message) -> None:
        try:
            if message.never_waits:
                await self._timed(actor, message)
            else:
                await self._interruptible(cell, actor, message)
        except Exception as error:  # noqa: BLE001  the actor boundary: one actor never stops another
            await self._recovery.failed(cell, actor, message, error)
        else:
            self._recovery.succeeded(cell)

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
            self._meter.handling.add(self._clock() - began)
