"""Sentences as plain text and as HTML."""

import re
from dataclasses import fields
from operator import attrgetter

import pytest

from actors.model import ChatId
from actors.rules.formatting import PART_BYTES, Formatted, fits
from actors.rules.wording import Link, called, in_lines, parts_of_lines, worded
from actors.texts import ENGLISH, LOCALES, Texts
from adapter.matrix.markdown import sanitised
from tests.unit.test_texts import SENTENCES

CHAT = Link("A & <b>", "https://matrix.to/#/!a:x?via=x&y")
SPACE = Link("Space", "https://matrix.to/#/!s:x")
TOPICS = ("chat_name", "space_name", "space_topic", "chat_topic")


def test_a_sentence_without_command_and_link_has_no_html() -> None:
    assert worded("You said {text}.", text="1 < 2 `!x`") == Formatted("You said 1 < 2 `!x`.")


def test_a_command_is_bold_and_values_are_text() -> None:
    assert worded("{name}: `!open {ref}` & go", name="<i>\nx", ref="{2}") == Formatted(
        "<i>\nx: !open {2} & go",
        "&lt;i&gt;<br>x: <strong>!open {2}</strong> &amp; go",
    )


def test_a_link_shows_its_name_and_its_address_follows_the_plain_text() -> None:
    said = worded("Go to {chat}.", chat=CHAT)
    assert said.body == f"Go to A & <b>. {CHAT.url}"
    assert said.html == (
        'Go to <a href="https://matrix.to/#/!a:x?via=x&amp;y">A &amp; &lt;b&gt;</a>.'
    )


def test_the_addresses_of_several_links_stand_below_with_their_names() -> None:
    said = worded("{space} and {chat}", chat=CHAT, space=SPACE)
    assert said.body == f"Space and A & <b>\nA & <b>: {CHAT.url}\nSpace: {SPACE.url}"


def test_a_link_may_be_in_the_html_only() -> None:
    said = worded("{chat}", chat=Link("Chat 1", "https://x/", in_html=True))
    assert said == Formatted("Chat 1", '<a href="https://x/">Chat 1</a>')


def test_lines_have_html_if_one_of_them_has() -> None:
    assert in_lines([Formatted("a<"), Formatted("b")]) == Formatted("a<\nb")
    both = in_lines([Formatted("a<"), Formatted(""), Formatted("b", "<i>b</i>")])
    assert both == Formatted("a<\n\nb", "a&lt;<br><br><i>b</i>")


def test_many_lines_are_several_messages_and_no_line_is_cut() -> None:
    lines = [worded("`!x` {number}", number=number) for number in range(5_000)]
    parts = parts_of_lines(lines)
    assert len(parts) > 2
    assert all(fits(part) for part in parts)
    assert "\n".join(part.body for part in parts) == "\n".join(line.body for line in lines)
    assert "<br>".join(part.html for part in parts) == "<br>".join(line.html for line in lines)


def test_a_line_that_is_too_long_is_cut_and_has_no_html() -> None:
    parts = parts_of_lines([Formatted("a"), Formatted("b " * PART_BYTES, "<b>x</b>")])
    assert len(parts) == 3
    assert not any(part.html for part in parts)


@pytest.mark.parametrize(
    ("name", "chat_id", "expected"),
    [
        ("Chat 1", "C1", "Chat 1"),
        ("Чат 1", "C1", "Чат 1"),
        ("Chat 1", "C2", "Chat 1 (C2)"),
        ("Plans", "C2", "Plans (C2)"),
        ("Plans", None, "Plans"),
    ],
)
def test_a_chat_is_called_by_its_number_unless_its_name_says_it(
    name: str, chat_id: str | None, expected: str
) -> None:
    assert called(name, chat_id and ChatId(chat_id)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", LOCALES.values(), ids=LOCALES)
@pytest.mark.parametrize("name", [name for name in SENTENCES if name not in TOPICS])
def test_each_command_in_a_sentence_is_marked_and_nothing_else(name: str, texts: Texts) -> None:
    pieces = str(attrgetter(name)(texts)).split("`")
    assert len(pieces) % 2 == 1
    assert all(piece.startswith("!") for piece in pieces[1::2])
    assert not any(re.search(r"![a-z]", piece) for piece in pieces[::2])


@pytest.mark.parametrize("texts", LOCALES.values(), ids=LOCALES)
def test_the_html_of_sentences_is_what_matrix_allows(texts: Texts) -> None:
    for name in SENTENCES:
        said = worded(re.sub(r"\{\w+\}", "{chat}", attrgetter(name)(texts)), chat=CHAT)
        assert sanitised(said.html) == said.html


def test_no_part_of_the_catalogue_is_left_out() -> None:
    parts = {
        field.name for field in fields(Texts) if not isinstance(getattr(ENGLISH, field.name), str)
    }
    assert {name.partition(".")[0] for name in SENTENCES if "." in name} == parts
