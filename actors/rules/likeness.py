"""Compares texts as people see them. Pure."""

import re
import unicodedata
from typing import Final

HIDDEN: Final = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff"
)
"""Characters that show nothing and are no blanks, for a character class of a pattern."""

_HIDDEN: Final = re.compile(f"[{HIDDEN}]+")
_LOOKALIKES: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХавеѕіјкмнорстухΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹαβικνορτυχϲᏟıİ",
    "ABESIJKMHOPCTYXabesijkmhopctyxABEZHIKMNOPTYXCabiknoptuxcCiI",
)
"""Cyrillic, Greek and other letters, with the Latin letters that they look like."""


def without_hidden(text: str) -> str:
    """A text without the characters that show nothing."""
    return _HIDDEN.sub("", text)


def as_seen(text: str) -> str:
    """A form in which texts that look the same to a person are equal.

    Case, width, marks above letters, and the alphabet of a letter do not matter.
    """
    latin = without_hidden(text).translate(_LOOKALIKES)
    folded = unicodedata.normalize("NFKC", latin).casefold().translate(_LOOKALIKES)
    parts = unicodedata.normalize("NFKD", folded)
    return "".join(part for part in parts if not unicodedata.combining(part))
