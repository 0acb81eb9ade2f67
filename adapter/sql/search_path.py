"""The schema that a URL names as its search path: `?options=-csearch_path%3Dname`.

Several bots can share a database, each with its tables in a schema of its own.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from actors.port_errors import StoreRefused

CURRENT: Final = b"SELECT current_schema()"
"""The first schema of the search path that exists; NULL if none does."""
_ONE_NAME: Final = re.compile(r"(?:-c\s*|--)search[_-]path=(\w+)(?=\s|$)")


def schema_in(parameters: Mapping[str, Any]) -> str | None:
    """The schema that the parameters of a connection name; None without one, or with several."""
    found = _ONE_NAME.findall(str(parameters.get("options") or ""))
    return found[-1].lower() if found else None


def check_schema(wanted: str, current: object) -> None:
    """Raise StoreRefused if a connection uses another schema than its URL names.

    None as the current one: the schema does not exist yet.
    """
    if current not in {wanted, None}:
        raise StoreRefused(
            f"the server uses the schema {current} and not {wanted}, which the URL names: a pool "
            "such as PgBouncer drops the URL's options; name a database or a database user of "
            "its own in MATRIX_DB_PATH instead"
        )


def check_exists(current: object) -> None:
    """Raise StoreRefused if no schema of the search path exists, so `current` is NULL."""
    if current is None:
        raise StoreRefused(
            "no schema of the search path exists, or the database user may not use it: name one in "
            "the URL in small letters, digits and _, like ?options=-csearch_path%3Dname, and the "
            "bot creates it"
        )
