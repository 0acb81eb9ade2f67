"""Calls the handlers of one cell, one message after the other, and catches every failure."""

from collections.abc import Callable
from typing import Final

import anyio
import anyio.lowlevel

from actors.runtime.cells import Actor, Cell
from actors.runtime.counting import RuntimeMeter
from actors.runtime.letters import Address, Message
from actors.runtime.recovery import Recovery

YIELD_EVERY: Final = 64
"""Messages after which other tasks get a turn."""


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
        self._handled = 0
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
                await self._handle(cell, cell.mailbox.pop(next(iter(cell.mailbox))))
                await self._yield_sometimes()
        finally:
            cell.used = self._clock()
            if not cell.mailbox:
                cell.mailbox = None

    async def _handle(self, cell: Cell, message: Message) -> None:
        returned = True
        try:
            if cell.actor is None:
                cell.actor = self.spawn(cell.address)
            if message.never_waits:
                await self._timed(cell.actor, message)
            else:
                returned = await self._interruptible(cell, cell.actor, message)
        except Exception as error:  # noqa: BLE001  the actor boundary: one actor never stops another
            await self._recovery.failed(cell, message, error)
        else:
            if returned:
                self._recovery.succeeded(cell)

    async def _yield_sometimes(self) -> None:
        """Let other tasks run: handlers that wait for nothing would keep them out otherwise."""
        self._handled += 1
        if self._handled % YIELD_EVERY == 0:
            await anyio.lowlevel.checkpoint()

    async def _interruptible(self, cell: Cell, actor: Actor, message: Message) -> bool:
        """Handle a message. False: the handler was interrupted, and the message is kept."""
        with anyio.CancelScope() as scope:
            self._scopes[cell.address] = scope
            try:
                await self._timed(actor, message)
            finally:
                del self._scopes[cell.address]
        if scope.cancelled_caught:
            cell.actor = None
            cell.keep(message)
        return not scope.cancelled_caught

    async def _timed(self, actor: Actor, message: Message) -> None:
        began = self._clock()
        try:
            await actor.handle(message)
        finally:
            self._meter.handling.add(self._clock() - began)
