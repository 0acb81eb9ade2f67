"""What a person typed, as a command or as text. Pure."""

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never

NAME_LIMIT: Final = 100
"""Characters that a person may give a chat's name through a command."""

DISPLAY_LIMIT: Final = 255
"""Characters that are kept of a name that came from the room itself."""


class Argument(Enum):
    """What follows a command's word."""

    NONE = auto()
    """Nothing: what follows is ignored."""
    NAME = auto()
    """A name, of at most NAME_LIMIT characters where the command is carried out."""
    CHAT_ID = auto()
    """Perhaps a chat id. It is read in upper case."""

    def read(self, rest: str) -> str | None:
        """The argument in the rest of a line; None where there is none."""
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
    """`!` with a word in small letters, and the rest of it on one line. Any word will do."""

    word: str
    rest: str = ""


_COMMAND: Final = re.compile(r"!([^\W\d_]\w*)(?:\s+(.*))?", re.DOTALL)
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u3164\uffa0\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+"
)


def parse(body: str) -> CommandLine | None:
    """The command in a message's body, or None when it is ordinary text."""
    found = _COMMAND.fullmatch(body.strip())
    if found is None:
        return None
    return CommandLine(found[1].casefold()[:NAME_LIMIT], clean_name(found[2] or ""))


def clean_name(text: str) -> str:
    """A name on one line: no control characters, no marks that turn the writing direction."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def display_name(text: str) -> str:
    """A room's own name, made harmless and short enough to keep."""
    return clean_name(text)[:DISPLAY_LIMIT].rstrip()
