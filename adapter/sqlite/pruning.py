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
        "SELECT seq FROM outbox WHERE state IN ('sent', 'refused') AND created_at < ? LIMIT ?",
        "DELETE FROM outbox WHERE seq = ?",
    ),
)
