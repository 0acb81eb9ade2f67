"""What the platform has said of one answer so far."""

from dataclasses import replace

import pytest

from actors.bounds import Bounds
from actors.platform import Attachment, Done, File, Text
from actors.port_errors import PlatformFailed
from actors.replies.growing import Growing

DRAWING = File("drawing.png", "image/png", b"png")


def test_no_text_begins_with_a_blank_line() -> None:
    growing = Growing(Bounds())
    for said in ("\n\n", " \t", "\r\n ", " Once", " upon a time."):
        growing.take(Text(said))
    assert growing.has_begun
    assert growing.text == "  Once upon a time."
    assert growing.chars == len(growing.text)
    growing.take(Attachment(DRAWING))
    for said in ("\n", "\nThe end.\n"):
        growing.take(Text(said))
    assert growing.pieces == ("  Once upon a time.", DRAWING, "The end.\n")


def test_the_indentation_of_the_first_line_stays() -> None:
    growing = Growing(Bounds())
    for said in ("  ", "  make test\n", "    make check"):
        growing.take(Text(said))
    assert growing.pieces == ("    make test\n    make check",)


def test_white_space_before_a_file_says_nothing_of_the_text_behind_it() -> None:
    growing = Growing(Bounds())
    for said in (Text("  "), Attachment(DRAWING), Text("The end.")):
        growing.take(said)
    assert growing.pieces == (DRAWING, "The end.")


def test_white_space_alone_is_no_answer() -> None:
    growing = Growing(Bounds())
    growing.take(Text(" \n"))
    assert not growing.has_begun
    with pytest.raises(PlatformFailed, match="empty"):
        growing.take(Done())


def test_white_space_without_an_end_is_cut() -> None:
    growing = Growing(replace(Bounds(), answer_chars=10))
    growing.take(Text(" " * 11))
    assert growing.is_cut
    assert growing.pieces == ()
