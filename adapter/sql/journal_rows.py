"""The journal's statements, and its rows as values. Pure: runs no statement."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

from actors.bounds import Bounds
from actors.port_errors import PortError
from actors.rules.ages import AgeLimit
from actors.runtime.table import Outcome, Transition
from adapter.sql.values import Query, Row, Statement

MAX_ROWS: Final = Bounds().journal_rows
MAX_AGE_S: Final = Bounds().journal_age_s


class JournalMissing(PortError):
    """No journal exists at this path: no bot has run with it yet, or the path is wrong."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A transition and its number in the journal."""

    seq: int
    transition: Transition

    def fields(self) -> dict[str, object]:
        """Every field by name, in the order of the columns."""
        return {"seq": self.seq, **dict(zip(_NAMES, _values(self.transition), strict=True))}


_NAMES: Final = tuple(field.name for field in fields(Transition))
# The columns have the names and the order of the fields; `astuple` would make deep copies.
_values: Final = attrgetter(*_NAMES)
_COLUMNS: Final = 'seq, at, boot, machine, src, "trigger", dst, outcome, reason, attempt, dwell_ms'
_APPEND: Final = (
    'INSERT INTO journal(at, boot, machine, src, "trigger", dst, outcome, reason, attempt,'
    " dwell_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The numbers have no holes, so the range of numbers equals the number of rows.
_TRIM_ROWS: Final = "DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM journal) - ?"
# Deletes from the oldest row up to the first row that is young enough: usually the oldest row.
_TRIM_AGE: Final = (
    "DELETE FROM journal WHERE seq < (SELECT seq FROM journal WHERE at >= ? ORDER BY seq LIMIT 1)"
)
_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM journal"  # noqa: S608 - constants
    " WHERE (CAST(? AS TEXT) IS NULL OR machine = ?) AND seq > ?"
    " ORDER BY seq DESC LIMIT ?"
)
_ALL: Final = 2**62
"""A number that no journal's rows reach."""


def append_statement(transition: Transition) -> Statement:
    """The statement that writes one transition."""
    return Statement("journal", _APPEND, _values(transition))


class Trim:
    """Makes the statements that delete excess and old rows.

    `clock` gives seconds since the epoch, and may be set. `steady` is never set.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        max_rows: int,
        max_age_s: float,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._steady = steady
        self._max_rows = max_rows
        self._old = AgeLimit(max_age_s)

    def __call__(self) -> tuple[Statement, ...]:
        """The statements at present. The newest row stays. Each run is cheap."""
        now = self._steady()
        self._old = self._old.at(self._clock(), now)
        before = datetime.fromtimestamp(self._old.before(now), UTC)
        return (
            Statement("journal", _TRIM_ROWS, (self._max_rows,)),
            Statement("journal", _TRIM_AGE, (before.strftime("%Y-%m-%dT%H:%M:%S"),)),
        )


def journal_query(
    machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> Query:
    """The query for `decode_rows`: of one machine or all, the newest `limit` rows or all."""
    rows = _ALL if limit is None else max(limit, 0)
    return Query(_NEWEST, (machine, machine, after_seq, rows))


def decode_rows(newest_first: Sequence[Row]) -> list[JournalRow]:
    """The result of `journal_query`, oldest first."""
    return [_decoded(*row) for row in reversed(newest_first)]


def _decoded(  # noqa: PLR0917 - the columns in their order
    seq: int,
    at: str,
    boot: str,
    machine: str,
    src: str,
    trigger: str,
    dst: str,
    outcome: str,
    reason: str,
    attempt: int,
    dwell_ms: int,
) -> JournalRow:
    made = Outcome(outcome)
    return JournalRow(
        seq, Transition(at, boot, machine, src, trigger, dst, made, reason, attempt, dwell_ms)
    )
