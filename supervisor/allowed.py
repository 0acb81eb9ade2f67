"""The people who may use the bot: the entries of MATRIX_ALLOWED_USERS. Pure.

An entry without `*` and `?` is the user id of one person, whatever else it contains: the ids of
bridged people have brackets, for example. Any other entry is a pattern, in which `*` stands for any
text and `?` for one character. Local part and server name are compared apart from each other, and
capitals in a server name do not count.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final

EVERYONE: Final = "*"

_HOST: Final = re.compile(r"(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_SERVER: Final = re.compile(r"(?P<host>\[[^\[\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9*?]{1,5}))?")
_WILD: Final = re.compile(r"[*?]")
_LAST_PORT: Final = 65_535
_ID_LIMIT: Final = 255
_TEXTS: Final = ("1", "::1", "")
"""Texts that `*` may stand for in a host; if none of them fits, no host has the name."""


@dataclass(frozen=True, slots=True)
class AllowedUsers:
    """One entry. `local` and `server` are patterns, and match whole texts."""

    local: re.Pattern[str]
    server: re.Pattern[str]

    def matches(self, user_id: str) -> bool:
        """Whether the entry allows this person."""
        local, _, server = user_id.removeprefix("@").partition(":")
        return bool(self.local.fullmatch(local) and self.server.fullmatch(server.lower()))


def everyone_on(server: str) -> AllowedUsers:
    """The entry that allows every user of one homeserver."""
    return AllowedUsers(_pattern("*"), re.compile(re.escape(server.lower())))


def allowed_users(entry: str) -> AllowedUsers:
    """Read an entry. Raises ValueError with the reason if it can match no user id."""
    if set(entry) == {EVERYONE}:
        return AllowedUsers(_pattern("*"), _pattern("*"))
    if any(not char.isprintable() or char.isspace() for char in entry):
        raise ValueError("contains a blank or an invisible character")
    before, colon, server = entry.partition(":")
    if not before.startswith(("@", "*", "?")):
        raise ValueError("does not begin with @")
    if not colon or not server:
        raise ValueError("has no server name")
    local = before[1:] if before.startswith(("@", "?")) else before
    server = _ascii(server.lower())
    if not local:
        raise ValueError("has no name in front of the server name")
    if not _is_possible(server):
        raise ValueError(f"has {server!r} as its server name")
    if len(_WILD.sub("", entry).encode()) > _ID_LIMIT:
        raise ValueError("is longer than any user id")
    return AllowedUsers(_pattern(local), _pattern(server))


def _ascii(server: str) -> str:
    """A server name as it stands in user ids, for one that is written in other letters."""
    if server.isascii():
        return server
    name, colon, port = server.partition(":")
    try:
        labels = [
            label if label.isascii() else label.encode("idna").decode() for label in name.split(".")
        ]
    except UnicodeError:
        return server
    return ".".join(labels) + colon + port


def _is_possible(server: str) -> bool:
    """Whether a server can have a name of this pattern."""
    found = _SERVER.fullmatch(server)
    if found is None:
        return False
    host, port = found["host"], found["port"] or ""
    if port.isdecimal() and int(port) > _LAST_PORT:
        return False
    return any(_is_host(host.replace("*", text).replace("?", text[:1])) for text in _TEXTS)


def _is_host(name: str) -> bool:
    if name.startswith("["):
        return _is_ipv6(name.strip("[]"))
    return bool(_HOST.fullmatch(name))


def _is_ipv6(text: str) -> bool:
    try:
        return bool(IPv6Address(text))
    except ValueError:
        return False


def _pattern(text: str) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    return re.compile("".join(wild.get(char) or re.escape(char) for char in text), re.DOTALL)
