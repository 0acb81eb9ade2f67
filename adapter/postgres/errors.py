"""Translates psycopg's errors into the errors of the ports. No other module does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors

from actors.port_errors import (
    LeaseLost,
    OutdatedWrite,
    StoreCorrupt,
    StoreRefused,
    StoreUnavailable,
)

LEASE_LOST: Final = "SB001"
"""The SQLSTATE that the function `surfaces_fence` raises."""
_REPLACED: Final = "SB002"
"""The SQLSTATE that the function `surfaces_open` raises."""
OUTDATED: Final = "SB003"
"""The SQLSTATE that the function `surfaces_expect` raises."""
_DAMAGED: Final = (
    # A table, column or function that the bot created is missing, so the database has changed.
    errors.UndefinedTable,
    errors.UndefinedColumn,
    errors.UndefinedFunction,
    errors.InvalidSchemaName,
)
_PASSING: Final = frozenset({"08", "25", "40", "53", "55", "57", "58", "XX"})
"""The classes of SQLSTATE that are no bug of the caller: the connection, a server that only reads,
conflicts, resources, locks, the operator, the system, and internal errors."""
_REFUSED: Final = (errors.InsufficientPrivilege, errors.InvalidCatalogName)
_NOT_ADMITTED: Final = re.compile(
    r"""password\ authentication\ failed | SASL\ authentication\ failed | no\ password\ supplied
    | (peer|ident|trust|LDAP|PAM|certificate)\ authentication\ failed | no\ pg_hba\.conf\ entry
    | (role|user|database)\ "[^"]*"\ does\ not\ exist | is\ not\ permitted\ to\ log\ in
    | permission\ denied\ for\ database | no\ such\ (user|database)\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""What PostgreSQL and PgBouncer say of a refused connection, for which libpq gives no SQLSTATE. In
another language it is not recognized, and counts as passing."""


def translate(error: Exception) -> Exception:
    """The port error for an error. An error that is a bug is returned unchanged."""
    if isinstance(error, OSError):
        return StoreUnavailable(str(error))
    if not isinstance(error, psycopg.Error):
        return error
    said = " ".join(str(error).split()) or type(error).__name__
    if error.sqlstate == LEASE_LOST:
        return LeaseLost(said)
    if error.sqlstate == OUTDATED:
        return OutdatedWrite(said)
    if isinstance(error, _DAMAGED):
        return StoreCorrupt(said)
    if isinstance(error, _REFUSED) or (error.sqlstate is None and _NOT_ADMITTED.search(said)):
        return StoreRefused(said)
    passing = (
        # Without a code, the client noticed the failure: the connection is lost.
        isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        or (error.sqlstate or "")[:2] in _PASSING
        or error.sqlstate == _REPLACED
    )
    return StoreUnavailable(said) if passing else error


@contextmanager
def translated() -> Iterator[None]:
    """Raise the error of a port if PostgreSQL fails in the block, see `translate`."""
    try:
        yield
    except (psycopg.Error, OSError) as error:
        failure = translate(error)
        if failure is error:
            raise
        raise failure from error
