"""What a person typed, as a command or as text; and names made harmless."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.commands import (
    DISPLAY_LIMIT,
    NAME_LIMIT,
    Argument,
    CommandLine,
    clean_name,
    clean_text,
    display_name,
    parse,
)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("!help", CommandLine("help")),
        ("!new Trip to Riga", CommandLine("new", "Trip to Riga")),
        ("!open c2", CommandLine("open", "c2")),
        ("!привет", CommandLine("привет")),
    ],
)
def test_a_command_is_a_word_and_the_rest(body: str, line: CommandLine) -> None:
    assert parse(body) == line


@pytest.mark.parametrize(
    ("argument", "rest", "read"),
    [
        (Argument.NONE, "", None),
        (Argument.NONE, "me please", None),
        (Argument.NAME, "", None),
        (Argument.NAME, "Trip to Riga", "Trip to Riga"),
        (Argument.LINE, "", None),
        (Argument.LINE, "c2", "c2"),
        (Argument.NAME, "Trip\nto\tRiga ", "Trip to Riga"),
        (Argument.LINE, "llama3.1:8b\n", "llama3.1:8b"),
        (Argument.TEXT, "", None),
        (Argument.TEXT, "one\r\n\r\n    two\x00\n", "one\n\n    two"),
    ],
)
def test_the_rest_is_read_as_the_argument(argument: Argument, rest: str, read: str | None) -> None:
    assert argument.read(rest) == read


@pytest.mark.parametrize("body", ["!HELP", "  !help  ", "!help\n", "!Help"])
def test_case_and_space_do_not_matter(body: str) -> None:
    assert parse(body) == CommandLine("help")


@pytest.mark.parametrize(
    "body",
    [
        "\u200b!help",
        "\ufeff!help",
        "\u2060 \u00a0!help",
        "\u202e!help",
        "\u2066!help\u2069",
        "!\u200bhelp",
        "!he\u00adlp",
        "!help\u200b",
        "\u3000!help\ufe0f",
        "\u2800!help",
        "！help",
        "！ｈｅｌｐ",
        "﹗HELP",
    ],
)
def test_what_nobody_can_see_does_not_matter(body: str) -> None:
    assert parse(body) == CommandLine("help")


KNOWN = frozenset({"help", "chats", "archive", "yes", "open"})


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("! help", CommandLine("help")),
        ("!help.", CommandLine("help")),
        ("!Yes!", CommandLine("yes")),
        ("!yes…", CommandLine("yes")),
        ("`!help`", CommandLine("help")),
        ("**!open C1**", CommandLine("open", "C1")),
        ("«!yes»", CommandLine("yes")),
        ("!сhаts", CommandLine("chats")),
        ("!ARCHİVE", CommandLine("archive")),
        ("!archıve", CommandLine("archive")),
    ],
)
def test_a_known_command_is_found_in_more_forms(body: str, line: CommandLine) -> None:
    assert parse(body, KNOWN) == line


@pytest.mark.parametrize(
    "body",
    [
        "! help me",
        "! important",
        "!important;",
        "!!help",
        "!!! wow",
        "`!important`",
        "```\n!help\n```",
        "```sh\n!help\n```",
        "!help, please",
        "❗help",
        "❗️ Важно",
        "'!help' is a command",
        "¡help!",
        "! 1",
    ],
)
def test_what_only_looks_a_little_like_a_command_is_text(body: str) -> None:
    assert parse(body, KNOWN) is None


def test_an_unknown_word_is_a_command_in_the_plain_form_alone() -> None:
    assert parse("!hlep", KNOWN) == CommandLine("hlep")
    assert parse("!привет всем", KNOWN) == CommandLine("привет", "всем")


@pytest.mark.parametrize("part", ["!", "`", "`!", "\u200b", "!a.", "! ", "\u200b !", "`!a`", "a"])
def test_no_body_takes_long_to_parse(part: str) -> None:
    body = part * (60_000 // len(part))
    began = time.process_time()
    for text in (body, f"!{body}", f"`!{body}", f"!a {body}"):
        parse(text, KNOWN)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("body", ["", "hello", "!", "! help", "!!help", "!1", "!?", "say !help"])
def test_everything_else_is_text(body: str) -> None:
    assert parse(body) is None


def test_an_endless_word_is_cut() -> None:
    assert parse("!" + "x" * 10_000) == CommandLine("x" * NAME_LIMIT)


def test_what_follows_a_word_keeps_its_lines() -> None:
    assert parse("!system\nBe brief.\n\n- and kind ") == CommandLine(
        "system", "Be brief.\n\n- and kind"
    )


@pytest.mark.parametrize("argument", Argument)
@pytest.mark.parametrize("blank", ["\u200b", "\u202e", " \n ", "\ufeff\u2060"])
def test_nothing_visible_is_no_argument(blank: str, argument: Argument) -> None:
    line = parse(f"!new {blank}")
    assert line is not None
    assert argument.read(line.rest) is None


def test_marks_that_turn_the_writing_direction_are_taken_out() -> None:
    assert clean_name("Chat \u202e1\u202c\u2067x\u2069") == "Chat 1 x"


def test_emoji_and_markup_stay_as_they_are() -> None:
    family = "👩\u200d👧 <b>Chat</b> & co"
    assert clean_name(family) == family


def test_half_of_a_surrogate_pair_is_taken_out() -> None:
    assert clean_name("a\ud800b") == "a b"


def test_a_room_name_of_10_kb_is_cut() -> None:
    assert display_name("x" * 10_240) == "x" * DISPLAY_LIMIT


def test_a_cut_name_does_not_end_in_a_space() -> None:
    name = "x" * (DISPLAY_LIMIT - 1) + " and more"
    assert display_name(name) == "x" * (DISPLAY_LIMIT - 1)


@given(st.text())
def test_any_name_becomes_a_printable_line_that_stays_the_same(text: str) -> None:
    name = display_name(text)
    assert display_name(name) == name
    assert len(name) <= DISPLAY_LIMIT
    assert len(name.splitlines()) <= 1
    name.encode()


@given(st.text())
def test_any_body_is_a_command_or_text(text: str) -> None:
    parse(text)
    parse(text, KNOWN)
    line = parse(f"!rename {text}")
    assert line is not None
    assert Argument.NAME.read(line.rest) == (clean_name(text) or None)


@given(st.text())
def test_any_text_can_be_written_into_an_event(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    cleaned.encode()
    assert (Argument.TEXT.read(text) is None) == (not clean_name(text))
