"""Draws a cast as an animated SVG, which repeats for ever. Equal casts give equal pictures.

Each row is drawn once for everything that it shows, and CSS says when it is visible and how far the
rows have scrolled. Where no animation is wanted or possible, the picture shows the end.
"""

from html import escape
from typing import Final

from pictures.cast import Cast
from pictures.screen import Shown, Span, hurried, played

CELL: Final = (8.4, 20)
"""Width and height of a character cell, for a font of 14 pixels."""
PADDING: Final = 16
PAUSE_S: Final = 0.8
"""The longest time between two changes: what takes longer in the recording is shortened."""
REST_S: Final = 8.0
"""How long the end stays before the recording begins anew."""
COLOURS: Final = {"green": "#3fb950", "cyan": "#39c5cf", "red": "#ff7b72"}
FONT: Final = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"
STYLE: Final = (
    f"text{{font:14px {FONT};fill:#e6edf3;white-space:pre}}.b{{font-weight:700}}"
    + "".join(f".{name}{{fill:{value}}}" for name, value in COLOURS.items())
    + ".gone{visibility:hidden}"
)


def drawn(cast: Cast, *, visible_rows: int, title: str) -> str:
    """The picture of a cast in a window of so many rows, with a title for screen readers."""
    stays = hurried(played(cast), PAUSE_S)
    length_s = max(stay.since_s for stay in stays) + REST_S
    width, height = cast.columns * CELL[0] + 2 * PADDING, visible_rows * CELL[1] + 2 * PADDING
    moments = sorted({(stay.since_s, stay.until_s) for stay in stays}, key=str)
    names = {moment: f"m{number}" for number, moment in enumerate(moments)}
    rules = [_appearing(names[moment], *moment, length_s) for moment in moments]
    texts = "\n".join(_row(stay, names[stay.since_s, stay.until_s]) for stay in stays)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">
<title>{escape(title)}</title>
<style>{STYLE}
@media (prefers-reduced-motion:no-preference){{
g g,text{{animation:{length_s:.2f}s step-end infinite}}
{"".join(rules)}
{_scrolling(stays, visible_rows, length_s)}
}}</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<svg y="{PADDING}" width="{width:g}" height="{visible_rows * CELL[1]}">
<g transform="translate({PADDING} 0)"><g id="rows" {_moved(stays, visible_rows)}>
{texts}
</g></g>
</svg>
</svg>
"""


def _row(stay: Shown, moment: str) -> str:
    gone = "" if stay.until_s is None else " gone"
    spans = "".join(_span(span) for span in stay.spans)
    return f'<text class="{moment}{gone}" y="{(stay.row + 0.75) * CELL[1]:g}">{spans}</text>'


def _span(span: Span) -> str:
    looks = [span.colour] if span.colour in COLOURS else []
    looks += ["b"] if span.bold else []
    attribute = f' class="{" ".join(looks)}"' if looks else ""
    return f'<tspan x="{span.column * CELL[0]:g}"{attribute}>{escape(span.text)}</tspan>'


def _appearing(name: str, since_s: float, until_s: float | None, length_s: float) -> str:
    """The rule by which what is shown in a span of time appears and goes."""
    steps = ["0%{visibility:hidden}", f"{since_s / length_s:.2%}{{visibility:visible}}"]
    if until_s is not None:
        steps.append(f"{until_s / length_s:.2%}{{visibility:hidden}}")
    return f".{name}{{animation-name:{name}}}@keyframes {name}{{{''.join(steps)}}}\n"


def _scrolled(last_row: int, visible_rows: int) -> float:
    """How many pixels the rows are moved up when `last_row` is the lowest one with a text."""
    return max(0, last_row + 1 - visible_rows) * CELL[1]


def _moved(stays: tuple[Shown, ...], visible_rows: int) -> str:
    """The place of the rows at the end."""
    last = max(stay.row for stay in stays)
    return f'style="transform:translateY(-{_scrolled(last, visible_rows):g}px)"'


def _scrolling(stays: tuple[Shown, ...], visible_rows: int, length_s: float) -> str:
    """The rule by which the rows move up while new ones come."""
    steps = ["0%{transform:none}"]
    lowest = 0
    for stay in sorted(stays, key=lambda stay: (stay.since_s, stay.row)):
        if stay.row > lowest:
            lowest = stay.row
            up = _scrolled(lowest, visible_rows)
            steps.append(f"{stay.since_s / length_s:.2%}{{transform:translateY(-{up:g}px)}}")
    return f"#rows{{animation-name:up}}@keyframes up{{{''.join(steps)}}}"
