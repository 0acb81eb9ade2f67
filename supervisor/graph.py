"""State tables as Mermaid diagrams."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from actors.machine import Row

_S = TypeVar("_S", bound=StrEnum)
_T = TypeVar("_T", bound=StrEnum)


def mermaid(rows: Iterable[Row[_S, _T]], initial: _S, title: str) -> str:
    """A `stateDiagram-v2` of a table; several triggers between two states share one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        arrows.setdefault((row.src, row.dst), []).append(row.trigger)
    lines = [f"    {src} --> {dst}: {' / '.join(names)}" for (src, dst), names in arrows.items()]
    ends = sorted({dst for _, dst in arrows} - {src for src, _ in arrows})
    final = [f"    {end} --> [*]" for end in ends]
    head = ["---", f"title: {title}", "---", "stateDiagram-v2", f"    [*] --> {initial}"]
    return "\n".join([*head, *lines, *final])
