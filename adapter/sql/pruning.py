"""Which settled rows are deleted in time. Pure: this module runs no statement."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pruning:
    """How to find and delete the settled rows of one table."""

    table: str
    select: str
    """Parameters: the age limit and the number of rows."""
    delete: str


PRUNINGS: Final = (
    Pruning(
        "inbox",
        "SELECT seq FROM inbox WHERE state = 'done' AND accepted_at < ?"
        " AND room_id NOT IN (SELECT room_id FROM gaps) LIMIT ?",
        "DELETE FROM inbox WHERE seq = ? AND state = 'done'",
    ),
    Pruning(
        "outbox",
        # What ends an anchor needs its event, and so does another attempt at the answer. The
        # transaction id of an anchor is its question's event id, a dot and a number. PostgreSQL
        # refuses a negative length, which `abs` prevents for ids of other messages.
        "SELECT seq FROM (SELECT *, rtrim(txn_id, '0123456789') AS asked FROM outbox) AS old"
        " WHERE state IN ('sent', 'refused') AND created_at < ? AND (kind <> 'anchor' OR NOT ("
        "EXISTS (SELECT 1 FROM outbox WHERE edits = old.txn_id AND state = 'unsent')"
        " OR EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'"
        " AND event_id = substr(asked, 1, abs(length(asked) - 1))))) LIMIT ?",
        "DELETE FROM outbox WHERE seq = ?",
    ),
)
