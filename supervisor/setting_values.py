"""Checks of single values in the environment. Pure, but for a look at paths.

Each function returns the value that a setting has. The text of its ValueError continues the name of
the variable, and says what to write instead.
"""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from actors.rules.answers import Answers
from actors.rules.file_names import UNKNOWN_TYPE
from actors.rules.file_types import type_of
from supervisor.allowed import allowed_users
from supervisor.database_urls import DatabaseUrl, database_url, is_database_url, names_no_file
from supervisor.hosts import is_host
from supervisor.secret import Secret

if TYPE_CHECKING:
    from actors.model import UserId

HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
"""The pattern of a host: a name, or an address."""
_USER_ID: Final = re.compile(rf"@[^:\s\x00-\x1f\x7f]+:{HOST}(?::[0-9]{{1,5}})?")
_USER_ID_LIMIT: Final = 255
_DEVICE_ID: Final = re.compile(r"[A-Za-z0-9._~=/+-]{1,128}")
_SHOWN: Final = 80
OFF: Final = "off"
"""The value that leaves a name or a picture to people."""
_NAME_LIMIT: Final = 100
_PICTURE_LIMIT: Final = 1024 * 1024
_PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_DAY_S: Final = 86_400.0
_ENTRIES: Final = (
    "write entries like @alice:example.org, @*:example.org or *:example.org, without quotes and "
    "separated by commas; * alone stands for everyone"
)


def homeserver_url(url: str) -> str:
    """A homeserver's URL, without a slash at the end."""
    try:
        parts = urlsplit(url)
        named = (
            parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
        )
    except ValueError:
        named = False
        parts = urlsplit("")
    if not named or re.search(r"\s", url):
        raise ValueError("is not a URL: write it like https://matrix.example.org")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name: remove it, MATRIX_USER_ID names the account")
    if "/_matrix" in parts.path:
        raise ValueError("has a path of the Matrix API: remove it, /_matrix included")
    if "?" in url or "#" in url:
        raise ValueError("has, after the host or a path, a query or a fragment: remove it")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def user_id(text: str) -> "UserId":
    """A Matrix user id."""
    if not _USER_ID.fullmatch(text) or len(text.encode()) > _USER_ID_LIMIT:
        raise ValueError("is not a Matrix user id: write it like @bot:example.org")
    return cast("UserId", text)


def device_id(text: str) -> str:
    """A device id that every homeserver takes."""
    if not _DEVICE_ID.fullmatch(text):
        raise ValueError("is not a device id: use up to 128 letters, digits and . _ ~ = / + -")
    return text


def secret(text: str | None) -> Secret | None:
    """A text that must not be shown."""
    return None if text is None else Secret(text)


def token(text: str | None) -> Secret | None:
    """An access token, with characters that a header can have."""
    if text is not None and not re.fullmatch(r"[!-~]+", text):
        raise ValueError("contains a blank or a character that no token has: copy it again")
    return secret(text)


def one_of(*choices: str, spelt: Callable[[str], str] = str) -> Callable[[str | None], str | None]:
    """A check that a text, in the spelling of the choices, is one of them; None stays None."""
    *some, last = map(repr, choices)

    def check(text: str | None) -> str | None:
        text = None if text is None else spelt(text)
        if text is not None and text not in choices:
            raise ValueError(f"is {text!r}: use {', '.join(some)} or {last}")
        return text

    return check


_one_of_answers: Final = one_of(*(each.value for each in Answers))


def answers(text: str) -> Answers:
    """The people who get answers in a chat."""
    _one_of_answers(text)
    return Answers(text)


def database_place(value: object) -> Path | DatabaseUrl:
    """A path of a database file, or the URL of a PostgreSQL database."""
    if isinstance(value, str) and is_database_url(value):
        return database_url(value)
    if isinstance(value, str) and names_no_file(value):
        raise ValueError(
            "is neither a file nor a database that the bot can use: name a file, or write a URL "
            "like postgresql://user:password@host/name"
        )
    return no_folder(local_path(value))


def local_path(text: object) -> Path:
    """A path, with the home folder in place of `~`."""
    if re.fullmatch(r"(['\"]).*\1", str(text)):
        raise ValueError("is in quotes: remove them")
    path = Path(str(text))
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(
            "begins with the home folder of an unknown user: write the full path"
        ) from None


def no_folder(path: Path) -> Path:
    """The path of a file, which need not exist."""
    if _mode(path, stat.S_ISDIR):
        raise ValueError("is a folder: name a file")
    return path


def folder_path(value: object) -> Path:
    """The path of a folder, which need not exist."""
    path = local_path(value)
    if _mode(path, stat.S_ISREG):
        raise ValueError("is a file: name a folder")
    return path


def _mode(path: Path, question: Callable[[int], bool]) -> bool:
    try:
        return question(path.stat().st_mode)
    except OSError:  # missing or inaccessible: opening it reports the error
        return False


def display_name(name: str) -> str:
    """A name on one line."""
    if len(name) > _NAME_LIMIT or not name.isprintable():
        raise ValueError(f"is not a name: use up to {_NAME_LIMIT} characters on one line")
    return name.strip()


def picture(name: str) -> str:
    """The path of a picture that every client shows, the word for none, or nothing."""
    if name in {"", OFF}:
        return name
    path = local_path(name)
    try:
        with path.open("rb") as file:
            data = file.read(_PICTURE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}): name a picture, or off") from None
    if type_of(data, UNKNOWN_TYPE) not in _PICTURES or len(data) > _PICTURE_LIMIT:
        raise ValueError("is not a picture: name a PNG, JPEG, GIF or WebP file of 1 MiB at most")
    return str(path)


def entries(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """The entries of a list with commas. Each of them can match a user id."""
    if not isinstance(value, str):
        return value
    parts = tuple(entry for part in value.split(",") if (entry := part.strip()))
    if not parts and value:
        raise ValueError(f"is {value!r}, which names nobody: {_ENTRIES}")
    for entry in parts:
        try:
            allowed_users(entry)
        except ValueError as error:
            shown = repr(entry if len(entry) <= _SHOWN else f"{entry[:_SHOWN]}…")
            raise ValueError(
                f"has an entry that matches no user id, {shown}, which {error}: {_ENTRIES}"
            ) from None
    return parts


def one_account(value: object) -> None:
    """Nothing: the settings of many accounts are read one by one."""
    if value is not None:
        raise ValueError(
            "names many accounts, and this command needs one: write `surfaces-bot --account NAME`"
        )


def seconds(value: str | float) -> float:
    """A time: a number of seconds, greater than 0 and no more than a day."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number <= _DAY_S:
        raise ValueError(f"is {value[:_SHOWN]!r}: use a number of seconds, up to {_DAY_S:g}")
    return number
