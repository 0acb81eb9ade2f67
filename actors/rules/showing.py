"""Decides what to show of an answer while it grows, and when. Pure."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from actors.rules.splitting import SENTENCE_END, between_characters
from actors.said import Said

_WORD_CHARS: Final = 40
"""A longer run of characters without a blank is no word: it may be cut anywhere."""
_END: Final = re.compile(rf"{SENTENCE_END.pattern}|\n")
"""The end of a sentence or of a line."""
_NUMBER: Final = re.compile(r"~[^.~]+\.(?P<number>[0-9]+)\Z")
"""The end of a live edit's transaction id."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown of one answer so far.

    `chars` is the length of the text, `parts` the number of parts that are shown, and `whole` the
    number of those that are shown to their end. `edits` counts the edits that were sent, refused
    ones among them.
    """

    chars: int = 0
    whole: int = 0
    edits: int = 0
    parts: int = 0


NOTHING_SHOWN: Final = Shown()


def shown_by(parts: Collection[Said]) -> Shown:
    """What an earlier reply has shown, by the newest edit or the anchor of each part.

    A live edit says in its transaction id how many edits were made before it.
    """
    marks = (_NUMBER.search(part.mark.txn) for part in parts if part.mark is not None)
    count = max((int(found["number"]) + 1 for found in marks if found), default=0)
    chars = sum(len(part.text) for part in parts)
    return Shown(chars=chars, edits=count, parts=len(parts))


def whole_words(text: str) -> str:
    """The text without its last word, unless a blank follows: that word may still grow."""
    shown = text.rstrip()
    if len(shown) < len(text) or not text:
        return shown
    last = shown.rsplit(maxsplit=1)[-1]
    if len(last) <= _WORD_CHARS:
        return shown[: -len(last)].rstrip()
    return shown[: between_characters(shown, 0, len(shown) - 1)]


def first_text(text: str, *, chars: int, is_late: bool) -> str:
    """What is shown of an answer at first; empty if it is too early for that.

    The text up to the end of its last sentence or line, if it has so many characters. When it
    `is_late`, any whole words.
    """
    if is_late:
        return whole_words(text)
    ends = [found.end() for found in _END.finditer(text)]
    shown = text[: ends[-1]].rstrip() if ends else ""
    return shown if len(shown.strip()) >= chars else ""


def next_text(text: str, shown: Shown, *, chars: int) -> str:
    """What is shown of an answer next; empty unless it has so many characters more."""
    words = whole_words(text)
    return words if len(words) >= shown.chars + chars else ""


def pause_before(edit: int, pauses_s: Sequence[float]) -> float:
    """The seconds before an edit, counted from 0. The last pause is repeated."""
    return pauses_s[min(edit, len(pauses_s) - 1)]


def leaves_room(shown: Shown, anchors: int, limit: int) -> bool:
    """Whether an answer may have one more edit: each of its anchors is edited at the end."""
    return shown.edits + anchors < limit


def shown_with(shown: Shown, text: str, bodies: Sequence[str]) -> Shown:
    """What is shown after the next part of a text with these parts has been shown.

    A part that others follow is shown to its end.
    """
    is_whole = shown.whole < len(bodies) - 1
    later = sum(map(len, bodies[shown.whole + 1 :]))
    return Shown(
        chars=max(len(text) - later, shown.chars),
        whole=shown.whole + is_whole,
        edits=shown.edits,
        parts=max(shown.whole + 1, shown.parts),
    )
