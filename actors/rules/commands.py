"""Reads a message's text: as a command, as a name. Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never

NAME_LIMIT: Final = 100
"""How many characters an owner may give a chat's name with a command."""

DISPLAY_LIMIT: Final = 255
"""How many characters are kept of a name that comes from the room itself."""


class Argument(Enum):
    """The kinds of arguments that may follow a command's word."""

    NONE = auto()
    """No argument: the rest of the line is ignored."""
    NAME = auto()
    """A name of at most NAME_LIMIT characters. A longer name is refused."""
    CHAT_ID = auto()
    """Text that may be a chat id, converted to upper case."""

    def read(self, rest: str) -> str | None:
        """The argument in the rest of a line; None if there is none."""
        match self:
            case Argument.NONE:
                return None
            case Argument.NAME:
                return rest or None
            case Argument.CHAT_ID:
                return rest.upper() or None
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A line that starts with `!`: the word in lower case, and the rest on one line.

    The word need not be a known command.
    """

    word: str
    rest: str = ""


_COMMAND: Final = re.compile(r"!([^\W\d_]\w*)(?:\s+(.*))?", re.DOTALL)
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u3164\uffa0\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+"
)


def parse(body: str) -> CommandLine | None:
    """The command line in a message's body; None for ordinary text."""
    found = _COMMAND.fullmatch(body.strip())
    if found is None:
        return None
    return CommandLine(found[1].casefold()[:NAME_LIMIT], clean_name(found[2] or ""))


def clean_name(text: str) -> str:
    """A name on one line, without control characters and marks that turn the writing direction."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def display_name(text: str) -> str:
    """A room's own name, cleaned and cut to DISPLAY_LIMIT characters."""
    return clean_name(text)[:DISPLAY_LIMIT].rstrip()
