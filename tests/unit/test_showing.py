"""What is shown of an answer while it grows, and when."""

import pytest

from actors.model import EventId, UserId
from actors.rules.showing import (
    NOTHING_SHOWN,
    Shown,
    first_text,
    leaves_room,
    next_text,
    pause_before,
    shown_by,
    shown_with,
    whole_words,
)
from actors.said import ReplyMark, Said

SENTENCE = "This sentence is long enough to be shown as the first one of an answer, I would say."
LINE = "A line without an end of a sentence"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("   ", ""),
        ("Hel", ""),
        ("Hello wor", "Hello"),
        ("Hello world ", "Hello world"),
        ("Hello\nwor", "Hello"),
        ("  Hello wor", "  Hello"),
        ("Look: " + "字" * 60, "Look: " + "字" * 59),
        ("x" * 60, "x" * 59),
        ("x" * 58 + "👩‍🚀", "x" * 58),
    ],
)
def test_the_last_word_is_left_out_while_it_may_grow(text: str, shown: str) -> None:
    assert whole_words(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Short. ", ""),
        (SENTENCE, ""),
        (f"{SENTENCE} ", SENTENCE),
        (f"{SENTENCE}\nAnd then", SENTENCE),
        (f"{SENTENCE} And then. Wh", f"{SENTENCE} And then."),
        (f"{LINE}\n{LINE}\n{LINE}\nAnd", f"{LINE}\n{LINE}\n{LINE}"),
        ("word " * 40, ""),
        (" " * 100 + "Short. ", ""),
        ("字" * 79 + "。字", "字" * 79 + "。"),
    ],
)  # fmt: skip
def test_an_answer_is_shown_from_the_end_of_a_sentence_or_a_line(text: str, shown: str) -> None:
    assert first_text(text, chars=80, is_late=False) == shown


def test_late_any_whole_words_are_shown() -> None:
    assert first_text("Well, I thi", chars=80, is_late=True) == "Well, I"
    assert first_text("We", chars=80, is_late=True) == ""


def test_the_next_text_has_so_many_characters_more() -> None:
    shown = Shown(chars=10)
    assert next_text("one two three four", shown, chars=3) == "one two three"
    assert next_text("one two three four", shown, chars=4) == ""
    assert next_text("one", shown, chars=4) == ""


def test_pauses_grow_and_the_last_one_is_repeated() -> None:
    assert [pause_before(number, (1.5, 2, 3)) for number in range(5)] == [1.5, 2, 3, 3, 3]


def test_each_anchor_keeps_an_edit_for_its_end() -> None:
    assert leaves_room(Shown(edits=28), 1, 30)
    assert not leaves_room(Shown(edits=29), 1, 30)
    assert not leaves_room(Shown(edits=27), 3, 30)


def test_what_follows_the_part_is_not_shown_yet() -> None:
    assert shown_with(NOTHING_SHOWN, "one two", ["one two"]) == Shown(chars=7, whole=0, parts=1)
    first = shown_with(NOTHING_SHOWN, "one two three", ["one two", " three"])
    assert first == Shown(chars=7, whole=1, parts=1)
    assert shown_with(first, "one two three", ["one two", " three"]) == Shown(
        chars=13, whole=1, parts=2
    )


def test_a_second_attempt_never_counts_as_less_than_the_first() -> None:
    earlier = Shown(chars=100, edits=3, parts=1)
    assert shown_with(earlier, "one two", ["one two"]) == earlier


def edit(txn: str | None, text: str = "text") -> Said:
    """An edit of a part of an answer."""
    mark = None if txn is None else ReplyMark(txn)
    return Said(EventId("$edit"), UserId("@bot:x"), 0, "m.text", text, mark=mark)


@pytest.mark.parametrize(
    ("edits", "shown"),
    [
        ([], NOTHING_SHOWN),
        ([edit("$q.0")], Shown(chars=4, parts=1)),
        ([edit("$q.0~boot.3")], Shown(chars=4, edits=4, parts=1)),
        ([edit("$q.0~b.7", "first"), edit("$q.1~c.11", "more")], Shown(chars=9, edits=12, parts=2)),
        ([edit("$q.0.final"), edit("$q.1~b.2")], Shown(chars=8, edits=3, parts=2)),
        ([edit("$q~3.0.final"), edit(None)], Shown(chars=8, parts=2)),
    ],
)
def test_what_was_shown_is_known_by_the_newest_edits(edits: list[Said], shown: Shown) -> None:
    assert shown_by(edits) == shown
