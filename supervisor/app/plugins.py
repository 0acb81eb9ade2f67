"""Platforms of other packages: the entry points of one group, and what can be wrong with them."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from pydantic_settings import BaseSettings

from supervisor.app.platform_settings import prefix_of
from supervisor.settings import SettingsRefused

GROUP: Final = "surfaces_bot.platforms"
"""The group of entry points. The name of an entry point is the name of a platform."""
_METHODS: Final = ("answer", "check", "forget", "close")
_OWN_PREFIXES: Final = ("MATRIX_", "BOT_", "STATUS_", "LOG_")


@dataclass(frozen=True, slots=True)
class Plugin:
    """The class of a platform, and the class of its settings if it has any."""

    platform: Any
    settings: type[BaseSettings] | None


def find_plugin(name: str, built_in: Sequence[str]) -> Plugin:
    """The plugin with this name. Raises SettingsRefused if there is none that can be used."""
    found = entry_points(group=GROUP)
    named = [each for each in found if each.name == name]
    if not named:
        raise SettingsRefused(_unknown(name, built_in, sorted(found.names)))
    if len(named) > 1:
        packages = " and ".join(sorted(map(_package, named)))
        raise SettingsRefused(f"BOT_PLATFORM: {packages} both bring {name}: uninstall one of them")
    return _checked(named[0], _loaded(named[0]))


def _unknown(name: str, built_in: Sequence[str], installed: Sequence[str]) -> str:
    meant = get_close_matches(name.lower(), [*built_in, *installed], n=1)
    others = f", or a plugin: {', '.join(installed)}" if installed else ", or install a plugin"
    question = f"did you mean {meant[0]}? " if meant else ""
    return f"BOT_PLATFORM: is {name!r}: {question}Use {', '.join(built_in)}{others}"


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _loaded(entry: EntryPoint) -> object:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise SettingsRefused(
            f"BOT_PLATFORM: the plugin {entry.name} of {_package(entry)} can't be loaded "
            f"({reason}): install it again with all that it needs, or choose another platform"
        ) from error


def _checked(entry: EntryPoint, loaded: object) -> Plugin:
    where = f"{entry.value} of {_package(entry)}"
    if not inspect.isclass(loaded):
        raise SettingsRefused(f"BOT_PLATFORM: {where} is not a class of a platform")
    missing = [name for name in _METHODS if not callable(getattr(loaded, name, None))]
    missing += sorted(getattr(loaded, "__abstractmethods__", ()))
    if missing:
        raise SettingsRefused(
            f"BOT_PLATFORM: {where} is not a platform, because it has no {', '.join(missing)}: "
            "derive it from adapter.platform.simple.SimplePlatform"
        )
    return Plugin(loaded, _settings_of(where, getattr(loaded, "Settings", None)))


def _settings_of(where: str, kind: object) -> type[BaseSettings] | None:
    if kind is None:
        return None
    if not (inspect.isclass(kind) and issubclass(kind, BaseSettings)):
        raise SettingsRefused(
            f"BOT_PLATFORM: Settings of {where} is not a subclass of pydantic_settings.BaseSettings"
        )
    prefix = prefix_of(kind).upper()
    if not prefix or prefix.startswith(_OWN_PREFIXES):
        raise SettingsRefused(
            f"BOT_PLATFORM: Settings of {where} has the env_prefix {prefix!r}: "
            "its variables need a prefix of their own"
        )
    return kind
