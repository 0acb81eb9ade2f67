"""Durations, and text from other people that cannot steer a terminal. Pure."""

import unicodedata
from datetime import datetime
from typing import Final

# Joiners combine several characters into one in emoji and in Persian; they do not move the cursor.
_JOINERS: Final = frozenset("\u200c\u200d")
_SECOND_MS: Final = 1000
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_BRIEF_S: Final = 10


def harmless(text: str) -> str:
    """The text with control and direction characters escaped, so that it cannot steer a terminal.

    A line break is escaped as well: the result is one line.
    """
    if text.isprintable():
        return text
    return "".join(char if _is_visible(char) else _escaped(char) for char in text)


def _is_visible(char: str) -> bool:
    return char.isprintable() or char in _JOINERS or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def duration(ms: int) -> str:
    """A length of time in words, in its two largest units: "2 h 5 min", or "3.2 s"."""
    seconds = ms / _SECOND_MS
    if seconds < _BRIEF_S:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    parts: list[str] = []
    for length, unit in _UNITS:
        count, rest = divmod(rest, length)
        parts += [f"{count} {unit}"] if count else []
    return " ".join(parts[:2])


def until(at: str, now: datetime) -> str:
    """The time left until `at` (RFC 3339): "in 20 s", or "now" if `at` is past."""
    left_ms = round((datetime.fromisoformat(at) - now).total_seconds() * 1000)
    return "now" if left_ms <= 0 else f"in {duration(left_ms)}"
