"""What a person typed, as a command or as text. Pure."""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

NAME_LIMIT: Final = 100
"""Characters that a person may give a chat's name through a command."""

DISPLAY_LIMIT: Final = 255
"""Characters that are kept of a name that came from the room itself."""


@dataclass(frozen=True, slots=True)
class Help:
    """`!help`."""


@dataclass(frozen=True, slots=True)
class New:
    """`!new [name]`."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Chats:
    """`!chats`."""


@dataclass(frozen=True, slots=True)
class Rename:
    """`!rename <name>`."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Archive:
    """`!archive`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`!yes` or `!no`."""

    yes: bool


@dataclass(frozen=True, slots=True)
class Open:
    """`ref` is what was typed, in upper case: perhaps a chat id."""

    ref: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """`!status`."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """`!` and a word that is no command of ours."""

    word: str


Command: TypeAlias = Help | New | Chats | Rename | Archive | Answer | Open | Status | Unknown

_COMMAND: Final = re.compile(r"!([^\W\d_]\w*)(?:\s+(.*))?", re.DOTALL)
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u3164\uffa0\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+"
)


def parse(body: str) -> Command | None:
    """The command in a message's body, or None when it is ordinary text."""
    found = _COMMAND.fullmatch(body.strip())
    if found is None:
        return None
    word = found[1].casefold()
    rest = clean_name(found[2] or "") or None
    match word:
        case "help":
            return Help()
        case "new":
            return New(rest)
        case "chats":
            return Chats()
        case "rename":
            return Rename(rest)
        case "archive":
            return Archive()
        case "yes" | "no":
            return Answer(yes=word == "yes")
        case "open":
            return Open(rest.upper() if rest else None)
        case "status":
            return Status()
        case _:
            return Unknown(word[:NAME_LIMIT])


def clean_name(text: str) -> str:
    """A name on one line: no control characters, no marks that turn the writing direction."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def display_name(text: str) -> str:
    """A room's own name, made harmless and short enough to keep."""
    return clean_name(text)[:DISPLAY_LIMIT].rstrip()
