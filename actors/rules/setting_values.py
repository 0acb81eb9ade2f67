"""Reads and writes settings of chats and Spaces: as state events, and as people type them. Pure."""

import math
from collections.abc import Mapping
from typing import Final

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, SpaceSettings
from actors.rules.likeness import as_seen
from actors.texts import LOCALES

SYSTEM_LIMIT: Final = 8_000
"""How many characters the instructions of a chat may have."""

MODEL_LIMIT: Final = 200
"""How many characters the name of a model may have."""

TEMPERATURES: Final = (0.0, 2.0)
"""The lowest and the highest temperature."""

SETTINGS_VERSION: Final = 1

_NUMBER_LIMIT: Final = 30
_YES: Final = frozenset({"on", "yes", "true", "1"} | {as_seen(word) for word in ("вкл", "да")})
_NO: Final = frozenset({"off", "no", "false", "0"} | {as_seen(word) for word in ("выкл", "нет")})


_LANGUAGES: Final = {code: code for code in LOCALES} | {
    as_seen(name): code
    for code, names in {
        "en": ("English", "английский", "по-английски", "eng"),
        "ru": ("Russian", "русский", "по-русски", "rus"),
    }.items()
    for name in names
}


def parse_settings(content: Mapping[str, object]) -> ChatSettings:
    """The settings in a content. Never raises: a value that is none of a setting counts as absent.

    Unknown fields are ignored.
    """
    return ChatSettings(
        model=_text(content.get("model"), MODEL_LIMIT),
        system=_text(content.get("system"), SYSTEM_LIMIT),
        temperature=_temperature(content.get("temperature")),
        stream=_flag(content.get("stream"), default=DEFAULT_CHAT_SETTINGS.stream),
        answer_edits=_flag(content.get("answer_edits"), default=DEFAULT_CHAT_SETTINGS.answer_edits),
    )


def settings_content(settings: ChatSettings) -> dict[str, object]:
    """The content that `parse_settings` reads as these settings. It is never empty.

    Settings at their default are left out. The temperature is text, because Matrix allows no
    fractions in events.
    """
    content: dict[str, object] = {"version": SETTINGS_VERSION}
    if settings.model is not None:
        content["model"] = settings.model
    if settings.system is not None:
        content["system"] = settings.system
    if settings.temperature is not None:
        content["temperature"] = repr(settings.temperature)
    if settings.stream != DEFAULT_CHAT_SETTINGS.stream:
        content["stream"] = settings.stream
    if settings.answer_edits != DEFAULT_CHAT_SETTINGS.answer_edits:
        content["answer_edits"] = settings.answer_edits
    return content


def parse_space_settings(content: Mapping[str, object]) -> SpaceSettings:
    """The settings of a Space in a content. Never raises; an unknown language counts as absent."""
    language = content.get("language")
    return SpaceSettings(
        language=language if isinstance(language, str) and language in LOCALES else None,
        follows_owner=_flag(content.get("follows_owner"), default=False),
    )


def space_settings_content(settings: SpaceSettings) -> dict[str, object]:
    """The content that `parse_space_settings` reads as these settings. It is never empty."""
    content: dict[str, object] = {"version": SETTINGS_VERSION}
    if settings.language is not None:
        content["language"] = settings.language
    if settings.follows_owner:
        content["follows_owner"] = True
    return content


def typed_language(text: str) -> str | None:
    """The language that a person types, by its code or its name in any language; None if none."""
    return _LANGUAGES.get(as_seen(text.strip()))


def typed_temperature(text: str) -> float | None:
    """The temperature that a person types, with a point or a comma; None if it is none."""
    return _temperature(text.replace(",", "."))


def typed_switch(text: str) -> bool | None:
    """What a person types to turn something on or off; None if it is neither."""
    seen = as_seen(text.strip())
    if seen in _YES:
        return True
    return False if seen in _NO else None


def _text(raw: object, limit: int) -> str | None:
    return raw if isinstance(raw, str) and len(raw) <= limit and raw.strip() else None


def _flag(raw: object, *, default: bool) -> bool:
    return raw if isinstance(raw, bool) else default


def _temperature(raw: object) -> float | None:
    """A temperature in a number or a text."""
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if not is_number and not (isinstance(raw, str) and len(raw) <= _NUMBER_LIMIT):
        return None
    try:
        value = float(str(raw)) + 0.0  # no -0.0
    except ValueError:
        return None
    lowest, highest = TEMPERATURES
    return value if math.isfinite(value) and lowest <= value <= highest else None
