"""The plot of a run as SVG, without a library: a bar for each median, a dot for each sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from benchmarks.results import COLD, ECHO, FAR, OURS, QUESTION, WARM, WARM_QUARTER, Results

_WIDTH: Final = 760
_LEFT: Final = 190
_RIGHT: Final = 90
_BAR: Final = 18
_GAP: Final = 6
_HEAD: Final = 30
_OURS_COLOUR: Final = "#0b7285"
_OTHERS_COLOUR: Final = "#adb5bd"


@dataclass(frozen=True, slots=True)
class Panel:
    """One metric of one or more scenarios, a bar for each contestant."""

    title: str
    metric: str
    scenarios: tuple[str, ...]
    unit: str
    factor: float = 1.0
    digits: int = 2


PANELS: Final = (
    Panel("Cold start, all files lost", "wall_s", (COLD,), "s"),
    Panel("Cold start, homeserver 20 ms away", "wall_s", (FAR,), "s"),
    Panel("Warm restart", "wall_s", (WARM_QUARTER, WARM), "s"),
    Panel("Echo, message to answer", "latency_s", (ECHO,), "ms", 1000, 0),
    Panel("Echo, sustained", "messages_per_s", (ECHO,), "messages/s", digits=1),
    Panel("Question, arrival to platform", "to_platform_s", (QUESTION,), "ms", 1000, 1),
    Panel("Question, last token to message", "to_message_s", (QUESTION,), "ms", 1000, 1),
)


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    samples: list[float]
    median: float
    ours: bool


def plot(results: Results, caption: str) -> str:
    """The whole plot, as the text of an SVG file."""
    parts: list[str] = []
    top = _HEAD
    for panel in PANELS:
        bars = list(_bars(results, panel))
        if bars:
            parts += _panel(panel, bars, top)
            top += _HEAD + len(bars) * (_BAR + _GAP) + _GAP
    parts.append(text_at(10, top + 6, caption, size=11, colour="#868e96"))
    height = top + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="system-ui, sans-serif">\n'
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _bars(results: Results, panel: Panel) -> Iterator[_Bar]:
    several = len(panel.scenarios) > 1
    for scenario in panel.scenarios:
        for who in results.contestants(scenario):
            samples = results.samples.get((scenario, who, panel.metric))
            median = results.median(scenario, who, panel.metric)
            if samples and median is not None:
                label = "a quarter of the rooms" if scenario == WARM_QUARTER else who
                label = "all rooms" if several and scenario == WARM else label
                yield _Bar(label, samples, median, ours=who == OURS)


def _panel(panel: Panel, bars: list[_Bar], top: int) -> Iterator[str]:
    longest = max(max(bar.samples) for bar in bars)
    scale = (_WIDTH - _LEFT - _RIGHT) / longest
    yield text_at(10, top, panel.title, size=14, weight="600")
    for number, bar in enumerate(bars):
        y = top + 10 + number * (_BAR + _GAP)
        length = bar.median * scale
        value = f"{bar.median * panel.factor:.{panel.digits}f} {panel.unit}"
        colour = _OURS_COLOUR if bar.ours else _OTHERS_COLOUR
        yield text_at(_LEFT - 8, y + 13, bar.label, anchor="end")
        yield f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{colour}"/>'
        for sample in bar.samples:
            x, middle = _LEFT + sample * scale, y + _BAR / 2
            yield f'<circle cx="{x:.1f}" cy="{middle}" r="1.6" fill="#212529" opacity="0.5"/>'
        end = max(length, max(bar.samples) * scale)
        yield text_at(round(_LEFT + end + 6), y + 13, value)


def text_at(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    weight: str = "400",
    anchor: str = "start",
    colour: str = "#212529",
) -> str:
    """A text of an SVG."""
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )
