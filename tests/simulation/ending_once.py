"""Checks that a message ends once: an answer is queued only while its message waits."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from actors.model import EventId
from adapter.sql.outbox_statements import _QUEUE
from adapter.sql.values import Statement
from tests.simulation.checkers import Checkers
from tests.simulation.streaming import named_by

_STATE: Final = "SELECT state FROM inbox WHERE event_id = ?"


@contextmanager
def ending_once(
    connection: sqlite3.Connection, statements: Sequence[Statement], checkers: Checkers
) -> Iterator[None]:
    """Watch a transaction. One that fails has queued nothing."""
    ended = [
        f"{txn_id} is queued, but its message is {state}"
        for txn_id, question in _answers(statements)
        for (state,) in connection.execute(_STATE, (question,))
        if state != "waiting"
    ]
    yield
    for what in ended:
        checkers.violated(what)


def _answers(statements: Sequence[Statement]) -> Iterator[tuple[str, EventId]]:
    """The transaction ids of the answers that are queued, each with the message that it answers."""
    for statement in statements:
        if statement.sql == _QUEUE:
            txn_id = str(statement.params[0])
            named = named_by(txn_id)
            if named is not None:
                yield txn_id, named.question
