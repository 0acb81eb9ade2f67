"""Plays a cast on a terminal without a window: which row shows what, and from when to when."""

import re
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Final, NamedTuple

import pyte

from pictures.cast import Cast

_SPINNER: Final = re.compile("[\u2801-\u28ff]")
_STILL: Final = "\u280b"
_SHORTEST_S: Final = 0.2
"""What a row shows for less than this is left out: it is an intermediate state of an update."""


class Span(NamedTuple):
    """Characters of one look, from a column on. `colour` is a name of pyte, such as `green`."""

    column: int
    text: str
    colour: str
    bold: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """What one row shows from `since_s` until `until_s`; None is until the end."""

    row: int
    since_s: float
    until_s: float | None
    spans: tuple[Span, ...]


def hurried(stays: tuple[Shown, ...], pause_s: float) -> tuple[Shown, ...]:
    """The same in less time: between two changes are `pause_s` seconds at most."""
    begun = {stay.since_s for stay in stays}
    ended = {stay.until_s for stay in stays if stay.until_s is not None}
    sooner, now_s = {0.0: 0.0}, 0.0
    for before_s, after_s in pairwise(sorted({0.0} | begun | ended)):
        now_s += min(after_s - before_s, pause_s)
        sooner[after_s] = now_s
    return tuple(
        replace(
            stay,
            since_s=sooner[stay.since_s],
            until_s=None if stay.until_s is None else sooner[stay.until_s],
        )
        for stay in stays
    )


def played(cast: Cast) -> tuple[Shown, ...]:
    """All that the rows show, by row and time. Turning spinners stand still."""
    screen = pyte.Screen(cast.columns, cast.rows)
    stream = pyte.Stream(screen)
    contents: dict[int, list[tuple[float, tuple[Span, ...]]]] = {}
    for at_s, text in cast.outputs:
        screen.dirty.clear()
        stream.feed(text)
        for row in screen.dirty:
            now = _spans(screen, row)
            history = contents.setdefault(row, [(0.0, ())])
            if now != history[-1][1]:
                history.append((at_s, now))
    return tuple(shown for row in sorted(contents) for shown in _stays(row, contents[row]))


def _stays(row: int, history: list[tuple[float, tuple[Span, ...]]]) -> list[Shown]:
    """The contents of a row that can be read, each with its time."""
    ends = [at_s for at_s, _ in history[1:]]
    stays = [
        Shown(row, since_s, until_s, spans)
        for (since_s, spans), until_s in zip(history, [*ends, None], strict=True)
    ]
    return [
        stay
        for stay in stays
        if stay.spans and (stay.until_s is None or stay.until_s - stay.since_s >= _SHORTEST_S)
    ]


def _spans(screen: pyte.Screen, row: int) -> tuple[Span, ...]:
    """The spans of a row. Two blanks divide them, so that columns stay where they are."""
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    spans: list[Span] = []
    column = 0
    for (colour, bold), group in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        for found in re.finditer(r"\S+(?: \S+)*", text):
            still = _SPINNER.sub(_STILL, found[0])
            spans.append(Span(column + found.start(), still, colour, bold))
        column += len(text)
    return tuple(spans)
