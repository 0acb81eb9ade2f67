"""What is printed for people, whatever other people have written into it."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from supervisor.text.console import console, print_marked, report_tables
from supervisor.text.plain import duration, harmless


@pytest.mark.parametrize("text", ["", "Chat 1", "Чат 1", "a\u00a0b", "👩‍💻 работа", "東京"])
def test_names_in_any_script_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r", "a\\nb\\r"),
        ("\x9b2J", "\\x9b2J"),
        ("abc\u202etxt", "abc\\u202etxt"),
        ("\udcff", "\\udcff"),
    ],
)
def test_what_steers_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_nothing_that_steers_a_terminal_gets_through(text: str) -> None:
    shown = harmless(text)
    assert not {unicodedata.category(sign) for sign in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert harmless(shown) == shown


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0.0 s"),
        (340, "0.3 s"),
        (12_400, "12 s"),
        (59_999, "1 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
        (273_600_000, "3 d 4 h"),
    ],
)
def test_a_duration_is_said_in_its_two_greatest_units(ms: int, said: str) -> None:
    assert duration(ms) == said


def printed(*tables: object) -> str:
    out = io.StringIO()
    for table in tables:
        console(out).print(table)
    return out.getvalue()


def test_a_report_shows_lists_it_has_never_heard_of() -> None:
    report = {"joined_rooms": 2, "would_write": ["chat:@a:x:C1"], "conflicts": [], "note": None}
    text = printed(*report_tables(report))
    assert "would write" in text
    assert "chat:@a:x:C1" in text
    assert "conflicts" in text


def test_of_the_counts_only_those_of_something_are_told() -> None:
    report = {"joined_rooms": 0, "restored_chat_rows": 0, "removed_rows": 4, "changes": 0}
    told = [line.split("  ")[0] for line in printed(*report_tables(report)).splitlines()]
    assert told == ["reconciled", "joined rooms", "removed rows", "changes"]


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    text = printed(*report_tables({"skipped_rooms": [{"room_id": "!a", "detail": ""}]}))
    assert "room id" in text
    assert "detail" not in text


def test_a_marked_line_is_one_line_in_a_pipe_and_broken_between_words_on_a_terminal() -> None:
    text = "the homeserver does not let you in: " * 4
    pipe, terminal = io.StringIO(), io.StringIO()
    print_marked(console(pipe), "WRONG", text)
    assert pipe.getvalue() == f"WRONG {text}\n"
    narrow = Console(file=terminal, width=40, force_terminal=True, color_system=None)
    print_marked(narrow, "WRONG", text)
    first, *others = terminal.getvalue().splitlines()
    assert first.startswith("WRONG the homeserver")
    assert all(line.startswith("      ") and not line[6:].startswith(" ") for line in others)
    assert " ".join(terminal.getvalue().split()) == f"WRONG {text.strip()}"


def test_entries_of_a_list_may_have_different_fields() -> None:
    entries = [{"room_id": "!a", "reason": "left"}, {"room_id": "!b", "owner": "@o:x"}]
    text = printed(*report_tables({"skipped_rooms": entries}))
    for expected in ("room id", "reason", "owner", "!a", "!b", "@o:x"):
        assert expected in text
