"""How the shared statements and their values are worded for PostgreSQL. Pure.

PostgreSQL's text has no U+0000. Each text is therefore written with U+0001 as an escape: the
encoding keeps the order of texts, and what begins with what.
"""

from functools import lru_cache
from typing import Final

from adapter.sql.statements import NAMED_ROOM, RAW_VALUE
from adapter.sql.values import Params, Row

_WORDING: Final = {RAW_VALUE: "value", NAMED_ROOM: "surfaces_named_room(value)"}
_ESCAPES: Final = str.maketrans({"\0": "\x01\x01", "\x01": "\x01\x02"})
_STATEMENTS_KEPT: Final = 256
_INT64: Final = range(-(2**63), 2**63)


@lru_cache(_STATEMENTS_KEPT)
def worded(sql: str) -> bytes:
    """A shared statement as PostgreSQL takes it, with `$1`, `$2` in place of the question marks."""
    for shared, own in _WORDING.items():
        sql = sql.replace(shared, own)
    first, *rest = sql.split("?")
    numbered = (f"${number}{part}" for number, part in enumerate(rest, start=1))
    return "".join((first, *numbered)).encode()


def bound(params: Params) -> tuple[object, ...]:
    """The values of a statement as its columns take them. Raises OverflowError.

    Truth values are numbers in the tables. A number of more than 64 bits raises, as in SQLite.
    """
    return tuple(map(_bound, params))


def _bound(value: object) -> object:
    if isinstance(value, str):
        # Also a member of an enumeration becomes plain text.
        return value.translate(_ESCAPES) if "\0" in value or "\x01" in value else str(value)
    if isinstance(value, int):
        if value not in _INT64:
            raise OverflowError("a number has more than 64 bits")
        return int(value)
    return value


def unbound(row: Row) -> Row:
    """A row of a result, with its texts as they were given."""
    return tuple(_unescaped(value) if isinstance(value, str) else value for value in row)


def _unescaped(text: str) -> str:
    return text.replace("\x01\x01", "\0").replace("\x01\x02", "\x01") if "\x01" in text else text
