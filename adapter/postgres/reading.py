"""Access to the bot's database for shell commands, while a bot may be using it. All calls block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

import psycopg
from psycopg import Connection, RawCursor, errors

from actors.model import EventId
from actors.writes import RetryMessage
from adapter.postgres import tables
from adapter.postgres.dialect import bound, unbound, worded
from adapter.postgres.errors import translated
from adapter.postgres.link import parameters
from adapter.postgres.schema import (
    JOURNAL_SCHEMA,
    STORE_SCHEMA,
    VERSION,
    VERSION_COLUMNS,
    Schema,
    check_version,
)
from adapter.sql.inbox_rows import UNSETTLED, DatabaseMissing, InboxRow, InboxState, state_query
from adapter.sql.journal_rows import JournalMissing, JournalRow, decode_rows, journal_query
from adapter.sql.search_path import CURRENT, check_exists, check_schema, schema_in
from adapter.sql.statements import statement_for
from adapter.sql.values import Query, Row, Statement

_Connection: TypeAlias = Connection[Row]

_COPIED: Final = tuple(table for table in STORE_SCHEMA.tables if table not in {"lease", "writer"})
_EMPTIED: Final[tables.Columns] = {
    **{table: STORE_SCHEMA.columns[table] for table in (*_COPIED, "lease")},
    "asks": {"account": "text", "event_id": "bytea", "question": "bytea"},
    "ask_parts": {"ask": "bigint", "round": "bigint", "parts": "bytea"},
}
"""What a reset empties, with columns by which the bot's tables are known: those of the store, and
those with the conversations that workers keep."""
_AS_ONE: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


def read_journal(
    url: str, *, machine: str | None = None, limit: int | None = None, after_seq: int = 0
) -> list[JournalRow]:
    """The journal, oldest first: of one machine or all, the newest `limit` rows or all.

    With `after_seq`, only rows with a higher number. Raises JournalMissing, StoreUnavailable.
    """
    with _opened(url) as connection:
        try:
            return decode_rows(_fetch(connection, journal_query(machine, limit, after_seq)))
        except errors.UndefinedTable:
            raise JournalMissing("the database holds no journal") from None


def read_inbox(url: str) -> list[InboxRow]:
    """The waiting and dead messages, in the order of acceptance.

    Raises DatabaseMissing, StoreUnavailable.
    """
    with _inbox(url) as connection:
        return [InboxRow(*row) for row in _fetch(connection, UNSETTLED)]


def retry(url: str, event_id: EventId) -> InboxState | None:
    """Let a dead message wait again. Returns its previous state; None for an unknown message.

    Other messages do not change. A running bot finds the message by itself. Raises as `read_inbox`
    does.
    """
    statement = statement_for(RetryMessage(event_id), now=0.0)
    with _inbox(url) as connection:
        found = _fetch(connection, state_query(event_id))
        if found and found[0][0] == "dead":
            connection.execute(worded(statement.sql), bound(statement.params))
        state: InboxState | None = found[0][0] if found else None
        return state


def checked_server(url: str, schema: Schema, *, account: str | None, makes_schema: bool) -> str:
    """The version of the server, if a bot can start there. Writes nothing.

    `account` is the bot's user id, if it is known. `makes_schema`: the start creates the schema
    that the URL names. Raises StoreUnavailable, and StoreRefused as a start does.
    """
    with _opened(url) as connection:
        tables.check_encoding(_value(connection, tables.ENCODING))
        current = _value(connection, CURRENT)
        if current is None and makes_schema and schema_in(parameters(url)) is not None:
            may_create = _value(connection, tables.CREATE_SCHEMA_RIGHT)
            tables.check_right(may_create=may_create, schema=None)
        else:
            check_exists(current)
            _check_tables(connection, schema, account, str(current))
        return str(_value(connection, b"SELECT current_setting('server_version')"))


def _check_tables(
    connection: _Connection, schema: Schema, account: str | None, current: str
) -> None:
    names = ("schema_version", *schema.tables)
    existing = _existing(connection, names)
    wanted = {**schema.columns, **VERSION_COLUMNS}
    found = list(connection.execute(tables.COLUMNS, (list(names),)))
    own = {"schema_version", "lease"}  # a start looks at these first
    tables.check_columns([row for row in found if row[0] in own], wanted)
    tables.check_usable(connection.execute(tables.UNUSABLE, (existing,)))
    version = None
    if "schema_version" in existing:
        version = next((row[0] for row in connection.execute(VERSION, (schema.part,))), None)
    check_version(version, schema)
    if version is None:
        tables.check_columns(found, wanted)
    if "lease" in existing and account is not None:
        tables.check_account(connection.execute(tables.OTHER_ACCOUNT, (account,)).fetchone())
    # PostgreSQL asks for this right although the table of the lease exists.
    if "lease" in names or len(existing) < len(names) or version != schema.version:
        may_create = _value(connection, tables.CREATE_RIGHT)
        tables.check_right(may_create=may_create, schema=current)


def _value(connection: _Connection, query: bytes) -> object:
    ((value,),) = connection.execute(query)
    return value


def copy_of_store(url: str) -> list[Statement]:
    """The statements that fill an empty store with all rows of this one, as at one moment.

    A database without tables gives none. Raises StoreUnavailable.
    """
    with _opened(url) as connection:
        connection.execute(_AS_ONE)
        existing = _existing(connection, _COPIED)
        return [statement for table in existing for statement in _copy_of(connection, table)]


def _copy_of(connection: _Connection, table: str) -> Iterator[Statement]:
    cursor = connection.execute(f"SELECT * FROM {table}".encode())  # noqa: S608 - own tables
    names = [column.name for column in cursor.description or ()]
    marks = ", ".join("?" * len(names))
    sql = f"INSERT INTO {table}({', '.join(names)}) VALUES ({marks})"  # noqa: S608
    for row in cursor:
        yield Statement(table, sql, unbound(row))


def has_store(url: str) -> bool:
    """Whether the database has tables of the store. Raises StoreUnavailable."""
    with _opened(url) as connection:
        return bool(_existing(connection, STORE_SCHEMA.tables))


def has_journal(url: str) -> bool:
    """Whether the database has the journal's table. Raises StoreUnavailable."""
    with _opened(url) as connection:
        return bool(_existing(connection, JOURNAL_SCHEMA.tables))


def account_of(url: str) -> str | None:
    """The account whose tables the database has; None if no bot has begun to work there.

    Raises StoreUnavailable.
    """
    with _opened(url) as connection:
        if not _existing(connection, ("lease",)):
            return None
        found = connection.execute(b"SELECT name FROM lease LIMIT 1").fetchone()
        return str(found[0]) if found else None


def empty_store(url: str) -> None:
    """Delete all rows of the store, so that another account may use it. The journal stays.

    The questions and answers that workers keep are deleted as well.

    Raises StoreUnavailable, and StoreRefused if one of the tables is another program's.
    """
    with _opened(url) as connection:
        names = tuple(_EMPTIED)
        tables.check_columns(connection.execute(tables.COLUMNS, (list(names),)), _EMPTIED)
        if existing := _existing(connection, names):
            connection.execute(f"TRUNCATE {', '.join(existing)}".encode())


def _existing(connection: _Connection, names: tuple[str, ...]) -> list[str]:
    sql = b"SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL"
    return [str(name) for (name,) in connection.execute(sql, (list(names),))]


def _fetch(connection: _Connection, query: Query) -> list[Row]:
    found = connection.execute(worded(query.sql), bound(query.params))
    return [unbound(row) for row in found]


@contextmanager
def _inbox(url: str) -> Iterator[_Connection]:
    with _opened(url) as connection:
        try:
            yield connection
        except errors.UndefinedTable:
            raise DatabaseMissing("the database holds no inbox") from None


@contextmanager
def _opened(url: str) -> Iterator[_Connection]:
    given = parameters(url)
    with (
        translated(),
        psycopg.connect(
            **given, autocommit=True, prepare_threshold=None, cursor_factory=RawCursor
        ) as connection,
    ):
        if wanted := schema_in(given):
            ((current,),) = connection.execute(CURRENT)
            check_schema(wanted, current)
        yield connection
