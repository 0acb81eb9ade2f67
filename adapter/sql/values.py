"""A statement and a query as values, and the order in which a transaction runs statements."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeAlias

Params: TypeAlias = tuple[str | int | float | None, ...]
Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement that writes, and the only table that it writes to.

    With `hits`, the transaction fails with OutdatedWrite if the statement changes no row.
    With `synced`, the transaction waits for the disk: the bot acts on the homeserver next, and
    relies on the row afterwards.
    """

    table: str
    sql: str
    params: Params
    synced: bool = False
    hits: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that reads."""

    sql: str
    params: Params = ()


def grouped(statements: Iterable[Statement]) -> Iterator[tuple[str, bool, list[Params]]]:
    """Group consecutive equal statements, so that each group can run as one `executemany`.

    Yields the SQL, whether it has `hits`, and the parameters.

    Statements on different tables may change places, and the order within a table stays. What is
    done to the inbox comes before what is done to the outbox: an anchor looks at the inbox.
    """
    by_table = sorted(statements, key=attrgetter("table"))
    for (sql, hits), group in groupby(by_table, key=attrgetter("sql", "hits")):
        yield sql, hits, [statement.params for statement in group]
