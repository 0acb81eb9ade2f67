"""State tables as Mermaid diagrams."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from actors.runtime.table import Row

_S = TypeVar("_S", bound=StrEnum)
_T = TypeVar("_T", bound=StrEnum)


def mermaid(
    rows: Iterable[Row[_S, _T]], initial: _S, title: str, now: Mapping[str, str] | None = None
) -> str:
    """A `stateDiagram-v2` of a table; several triggers between two states share one arrow.

    `now` has a remark for each current state; current states are drawn in bold.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        arrows.setdefault((row.src, row.dst), []).append(row.trigger)
    lines = [f"    {src} --> {dst}: {' / '.join(names)}" for (src, dst), names in arrows.items()]
    ends = sorted({dst for _, dst in arrows} - {src for src, _ in arrows})
    final = [f"    {end} --> [*]" for end in ends]
    head = ["---", f"title: {title}", "---", "stateDiagram-v2", f"    [*] --> {initial}"]
    return "\n".join([*head, *lines, *final, *_marked(now or {})])


def _marked(now: Mapping[str, str]) -> list[str]:
    if not now:
        return []
    labels = [f"    {state}: {state} ({remark})" for state, remark in now.items()]
    style = "    classDef now font-weight:bold,stroke-width:4px"
    return [*labels, style, f"    class {','.join(now)} now"]
