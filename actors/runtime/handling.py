"""Calls the handlers of one cell, one message after the other, and catches every failure."""

from collections.abc import Callable
from typing import Final

import anyio
import anyio.lowlevel

from actors.runtime.asking import Asks
from actors.runtime.boundary import attempt
from actors.runtime.cells import Actor, Cell
from actors.runtime.counting import RuntimeMeter
from actors.runtime.letters import Address, Message
from actors.runtime.recovery import Recovery

YIELD_EVERY: Final = 64
"""Messages after which other tasks get a turn."""
YIELD_AFTER_S: Final = 0.01
"""Other tasks get a turn after this time as well, between two messages."""


class Handling:
    """Runs the handlers of all cells. The runners call `drain`, once at a time for each cell."""

    def __init__(
        self,
        spawn: Callable[[Address], Actor],
        recovery: Recovery,
        meter: RuntimeMeter,
        clock: Callable[[], float],
        asks: Asks,
    ) -> None:
        self.spawn = spawn
        self._recovery = recovery
        self._meter = meter
        self._clock = clock
        self._asks = asks
        self._scopes: dict[Address, anyio.CancelScope] = {}
        """The scopes of the running handlers that may be interrupted."""
        self._handled = 0
        self._yielded_at = clock()
        self._now = self._yielded_at
        """When the latest handler returned."""
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
                await self._handle(cell, cell.take())
                await self._yield_sometimes()
        finally:
            cell.used = self._clock()
            if not cell.mailbox:
                cell.mailbox = None

    async def _handle(self, cell: Cell, message: Message) -> None:
        self._asks.begin(message)
        failure, interrupted = None, False
        if message.never_waits:
            failure = await attempt(self._timed, cell, message)
        else:
            with anyio.CancelScope() as scope:
                self._scopes[cell.address] = scope
                try:
                    failure = await attempt(self._timed, cell, message)
                finally:
                    del self._scopes[cell.address]
            interrupted = scope.cancelled_caught
        if failure is None and not interrupted:
            self._recovery.succeeded(cell, self._now)
            return
        if not (message.is_asked and self._asks.is_late):
            cell.keep(message)
        if failure is not None:
            await self._recovery.failed(cell, message, failure)
        else:
            cell.actor = None

    async def _yield_sometimes(self) -> None:
        """Let other tasks run: handlers that wait for nothing would keep them out otherwise."""
        self._handled += 1
        if self._handled % YIELD_EVERY == 0 or self._now - self._yielded_at >= YIELD_AFTER_S:
            await anyio.lowlevel.checkpoint()
            self._yielded_at = self._clock()

    async def _timed(self, cell: Cell, message: Message) -> None:
        began = self._clock()
        try:
            if cell.actor is None:
                cell.actor = self.spawn(cell.address)
            await cell.actor.handle(message)
        finally:
            self._now = self._clock()
            self._meter.handling.add(self._now - began)
