"""The journal's statements, and reading it from outside while a bot writes it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Final

from actors.bounds import Bounds
from actors.ports import PortError
from actors.runtime.table import Outcome, Transition
from adapter.sqlite.errors import naming
from adapter.sqlite.opening import connect
from adapter.sqlite.statements import Query, Row, Statement

MAX_ROWS: Final = Bounds().journal_rows
MAX_AGE_S: Final = Bounds().journal_age_s


class JournalMissing(PortError):
    """There is no journal at this path: no bot has run with it yet, or the path is wrong."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A transition and the number that the journal has given it."""

    seq: int
    transition: Transition

    def fields(self) -> dict[str, object]:
        """Every field by its name, in the contract's order."""
        return {"seq": self.seq, **dict(zip(_NAMES, _values(self.transition), strict=True))}


_NAMES: Final = tuple(field.name for field in fields(Transition))
# The columns have the fields' names and order; astuple would copy them deeply.
_values: Final = attrgetter(*_NAMES)
_COLUMNS: Final = 'seq, at, boot, machine, src, "trigger", dst, outcome, reason, attempt, dwell_ms'
_APPEND: Final = (
    'INSERT INTO journal(at, boot, machine, src, "trigger", dst, outcome, reason, attempt,'
    " dwell_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# Numbers have no holes, so the range of numbers is the number of rows.
_TRIM_ROWS: Final = "DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM journal) - ?"
# From the oldest up to the first that is young enough, which usually is the first one.
_TRIM_AGE: Final = (
    "DELETE FROM journal WHERE seq < (SELECT seq FROM journal WHERE at >= ? ORDER BY seq LIMIT 1)"
)
_NEWEST: Final = (
    f"SELECT {_COLUMNS} FROM journal"  # noqa: S608 - constants
    " WHERE (? IS NULL OR machine = ?) AND seq > ?"
    " ORDER BY seq DESC LIMIT ?"
)


def append_statement(transition: Transition) -> Statement:
    """Write one transition."""
    return Statement("journal", _APPEND, _values(transition))


def trim_statements(*, now: float, max_rows: int, max_age_s: float) -> tuple[Statement, ...]:
    """Delete what is too much or too old; the newest row stays. Costs next to nothing each time."""
    limit = datetime.fromtimestamp(now - max_age_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return (
        Statement("journal", _TRIM_ROWS, (max_rows,)),
        Statement("journal", _TRIM_AGE, (limit,)),
    )


def journal_query(
    machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> Query:
    """Rows for `decode_rows`: of one machine or all, the newest `limit` or all."""
    rows = -1 if limit is None else max(limit, 0)
    return Query(_NEWEST, (machine, machine, after_seq, rows))


def decode_rows(newest_first: Sequence[Row]) -> list[JournalRow]:
    """The answer to `journal_query`, oldest first."""
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


def read_journal(
    path: Path | str, *, machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> list[JournalRow]:
    """The journal, oldest first: of one machine or all, the newest `limit` rows or all.

    With `after_seq`, only rows with a higher number.
    Opens the file for reading only; a bot may be writing it at the same time. Blocks.
    Raises JournalMissing, StoreUnavailable, StoreCorrupt.
    """
    path = Path(path)
    if not path.is_file():
        raise JournalMissing(f"there is no journal at {path}")
    query = journal_query(machine, limit, after_seq)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with naming(path), closing(connect(uri)) as connection:
        if not connection.execute("SELECT 1 FROM pragma_table_info('journal')").fetchone():
            raise JournalMissing(f"{path} holds no journal")
        return decode_rows(connection.execute(query.sql, query.params).fetchall())
