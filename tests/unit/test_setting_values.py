"""The settings of a chat survive every content, and are read from what people type."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, SpaceSettings, UserId
from actors.rules.commands import NAME_LIMIT, person_called
from actors.rules.setting_values import (
    MODEL_LIMIT,
    SYSTEM_LIMIT,
    parse_settings,
    parse_space_settings,
    settings_content,
    space_settings_content,
    typed_language,
    typed_switch,
    typed_temperature,
)
from tests.unit.test_wire_marker import json_values

FIELDS = ("version", "model", "system", "temperature", "stream", "answer_edits")
TEXT = st.text(min_size=1, max_size=MODEL_LIMIT).filter(str.strip)
SETTINGS = st.builds(
    ChatSettings,
    model=st.none() | TEXT,
    system=st.none() | TEXT,
    temperature=st.none() | st.floats(0, 2),
    stream=st.booleans(),
    answer_edits=st.booleans(),
)


@given(SETTINGS)
def test_what_is_written_is_what_is_read(settings: ChatSettings) -> None:
    content = settings_content(settings)
    assert parse_settings(content) == settings
    assert content


def test_a_content_has_what_differs_from_the_default() -> None:
    assert settings_content(DEFAULT_CHAT_SETTINGS) == {"version": 1}
    other = ChatSettings(
        model="a-model", system="Be brief.", temperature=0.5, stream=False, answer_edits=True
    )
    expected: dict[str, object] = {
        "version": 1,
        "model": "a-model",
        "system": "Be brief.",
        "temperature": "0.5",
        "stream": False,
        "answer_edits": True,
    }
    assert settings_content(other) == expected
    assert parse_settings(expected) == other


@given(SETTINGS)
def test_nothing_in_a_content_is_a_fraction(settings: ChatSettings) -> None:
    assert not any(isinstance(value, float) for value in settings_content(settings).values())


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_in_any_field_gives_settings(content: dict[str, object]) -> None:
    settings = parse_settings(content)
    assert parse_settings(settings_content(settings)) == settings
    assert settings.temperature is None or 0 <= settings.temperature <= 2


@pytest.mark.parametrize(
    "content",
    [
        {"model": ""},
        {"model": " \n"},
        {"model": 7},
        {"model": ["m"]},
        {"model": "m" * (MODEL_LIMIT + 1)},
        {"system": "s" * (SYSTEM_LIMIT + 1)},
        {"system": {"text": "s"}},
        {"temperature": True},
        {"temperature": "warm"},
        {"temperature": "nan"},
        {"temperature": "inf"},
        {"temperature": "-0.1"},
        {"temperature": 2.1},
        {"temperature": 10**400},
        {"temperature": "1" * 5_000},
        {"stream": "off"},
        {"stream": 0},
        {"answer_edits": 1},
        {"answer_edits": None},
    ],
)
def test_a_value_that_is_none_of_its_setting_counts_as_absent(content: dict[str, object]) -> None:
    assert parse_settings(content) == DEFAULT_CHAT_SETTINGS


def test_an_odd_value_costs_no_other_setting() -> None:
    content = {"model": 7, "temperature": "0.5", "system": "Be brief.", "later": [1]}
    assert parse_settings(content) == ChatSettings(system="Be brief.", temperature=0.5)


def test_the_longest_settings_fit_into_an_event() -> None:
    worst = ChatSettings(model="\x01" * MODEL_LIMIT + "m", system="\x01" * (SYSTEM_LIMIT - 1) + "s")
    assert len(json.dumps(settings_content(worst))) < 60_000


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0.0), ("0.7", 0.7), ("0,7", 0.7), (" 2 ", 2.0), ("2.1", None), ("-1", None)]
    + [(text, None) for text in ("", "warm", "nan", "0.7.1", "1e999", "0x1", "٫")],
)
def test_a_temperature_is_typed_with_a_point_or_a_comma(text: str, value: float | None) -> None:
    assert typed_temperature(text) == value


def test_no_temperature_is_shown_with_the_sign_of_nothing() -> None:
    assert str(typed_temperature("-0")) == "0.0"


@pytest.mark.parametrize(
    ("text", "value"),
    [("on", True), (" ON ", True), ("оn", True), ("да", True), ("Вкл", True), ("yes", True)]
    + [("off", False), ("Нет", False), ("выкл", False), ("0", False)]
    + [(text, None) for text in ("", "maybe", "onn")],
)
def test_a_switch_is_typed_in_several_words(text: str, value: bool | None) -> None:  # noqa: FBT001
    assert typed_switch(text) is value


@pytest.mark.parametrize("language", [None, "en", "ru"])
@pytest.mark.parametrize("follows_owner", [True, False])
def test_what_is_written_about_a_space_is_what_is_read(
    language: str | None,
    follows_owner: bool,  # noqa: FBT001
) -> None:
    settings = SpaceSettings(language=language, follows_owner=follows_owner)
    content = space_settings_content(settings)
    assert content["version"] == 1
    assert parse_space_settings(content) == settings


@given(st.dictionaries(st.sampled_from(["language", "follows_owner"]), json_values))
def test_any_content_of_a_space_is_read(content: dict[str, object]) -> None:
    settings = parse_space_settings(content)
    assert settings.language in {None, "en", "ru"}
    assert settings.follows_owner is (content.get("follows_owner") is True)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("ru", "ru"),
        (" RU ", "ru"),
        ("Русский", "ru"),
        ("russian", "ru"),
        ("по-русски", "ru"),
        ("en", "en"),
        ("Английский", "en"),
        ("English", "en"),
        ("", None),
        ("default", None),
        ("de", None),
    ],
)
def test_a_language_is_read_by_its_code_and_its_names(text: str, language: str | None) -> None:
    assert typed_language(text) == language


@pytest.mark.parametrize(
    ("name", "called"),
    [("Alice", "Alice"), ("", "alice"), (" \n\u202e", "alice"), ("A\nB", "A B")],
)
def test_a_person_is_called_by_the_display_name_or_the_local_part(name: str, called: str) -> None:
    alice = UserId("@alice:example.org")
    assert person_called(alice, name) == called
    assert len(person_called(alice, "x" * 10_000)) <= NAME_LIMIT + 2
