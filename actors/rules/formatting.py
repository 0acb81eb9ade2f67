"""Makes the parts of an answer, which each fit into one event. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.rules.splitting import cut, encoded_bytes

PART_BYTES: Final = 24 * 1024
"""The most bytes that body and HTML of one part have together, as JSON. A Matrix event has at most
65,536 bytes."""

_LEAST_BYTES: Final = PART_BYTES // 8
"""A part whose HTML does not fit is made smaller until its body has this size; then HTML is left
out."""

_NOT_TEXT: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters. No client shows them, and some homeservers refuse them."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """One part of an answer: its text in Markdown, and the same as HTML; empty if it is plain."""

    body: str
    html: str = ""


Formatter: TypeAlias = Callable[[str], Sequence[Formatted]]
"""Makes the parts of an answer from its Markdown; at least one."""

Render: TypeAlias = Callable[[str, bool], str]
"""Makes HTML of a part's Markdown; empty if it is plain. True: the part continues another one."""


def parts_of(text: str, render: Render) -> tuple[Formatted, ...]:
    """The parts of a text, at least one. Only that of a text without any letter is empty."""
    parts: list[Formatted] = []
    rest, size = cleaned(text), PART_BYTES
    while rest:
        part, rest, size = _first_part(rest, render, size, continues=bool(parts))
        parts.append(part)
        if 2 * _bytes(part) <= PART_BYTES:
            size = min(2 * size, PART_BYTES)
    return tuple(it for it in parts if it.body.strip()) or (Formatted(""),)


def plain_parts(text: str) -> tuple[Formatted, ...]:
    """The parts of a text without formatting."""
    return parts_of(text, _without_html)


def cleaned(text: str) -> str:
    """A text as it can be stored and sent: with line feeds, and without halves of characters.

    Blank lines around it are left out, and so are control characters.
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    lines = whole.replace("\r\n", "\n").replace("\r", "\n")
    return _NOT_TEXT.sub("", lines).lstrip("\n").rstrip()


def fits(part: Formatted) -> bool:
    """Whether a part fits into one event."""
    return _bytes(part) <= PART_BYTES


def _first_part(
    text: str, render: Render, size: int, *, continues: bool
) -> tuple[Formatted, str, int]:
    """The first part of a text, the text that is left, and the bytes that the body could have."""
    while True:
        head, rest = cut(text, size)
        part = Formatted(head, render(head, continues))
        if fits(part):
            return part, rest, size
        if size == _LEAST_BYTES:
            return Formatted(head), rest, size
        expected = size * PART_BYTES * 15 // 16 // _bytes(part)
        size = max(_LEAST_BYTES, min(expected, size * 3 // 4))


def _bytes(part: Formatted) -> int:
    return encoded_bytes(part.body) + encoded_bytes(part.html)


def _without_html(text: str, continues: bool) -> str:  # noqa: FBT001 - as Render says
    del text, continues
    return ""
