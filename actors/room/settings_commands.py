"""The commands about the settings of one chat, which its room keeps.

See `actors.room.commands` for what a handler may do.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import structlog

from actors.messages import RoomChanged
from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings
from actors.platform_state import PlatformState
from actors.room.asked import Asked, Response
from actors.rules.commands import clean_name, shortened
from actors.rules.formatting import Formatted
from actors.rules.likeness import as_seen
from actors.rules.model_names import model_meant, similar_models
from actors.rules.setting_values import (
    MODEL_LIMIT,
    SYSTEM_LIMIT,
    typed_language,
    typed_switch,
    typed_temperature,
)
from actors.rules.wording import worded
from actors.runtime.apart import call_apart
from actors.texts import Texts

_log = structlog.get_logger()

DEFAULT: Final = "default"
"""The word that sets a setting back."""

MODELS_SHOWN: Final = 20
"""How many of the models to choose from are listed."""

EXCERPT_CHARS: Final = 60
"""How many characters of a longer text a list or an error repeats."""

Shown: TypeAlias = Callable[[ChatSettings, Texts], str]


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting with a short value.

    `changed` gives the settings with the value that a text stands for; None if it is no value. The
    text `mistake` says which values there are.
    """

    shown: Shown
    changed: Callable[[ChatSettings, str], ChatSettings | None]
    reset: Callable[[ChatSettings], ChatSettings]
    mistake: Callable[[Texts], str]


async def model(asked: Asked) -> Response:
    """`!model [name]`: choose the model that answers in this chat, or show it."""
    name, texts = asked.argument, asked.texts.commands
    present = await asked.services.settings_of_chats.of(asked.room_id)
    if name is None:
        return asked.say_lines(*_model_and_choice(present, await _models(asked), asked))
    if _is_default(name):
        await _write(asked, replace(present, model=None))
        return asked.say(texts.model_reset)
    if len(name) > MODEL_LIMIT:
        too_long = asked.texts.chats.name_too_long
        return asked.say(too_long, limit=MODEL_LIMIT, length=len(name))
    models = await _models(asked)
    meant = model_meant(name, models)
    if models and meant is None:
        return asked.say_lines(_no_such_model(name, models, asked))
    await _write(asked, replace(present, model=meant or name))
    text = texts.model_set if models else texts.model_set_unchecked
    return asked.say(text, model=meant or name)


async def system(asked: Asked) -> Response:
    """`!system [text]`: give the model instructions for this chat, or show them."""
    text, texts = asked.argument, asked.texts.commands
    present = await asked.services.settings_of_chats.of(asked.room_id)
    if text is None:
        known = present.system
        return asked.say(texts.system_is if known else texts.system_none, system=known or "")
    if _is_default(text):
        await _write(asked, replace(present, system=None))
        return asked.say(texts.system_reset)
    if len(text) > SYSTEM_LIMIT:
        return asked.say(texts.system_too_long, limit=SYSTEM_LIMIT, length=len(text))
    await _write(asked, replace(present, system=text))
    return asked.say(texts.system_set, length=len(text))


async def language(asked: Asked) -> Response:
    """`!language [name]`: choose the language of what the bot says to the owner, or show it.

    It counts in all rooms of the owner. The Space keeps it.
    """
    name, texts = asked.argument, asked.texts.commands
    if name is None:
        return asked.say(f"{texts.language_is} {texts.language_hint}")
    chosen = typed_language(name)
    if chosen is None and not _is_default(name):
        return asked.say(f"{texts.language_unknown} {texts.language_hint}", name=_excerpt(name))
    owner, space_id = asked.chat.user_id, asked.desired.room.space_id
    spoken = await asked.services.languages.choose(owner, space_id, chosen)
    asked.services.tell_room(space_id, RoomChanged())  # its name may change
    return replace(asked, texts=spoken).say(spoken.commands.language_set)


async def settings(asked: Asked) -> Response:
    """`!settings [name [value]]`: show all settings of this chat, or show or change one."""
    if asked.argument is None:
        return asked.say_lines(*await _all_settings(asked))
    word, *rest = asked.argument.split(maxsplit=1)
    value = rest[0] if rest else None
    name = _ALIASES.get(as_seen(word), as_seen(word))
    if name == DEFAULT and value is None:
        await _write(asked, DEFAULT_CHAT_SETTINGS)
        return asked.say(asked.texts.commands.settings_reset)
    if name == "system":
        return await system(replace(asked, argument=value))
    line = clean_name(value) or None if value else None
    if name == "model":
        return await model(replace(asked, argument=line))
    setting = SETTINGS.get(name)
    if setting is None:
        unknown = asked.texts.commands.setting_unknown
        return asked.say(unknown, name=_excerpt(word), names=", ".join(_SHOWN))
    return await _setting(name, setting, line, asked)


async def _setting(name: str, setting: Setting, text: str | None, asked: Asked) -> Response:
    """Change a setting to what the text says, if there is any, and say what it is then."""
    present, texts = await asked.services.settings_of_chats.of(asked.room_id), asked.texts
    if text is not None:
        changed = setting.reset(present) if _is_default(text) else setting.changed(present, text)
        if changed is None:
            return asked.say(setting.mistake(texts), name=name)
        await _write(asked, changed)
        present = changed
    value = setting.shown(present, texts)
    said = texts.commands.setting_is
    if name == "stream" and present.stream and not asked.services.streams:
        said = f"{said}. {texts.commands.setting_no_streams}"
    return asked.say(said, name=name, value=value)


async def _write(asked: Asked, changed: ChatSettings) -> None:
    await asked.services.settings_of_chats.write(asked.room_id, changed)


# ------------------------------------------------------------ what is shown


async def _all_settings(asked: Asked) -> list[Formatted]:
    present = await asked.services.settings_of_chats.of(asked.room_id)
    texts = asked.texts.commands
    lines = [
        worded(texts.setting_is, name=name, value=shown(present, asked.texts))
        for name, shown in _SHOWN.items()
    ]
    return [worded(texts.settings_title), *lines, worded(texts.settings_hint)]


async def _models(asked: Asked) -> tuple[str, ...]:
    """The models to choose from. A platform that is well may not know them before it is checked."""
    services = asked.services
    is_well = services.platform_health.state is PlatformState.WELL
    if is_well and not services.platform.capabilities.models:
        failure = await call_apart(
            services.platform.check,
            within_s=services.bounds.platform_check_s,
            leave_within_s=services.bounds.platform_close_s,
        )
        if failure is not None:
            _log.info("models_unknown", reason=repr(failure))
    return services.platform.capabilities.models


def _model_and_choice(
    present: ChatSettings, models: tuple[str, ...], asked: Asked
) -> list[Formatted]:
    """The model of the chat, and the models to choose from."""
    texts = asked.texts.commands
    if present.model is not None:
        lines = [worded(texts.model_is, model=present.model)]
    elif models:
        lines = [worded(texts.model_is_default_named, model=models[0])]
    else:
        lines = [worded(texts.model_is_default)]
    if not models:
        return [*lines, worded(texts.models_unknown)]
    lines += [worded(texts.models_title), *map(Formatted, models[:MODELS_SHOWN])]
    if len(models) > MODELS_SHOWN:
        lines.append(worded(texts.models_more, count=len(models) - MODELS_SHOWN))
    return [*lines, worded(texts.model_hint)]


def _no_such_model(name: str, models: tuple[str, ...], asked: Asked) -> Formatted:
    texts, similar = asked.texts.commands, similar_models(name, models)
    hint = texts.model_similar if similar else texts.model_unknown_hint
    sentences = f"{texts.model_unknown} {hint}"
    return worded(sentences, model=_excerpt(name), models=", ".join(similar))


def _shown_model(present: ChatSettings, texts: Texts) -> str:
    return present.model or texts.commands.value_default


def _shown_system(present: ChatSettings, texts: Texts) -> str:
    return _excerpt(clean_name(present.system)) if present.system else texts.commands.value_default


def _shown_temperature(present: ChatSettings, texts: Texts) -> str:
    value = present.temperature
    return texts.commands.value_default if value is None else f"{value:g}"


def _shown_switch(texts: Texts, *, is_on: bool) -> str:
    return texts.commands.value_on if is_on else texts.commands.value_off


def _excerpt(text: str) -> str:
    return shortened(text, EXCERPT_CHARS)


# ------------------------------------------------------------ what is typed


def _is_default(text: str) -> bool:
    return as_seen(text.strip()) == DEFAULT


def _with_temperature(present: ChatSettings, text: str) -> ChatSettings | None:
    value = typed_temperature(text)
    return None if value is None else replace(present, temperature=value)


def _with_stream(present: ChatSettings, text: str) -> ChatSettings | None:
    value = typed_switch(text)
    return None if value is None else replace(present, stream=value)


def _with_edits(present: ChatSettings, text: str) -> ChatSettings | None:
    value = typed_switch(text)
    return None if value is None else replace(present, answer_edits=value)


SETTINGS: Final[Mapping[str, Setting]] = {
    "temperature": Setting(
        _shown_temperature,
        _with_temperature,
        lambda it: replace(it, temperature=DEFAULT_CHAT_SETTINGS.temperature),
        lambda texts: texts.commands.setting_needs_number,
    ),
    "stream": Setting(
        lambda it, texts: _shown_switch(texts, is_on=it.stream),
        _with_stream,
        lambda it: replace(it, stream=DEFAULT_CHAT_SETTINGS.stream),
        lambda texts: texts.commands.setting_needs_switch,
    ),
    "edits": Setting(
        lambda it, texts: _shown_switch(texts, is_on=it.answer_edits),
        _with_edits,
        lambda it: replace(it, answer_edits=DEFAULT_CHAT_SETTINGS.answer_edits),
        lambda texts: texts.commands.setting_needs_switch,
    ),
}
"""The settings with short values. `model` and `system` have commands of their own."""

_SHOWN: Final[Mapping[str, Shown]] = {
    "model": _shown_model,
    "system": _shown_system,
    **{name: setting.shown for name, setting in SETTINGS.items()},
}
_ALIASES: Final = {"temp": "temperature", "answer_edits": "edits", "edit": "edits"}
