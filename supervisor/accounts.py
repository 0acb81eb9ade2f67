"""The accounts of MATRIX_ACCOUNTS: a folder with a file for each, with the variables of one bot."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from supervisor.database_urls import in_schema, is_database_url
from supervisor.settings import VARIABLES, SettingsRefused, unreadable
from supervisor.variables import ENCODING, broken_lines

VARIABLE: Final = "MATRIX_ACCOUNTS"
_ENDING: Final = ".env"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OWN: Final = (
    "MATRIX_USER_ID",
    "MATRIX_STORE_PATH",
    "MATRIX_DB_PATH",
    "MATRIX_JOURNAL_PATH",
    "STATUS_BIND",
)
"""What no two accounts may have in common."""
_PLACES: Final = frozenset({"MATRIX_STORE_PATH", "MATRIX_DB_PATH", "MATRIX_JOURNAL_PATH"})
_ANY_PORT: Final = ":0"
_READABLE: Final = 40
"""So many characters of a user id are in the name of its schema. PostgreSQL allows 63 in all."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account: the name of its file without `.env`, and the variables of its bot.

    They override those of the environment.
    """

    name: str
    variables: Mapping[str, str] = field(repr=False)


def read_accounts(folder: Path, common: Mapping[str, str]) -> tuple[Account, ...]:
    """All accounts, by name. `common` has the variables of the environment and of `.env`.

    Raises SettingsRefused with all errors at once.
    """
    errors: list[str] = []
    accounts: list[Account] = []
    for path in _files(folder):
        try:
            accounts.append(_account(path, common))
        except SettingsRefused as refused:
            errors += refused.lines
    errors += _shared(folder, accounts)
    if errors:
        raise SettingsRefused(*dict.fromkeys(errors))
    return tuple(accounts)


def _files(folder: Path) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.endswith(_ENDING))
    except OSError as error:
        raise SettingsRefused(
            f"{VARIABLE}: {folder} cannot be read ({error.strerror}): name a folder with a file "
            "for each account"
        ) from None
    found = [path for path in paths if not path.name.startswith(".")]
    if not found:
        raise SettingsRefused(
            f"{VARIABLE}: {folder} has no file whose name ends in {_ENDING}: "
            "write one for each account"
        )
    return found


def _account(path: Path, common: Mapping[str, str]) -> Account:
    name = path.name.removesuffix(_ENDING)
    if not _NAME.fullmatch(name):
        raise SettingsRefused(
            f"{path}: use letters, digits and . _ - in the name, which is that of the account"
        )
    try:
        if stat.S_IFMT(path.stat().st_mode) not in {stat.S_IFREG, stat.S_IFDIR}:
            raise SettingsRefused(f"{path}: is a pipe or a device: use a regular file")
        broken = broken_lines(path)
        found = dotenv_values(path, encoding=ENCODING)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsRefused(unreadable(path, error)) from None
    if broken:
        raise SettingsRefused(*broken)
    given = {key: value for key, value in found.items() if value is not None}
    if given.get(VARIABLE):
        raise SettingsRefused(f"{path}: {VARIABLE}: remove it, this file is about one account")
    return Account(name, {**given, **_completed(path, name, given, common)})


def _completed(
    path: Path, name: str, given: Mapping[str, str], common: Mapping[str, str]
) -> dict[str, str]:
    """What an account has of its own although its file does not say so.

    A database that its own file names is used as it is. In a common one, each account has a schema
    of its own, named after its user id: the lease and all tables of the account are there.
    """
    folder = Path(common.get("MATRIX_STORE_PATH") or str(VARIABLES["MATRIX_STORE_PATH"]))
    user_id = given.get("MATRIX_USER_ID") or common.get("MATRIX_USER_ID", "")
    schema = schema_of(user_id)
    database, journal = given.get("MATRIX_DB_PATH", ""), given.get("MATRIX_JOURNAL_PATH", "")
    if not database:
        database = _of_common("MATRIX_DB_PATH", common, schema)
        journal = journal or _of_common("MATRIX_JOURNAL_PATH", common, schema)
    elif not is_database_url(database):
        raise SettingsRefused(f"{path}: MATRIX_DB_PATH: {_NEEDS_A_URL}")
    return {
        VARIABLE: "",
        "MATRIX_USER_ID": user_id,
        "MATRIX_DB_PATH": database,
        "MATRIX_JOURNAL_PATH": journal,
        "MATRIX_STORE_PATH": given.get("MATRIX_STORE_PATH") or str(folder / name),
        "STATUS_BIND": given.get("STATUS_BIND", ""),
    }


def _of_common(variable: str, common: Mapping[str, str], schema: str) -> str:
    """The account's part of a common database."""
    place = common.get(variable, "")
    if is_database_url(place):
        return in_schema(place, schema)
    if variable == "MATRIX_DB_PATH":
        raise SettingsRefused(f"{variable}: {_NEEDS_A_URL}")
    if place:
        raise SettingsRefused(
            f"{variable}: is a file, which accounts can't share: leave it empty, then the journal "
            "is in the database"
        )
    return ""


_NEEDS_A_URL: Final = (
    "many accounts need PostgreSQL: set it to a URL like postgresql://user:password@host/name"
)


def schema_of(user_id: str) -> str:
    """The schema of an account in a common database: readable, and different for each user id."""
    readable = re.sub(r"[^a-z0-9]+", "_", user_id.lower()).strip("_")[:_READABLE]
    return f"surfaces_{readable}_{hashlib.sha256(user_id.encode()).hexdigest()[:8]}"


def _meant(variables: Mapping[str, str], variable: str) -> str:
    """The value of a variable. Names of one place, such as `/a` and `/b/../a`, give one value."""
    value = variables.get(variable, "")
    if not value or variable not in _PLACES or is_database_url(value):
        return value
    # Settings refuse the home folder of an unknown user; here it stays as it is.
    return os.path.realpath(os.path.expanduser(value))  # noqa: PTH111


def _shared(folder: Path, accounts: Sequence[Account]) -> Iterator[str]:
    """A sentence for each account that has something in common with an earlier one."""
    for number, account in enumerate(accounts):
        for variable, other in product(_OWN, accounts[:number]):
            value, others = (_meant(each.variables, variable) for each in (account, other))
            if value and value == others and not value.endswith(_ANY_PORT):
                yield (
                    f"{folder / account.name}{_ENDING}: {variable}: "
                    f"is the same as in {other.name}{_ENDING}: each account needs its own"
                )
                break
