"""Numbers for `ask`, so that an answer to an earlier one is not heard by a later one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from actors.runtime.letters import Message

_WORKS_FOR: Final[ContextVar[int]] = ContextVar("ask", default=0)
"""The number of the `ask` that the present code works for; 0 for none."""


class Asks:
    """The running `ask` and its number."""

    def __init__(self) -> None:
        self._latest = 0
        self._running = 0
        """The number of the running `ask`; 0 while there is none."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the next `ask`. The code inside of it works for this `ask`."""
        self._latest = self._running = self._latest + 1
        token = _WORKS_FOR.set(self._running)
        try:
            yield
        finally:
            _WORKS_FOR.reset(token)
            self._running = 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Let the code inside of it work for the running `ask`."""
        token = _WORKS_FOR.set(self._running)
        try:
            yield
        finally:
            _WORKS_FOR.reset(token)

    def begin(self, message: Message) -> None:
        """Let the present task work for the running `ask`, if the message is part of it."""
        _WORKS_FOR.set(self._running if message.is_asked else 0)

    @property
    def is_late(self) -> bool:
        """Whether the present code works for an `ask` that has ended."""
        return _WORKS_FOR.get() not in {0, self._running}
