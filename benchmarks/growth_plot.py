"""The plot of cost against rooms as SVG, without a library: a line for each scenario. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Final

from benchmarks.plot import text_at

_WIDTH: Final = 760
_PANEL: Final = 300
_LEFT: Final = 70
_RIGHT: Final = 110
_TOP: Final = 40
_BOTTOM: Final = 50
_COLOURS: Final = ("#0b7285", "#e8590c", "#5f3dc4", "#868e96")


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one scenario: pairs of rooms and cost, each above 0."""

    name: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share two logarithmic axes."""

    title: str
    unit: str
    lines: Sequence[Line]


def plot(panels: Sequence[Panel], caption: str) -> str:
    """The whole plot, as the text of an SVG file."""
    parts = [part for number, panel in enumerate(panels) for part in _panel(panel, number * _PANEL)]
    height = len(panels) * _PANEL + 24
    parts.append(text_at(10, height - 8, caption, size=11, colour="#868e96"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="system-ui, sans-serif">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, top: int) -> Iterator[str]:
    across = _axis([rooms for line in panel.lines for rooms, _ in line.points])
    up = _axis([cost for line in panel.lines for _, cost in line.points])
    bottom, right = top + _PANEL - _BOTTOM, _WIDTH - _RIGHT

    def at(rooms: float, cost: float) -> tuple[float, float]:
        x = _LEFT + _share(rooms, across) * (right - _LEFT)
        return x, bottom - _share(cost, up) * (bottom - top - _TOP)

    yield text_at(10, top + 22, f"{panel.title}, {panel.unit}", size=14, weight="600")
    for power in range(across[0], across[1] + 1):
        x, _ = at(10.0**power, 10.0 ** up[0])
        yield _stroke([(x, top + _TOP), (x, bottom)], "#e9ecef", 1)
        yield text_at(x, bottom + 18, f"{10**power:,} rooms", anchor="middle")
    for power in range(up[0], up[1] + 1):
        _, y = at(10.0 ** across[0], 10.0**power)
        yield _stroke([(_LEFT, y), (right, y)], "#e9ecef", 1)
        yield text_at(_LEFT - 8, y + 4, f"{10.0**power:,g}", anchor="end")
    for line, colour in zip(panel.lines, _COLOURS, strict=False):
        points = [at(rooms, cost) for rooms, cost in line.points]
        yield _stroke(points, colour, 2)
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
        yield text_at(points[-1][0] + 8, points[-1][1] + 4, line.name, colour=colour)


def _axis(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten that an axis begins and ends with."""
    low, high = int(log10(min(values)) // 1), ceil(log10(max(values)))
    return low, max(high, low + 1)


def _share(value: float, axis: tuple[int, int]) -> float:
    return (log10(value) - axis[0]) / (axis[1] - axis[0])


def _stroke(points: Sequence[tuple[float, float]], colour: str, width: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
