"""Whether a database lets the bot work: its encoding, and whose tables and rights it has.

The conditions of a start and of `check`, which writes nothing. Pure: the callers run the queries.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from actors.port_errors import StoreRefused
from adapter.sql.values import Row

Columns: TypeAlias = Mapping[str, Mapping[str, str]]
"""Tables with the names and the types of their columns, as PostgreSQL names them."""

ENCODING: Final = b"SELECT current_setting('server_encoding')"
OTHER_ACCOUNT: Final = b"SELECT name FROM lease WHERE name <> $1 LIMIT 1"
COLUMNS: Final = (
    b"SELECT name, attname, format_type(atttypid, NULL)"
    b" FROM unnest($1::text[]) AS name JOIN pg_attribute ON attrelid = to_regclass(name)"
    b" WHERE attnum > 0 AND NOT attisdropped"
)
"""The table, name and type of each column of those of these tables that exist."""
CREATE_SCHEMA_RIGHT: Final = b"SELECT has_database_privilege(current_database(), 'CREATE')"
CREATE_RIGHT: Final = b"SELECT has_schema_privilege(current_schema(), 'CREATE')"
UNUSABLE: Final = (
    b"SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL AND NOT ("
    b"has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')"
    b" AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE'))"
)
"""Those of these tables that the user may not read or not write."""
_TABLE: Final = re.compile(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+) ?\((.*?)\);", re.DOTALL)
_COLUMN: Final = re.compile(
    r'"?(\w+)"?\s+(TEXT|BYTEA|BIGINT|INTEGER|DOUBLE PRECISION|TIMESTAMPTZ)\b'
)
_TYPES: Final = {"TIMESTAMPTZ": "timestamp with time zone"}
_OWN_PLACE: Final = "give the bot a database of its own, or a schema"


def columns_in(script: str) -> Columns:
    """The columns of each table that a script creates, with their types as PostgreSQL names them.

    A column begins a line, or follows the opening parenthesis or a comma.
    """
    bare = re.sub(r"--[^\n]*", "", script)
    return {
        name: {
            found[1]: _TYPES.get(found[2], found[2].lower())
            for part in body.split(",")
            if (found := _COLUMN.match(part.strip())) is not None
        }
        for name, body in _TABLE.findall(bare)
    }


def check_encoding(encoding: object) -> None:
    """Raise StoreRefused unless this encoding has all characters."""
    if encoding != "UTF8":
        raise StoreRefused(
            f"the database has the encoding {encoding}: create one with ENCODING 'UTF8'"
        )


def check_columns(found: Iterable[Row], wanted: Columns) -> None:
    """Raise StoreRefused if one of the tables that exist is not the bot's.

    `found` is the result of `COLUMNS`; `wanted` has the columns that the tables have to have.
    """
    existing: dict[str, dict[str, str]] = {}
    for table, column, kind in found:
        existing.setdefault(str(table), {})[str(column)] = str(kind)
    check_foreign(list(_foreign(existing, wanted)))


def check_foreign(foreign: Collection[str]) -> None:
    """Raise StoreRefused if there are these tables, which another program has made."""
    if foreign:
        names = ", ".join(sorted(foreign))
        which = f"table {names}" if len(foreign) == 1 else f"tables {names}"
        raise StoreRefused(f"it has the {which} of another program: {_OWN_PLACE}")


def _foreign(existing: Columns, wanted: Columns) -> Iterator[str]:
    for table, columns in existing.items():
        if not wanted[table].items() <= columns.items():
            yield table


def check_account(other: Row | None) -> None:
    """Raise StoreRefused if the tables are another account's, by a row of `OTHER_ACCOUNT`."""
    if other is not None:
        raise StoreRefused(
            f"it has the tables of {other[0]}: give each account a database or a schema of its "
            "own, or remove the other one's by `surfaces-bot reset --mode local-only`"
        )


def check_right(*, may_create: object, schema: str | None) -> None:
    """Raise StoreRefused if the user may not create what is missing. `schema`: None if it is."""
    if not may_create and schema is None:
        raise StoreRefused(
            "the database user may not create the schema that the URL names: make it the owner of "
            "the database, or create the schema for it"
        )
    if not may_create:
        raise StoreRefused(
            f"the database user may not create tables in the schema {schema}: make it the owner "
            f'of the database, or GRANT CREATE ON SCHEMA "{schema}"'
        )


def check_usable(unusable: Iterable[Row]) -> None:
    """Raise StoreRefused if there are tables that the user may not write, by `UNUSABLE`."""
    names = ", ".join(sorted(str(name) for (name,) in unusable))
    if names:
        raise StoreRefused(
            f"the database user may not read and write the bot's tables ({names}): use the user "
            "that owns them"
        )
