"""Reads a message's text: as a command, as a name. Pure."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, assert_never

from actors.model import UserId
from actors.rules.likeness import HIDDEN, as_seen, without_hidden

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
    LINE = auto()
    """Any text, on one line."""
    TEXT = auto()
    """Any text, with its lines and blanks."""

    def read(self, rest: str) -> str | None:
        """The argument in what follows a command's word; None if nothing visible does."""
        line = clean_name(rest)
        if not line:
            return None
        match self:
            case Argument.NONE:
                return None
            case Argument.NAME | Argument.LINE:
                return line
            case Argument.TEXT:
                return clean_text(rest)
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A message that starts with `!`: the word in lower case, and the rest as it was written.

    The word need not be a known command.
    """

    word: str
    rest: str = ""


_MARK: Final = "[!\uff01\ufe57\ufe15]"
_WORD: Final = rf"([^\W\d_][\w{HIDDEN}]*)"
_BLANK: Final = rf"[\s{HIDDEN}]*"
_COMMAND: Final = re.compile(rf"{_BLANK}{_MARK}[{HIDDEN}]*{_WORD}(?:\s+(.*))?", re.DOTALL)
_ALMOST: Final = re.compile(rf"{_BLANK}{_MARK}{_BLANK}{_WORD}[.,:;!?…。]*{_BLANK}")
_QUOTED: Final = re.compile(rf"{_BLANK}([`*_\"'«»“”„‘’]+)(.+?)[`*_\"'«»“”„‘’]+{_BLANK}")
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x1f\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u3164\uffa0\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff]+"
)

_LINE_END: Final = re.compile("\r\n?|[\x85\u2028\u2029]")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]+")


def parse(body: str, known: Collection[str] = ()) -> CommandLine | None:
    """The command line in a message's body; None for ordinary text.

    A word in `known` is also found if the line is quoted, if a blank stands before the word or a
    full stop after it and nothing follows, and if its letters only look like those of the word.
    """
    line = _line(_COMMAND, body, known)
    if line is not None or not known:
        return line
    quoted = _QUOTED.fullmatch(body)
    almost = _line(_COMMAND, quoted[2], known) if quoted else _line(_ALMOST, body, known)
    return almost if almost is not None and almost.word in known else None


def _line(pattern: re.Pattern[str], body: str, known: Collection[str]) -> CommandLine | None:
    found = pattern.fullmatch(body)
    if found is None:
        return None
    word = unicodedata.normalize("NFKC", without_hidden(found[1])).casefold()
    seen = as_seen(word)
    rest = found[2] if pattern is _COMMAND else None
    return CommandLine((seen if seen in known else word)[:NAME_LIMIT], (rest or "").rstrip())


def clean_name(text: str) -> str:
    """A name on one line, without control characters and marks that turn the writing direction."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())


def clean_text(text: str) -> str:
    """A text on any number of lines, without control characters and half surrogate pairs."""
    return _CONTROLS.sub("", _LINE_END.sub("\n", text)).strip()


def shortened(text: str, limit: int) -> str:
    """A text that has at most `limit` characters, besides a mark where it is cut."""
    return text if len(text) <= limit else f"{text[:limit].rstrip()} …"


def person_called(user_id: UserId, display_name: str) -> str:
    """A person's name in a sentence: the display name, or else the local part of the user id."""
    return shortened(clean_name(display_name), NAME_LIMIT) or user_id[1:].partition(":")[0]


def display_name(text: str) -> str:
    """A room's own name, cleaned and cut to DISPLAY_LIMIT characters."""
    return clean_name(text)[:DISPLAY_LIMIT].rstrip()
