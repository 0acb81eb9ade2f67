"""Which settled rows are deleted in time. Pure: this module runs no statement."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Pruning:
    """How to find and delete the settled rows of one table."""

    table: str
    select: str
    """Parameters: the age limit and the number of rows. A settled row stays settled."""
    delete: str


PRUNINGS: Final = (
    Pruning(
        "inbox",
        "SELECT seq FROM inbox WHERE state = 'done' AND accepted_at < ?"
        " AND room_id NOT IN (SELECT room_id FROM gaps) LIMIT ?",
        "DELETE FROM inbox WHERE seq = ?",
    ),
    Pruning(
        "outbox",
        # An anchor stays until its answer has ended: another attempt at the answer edits it.
        "SELECT seq FROM outbox AS old WHERE state IN ('sent', 'refused') AND created_at < ?"
        " AND (kind <> 'anchor' OR EXISTS (SELECT 1 FROM outbox AS later"
        " WHERE later.edits = old.txn_id AND later.state <> 'unsent')) LIMIT ?",
        "DELETE FROM outbox WHERE seq = ?",
    ),
)
