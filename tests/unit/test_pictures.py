"""The pictures in the documents: small, shown, and those of the demo as it is."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from pictures.__main__ import CAST, drawn_demo
from pictures.cast import Cast, Output
from pictures.screen import Shown, Span, hurried, played
from pictures.svg import PAUSE_S, REST_S, drawn

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "docs" / "pictures"
LIMIT_BYTES: Final = 200 * 1024
ONLY_WITH_A_MODEL: Final = "A long answer"


def cast_of(*outputs: tuple[float, str], columns: int = 20, rows: int = 6) -> Cast:
    return Cast(columns, rows, tuple(Output(at_s, text) for at_s, text in outputs))


def plain(row: int, text: str, since_s: float, until_s: float | None = None) -> Shown:
    return Shown(row, since_s, until_s, (Span(0, text, "default", bold=False),))


# --- the files


def test_the_picture_of_the_demo_is_that_of_its_recording() -> None:
    cast = (FOLDER / CAST).read_text(encoding="utf-8")
    assert (FOLDER / "demo.svg").read_text(encoding="utf-8") == drawn_demo(cast)


def test_the_recording_has_the_chapters_that_the_demo_tells() -> None:
    story = ast.parse((ROOT / "demo" / "story.py").read_text(encoding="utf-8"))
    told = [
        call.args[0].value
        for call in ast.walk(story)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "chapter"
        and isinstance(call.args[0], ast.Constant)
    ]
    shown = re.findall(
        r"\\u001b\[1m\d+\. (.+?)\\u001b", (FOLDER / CAST).read_text(encoding="utf-8")
    )
    assert len(shown) > 1
    assert sorted(shown) == sorted(
        title for title in map(str, told) if not title.startswith(ONLY_WITH_A_MODEL)
    )


def test_every_picture_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sizes
    assert max(sizes.values()) <= LIMIT_BYTES, sizes


# --- a recording


def test_a_recording_is_read_as_it_was_written() -> None:
    cast = cast_of((0.0, "$ make\r\n"), (1.25, "“ok”\x1b[0m"))
    assert Cast.read(cast.text()) == cast


def test_a_recording_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3"):
        Cast.read('{"version": 3, "term": {}}\n')


# --- what the rows show


def test_a_row_shows_what_was_printed_until_the_end() -> None:
    assert played(cast_of((0.0, "one\r\n"), (1.0, "two"))) == (
        plain(0, "one", 0),
        plain(1, "two", 1),
    )


def test_a_spinner_stands_still_and_gives_way() -> None:
    turning = ((0.1 * turn, f"\r\x1b[2K{char} wait") for turn, char in enumerate("⠙⠹⠸⠼", start=1))
    shown = played(cast_of(*turning, (2.0, "\r\x1b[2Kdone")))
    assert shown == (plain(0, "⠋ wait", 0.1, 2.0), plain(0, "done", 2.0))


def test_what_cannot_be_read_in_time_is_left_out() -> None:
    assert played(cast_of((1.0, "a flash"), (1.1, "\r\x1b[2Kdone"))) == (plain(0, "done", 1.1),)


def test_columns_and_colours_are_kept() -> None:
    (row,) = played(cast_of((0.0, "\x1b[32mgo  \x1b[1mon\x1b[0m  x")))
    assert row.spans == (
        Span(0, "go", "green", bold=False),
        Span(4, "on", "green", bold=True),
        Span(8, "x", "default", bold=False),
    )


def test_long_pauses_are_cut_and_short_ones_stay() -> None:
    shown = (plain(0, "wait", 3.0, 4.0), plain(0, "one", 4.0), plain(1, "two", 4.5))
    assert hurried(shown, 0.8) == (
        plain(0, "wait", 0.8, 1.6),
        plain(0, "one", 1.6),
        plain(1, "two", 2.1),
    )


# --- the drawing


def test_a_text_is_escaped() -> None:
    assert ">&lt;b&gt; &amp; c</tspan>" in drawn(
        cast_of((0.0, "<b> & c")), visible_rows=2, title="<t>"
    )


def test_rows_scroll_up_when_they_are_more_than_the_window_has() -> None:
    cast = cast_of((0.0, "one\r\n"), (1.0, "two\r\n"), (4.0, "three"))
    picture = drawn(cast, visible_rows=2, title="t")
    length_s = 2 * PAUSE_S + REST_S
    at = f"{2 * PAUSE_S / length_s:.2%}"
    assert f"{at}{{transform:translateY(-20px)}}" in picture
    assert '<g id="rows" style="transform:translateY(-20px)">' in picture


def test_what_has_gone_is_not_in_the_picture_of_the_end() -> None:
    picture = drawn(cast_of((0.0, "wait"), (2.0, "\r\x1b[2Kdone")), visible_rows=2, title="t")
    assert re.search(r'class="m\d+ gone" y="15"><tspan x="0">wait<', picture)
    assert re.search(r'class="m\d+" y="15"><tspan x="0">done<', picture)
