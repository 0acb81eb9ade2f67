"""What is printed for people, whatever other people have written into it."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.console import console, duration, harmless, report_tables


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


def test_entries_of_a_list_may_have_different_fields() -> None:
    entries = [{"room_id": "!a", "reason": "left"}, {"room_id": "!b", "owner": "@o:x"}]
    text = printed(*report_tables({"skipped_rooms": entries}))
    for expected in ("room id", "reason", "owner", "!a", "!b", "@o:x"):
        assert expected in text
