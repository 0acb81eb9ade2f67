"""Cuts an answer into parts that each fit into one event. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

PART_BYTES: Final = 24 * 1024
"""The most bytes that body and HTML of one part have together, as JSON. A Matrix event has at most
65,536 bytes, and an edit contains its text twice."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """One part of an answer: its text in Markdown, and the same as HTML; empty if it is plain."""

    body: str
    html: str = ""


Formatter: TypeAlias = Callable[[str], Sequence[Formatted]]
"""Makes the parts of an answer from its Markdown; at least one."""


def plain_parts(text: str) -> tuple[Formatted, ...]:
    """The parts of a text without formatting."""
    size = 6_000
    return tuple(Formatted(text[at : at + size]) for at in range(0, len(text), size)) or (
        Formatted(""),
    )
