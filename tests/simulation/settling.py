"""Checks that the outcome of a live edit is clear before the end of its answer is committed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from actors.bounds import Bounds
from actors.model import EventId, OutboundKind, OutboundMessage
from actors.port_errors import HomeserverRefused, RateLimited, RefusedForNow, SessionRevoked
from adapter.sql.values import Statement
from tests.simulation.streaming import named_by

_GROWING: Final = (OutboundKind.ANCHOR, OutboundKind.FINAL, OutboundKind.REDACTION)


def is_about_growing(statement: Statement) -> bool:
    """Whether a statement is about an answer that grows, or about the end of one."""
    named = (named_by(str(param)) for param in statement.params)
    is_end = any(it is not None and it.is_final for it in named)
    return (
        is_end
        or any(f"'{kind}'" in statement.sql for kind in _GROWING)
        or any(param in _GROWING for param in statement.params)
    )


class Settling:
    """The live edits of the present run of the process that have no clear outcome."""

    def __init__(self, bounds: Bounds, violated: Callable[[str], None]) -> None:
        self._settle_s = bounds.settle_s
        self._violated = violated
        self._unclear: dict[EventId, tuple[str, float]] = {}
        """The last live edit of a question's answer, and since when its outcome is unclear."""
        self._sent: set[str] = set()
        """The live edits that the server has answered. One may be repeated all the same."""
        self._limited: set[tuple[str, str]] = set()
        """The ids and texts of those that it refused at the first attempt, by its rate limit. The
        id may be used again for another text."""

    def booted(self) -> None:
        """Note that another run of the process begins, which knows nothing of live edits."""
        self._unclear.clear()

    def stopped(self) -> None:
        """Note that this run of the process sends nothing more, not even an edit once more.

        An answer that is complete is committed. Its end is sent by the next run, to which an edit
        of this one that comes later is that of an earlier process.
        """
        self._unclear.clear()

    @contextmanager
    def sending(self, message: OutboundMessage) -> Iterator[None]:
        """Watch a request. A refused live edit is clear, one without an answer is not."""
        named = named_by(message.txn_id)
        if message.kind is not OutboundKind.LIVE or named is None or message.txn_id in self._sent:
            yield
            return
        if (message.txn_id, message.body) in self._limited:
            self._violated(f"{message.txn_id} waits for the rate limit, and its answer with it")
        txn_id, since = self._unclear.get(named.question, ("", 0.0))
        is_first = txn_id != message.txn_id
        if is_first:
            since = anyio.current_time()
        self._unclear[named.question] = message.txn_id, since
        try:
            yield
        except RateLimited:
            if is_first:
                self._limited.add((message.txn_id, message.body))
                self._unclear.pop(named.question, None)
            raise
        except (HomeserverRefused, RefusedForNow, SessionRevoked):
            self._unclear.pop(named.question, None)
            raise
        self._unclear.pop(named.question, None)
        self._sent.add(message.txn_id)

    def committed(self, statements: Iterable[Statement]) -> None:
        """Check the ends of answers in a transaction."""
        for statement in statements:
            named = named_by(str(statement.params[0])) if statement.params else None
            if named is None or not named.is_final:
                continue
            txn_id, since = self._unclear.pop(named.question, ("", 0.0))
            if txn_id and anyio.current_time() - since < self._settle_s:
                self._violated(f"{statement.params[0]} is committed before {txn_id} is settled")
