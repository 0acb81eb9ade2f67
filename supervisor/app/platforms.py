"""From BOT_PLATFORM to a chat platform: one that is built in, else a plugin.

Only `run` and `check` load a platform's settings. The other commands don't ask the platform, so
nothing that is wrong with it stops them. The modules of a platform are imported when it is chosen,
and pydantic-settings only for a platform that has settings.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from actors.bounds import Bounds
from actors.platform import Platform
from actors.runtime.errors import error_text
from supervisor.app.workers import by_workers
from supervisor.chosen_platform import ChosenPlatform, MakePlatform
from supervisor.logging import Redactor
from supervisor.proxies import ProxySetting, proxy_for
from supervisor.settings import (
    PlatformSettings,
    Settings,
    SettingsRefused,
    hints,
    load_settings,
    load_worker_settings,
)
from supervisor.variables import variables

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    from supervisor.app.plugins import Plugin

_DEFAULT: Final = "echo"
_Loaded = TypeVar("_Loaded", bound=PlatformSettings)


def load_settings_and_platform() -> Settings:
    """The bot's settings, with the chosen platform. Raises SettingsRefused with all errors at once.

    Where workers ask the platform, its own settings are theirs, and not read.
    """
    return _with_platform(load_settings, _of_bot)


def load_worker_settings_and_platform() -> PlatformSettings:
    """A worker's settings, with the chosen platform. Raises SettingsRefused with all errors."""
    return _with_platform(load_worker_settings, lambda settings: choose(settings.platform))


def _with_platform(
    load: Callable[[], _Loaded], chooses: Callable[[_Loaded], ChosenPlatform]
) -> _Loaded:
    lines: tuple[str, ...] = ()
    settings: _Loaded | None = None
    try:
        settings = load()
    except SettingsRefused as refused:
        lines = refused.lines
    try:
        chosen = chooses(settings) if settings else choose(_named())
    except SettingsRefused as refused:
        lines += refused.lines
    else:
        if settings is not None:
            return replace(settings, chosen_platform=chosen)
        lines += hints(chosen.variables, chosen.prefix)
    raise SettingsRefused(*dict.fromkeys(lines))


def _of_bot(settings: Settings) -> ChosenPlatform:
    return by_workers(settings) if settings.by_workers else choose(settings.platform)


def choose(name: str) -> ChosenPlatform:
    """The platform with this name, and its settings. Raises SettingsRefused."""
    chooses = _BUILT_IN.get(name)
    return chooses() if chooses else _plugin(name)


def platform_of(settings: PlatformSettings, bounds: Bounds) -> Platform:
    """Make the platform that the settings name. Raises SettingsRefused if that fails.

    Its errors have neither secrets nor messages in them.
    """
    chosen = settings.chosen_platform or choose(settings.platform)
    hide = Redactor((*settings.secrets, *chosen.secrets)).text
    try:
        made = chosen.make(settings.bounded(bounds))
    except (Exception, SystemExit) as error:
        reason = hide(f"{type(error).__name__}: {error}")
        raise SettingsRefused(f"BOT_PLATFORM: {chosen.name} can't be made ({reason})") from error
    if chosen.name == _DEFAULT:
        return made
    from adapter.platform.discreet import DiscreetPlatform

    return DiscreetPlatform(made, hide)


def _named() -> str:
    """The value of BOT_PLATFORM while the settings as a whole can't be read."""
    try:
        return variables().get("BOT_PLATFORM", "").strip() or _DEFAULT
    except (OSError, UnicodeDecodeError):
        return _DEFAULT


def _echo() -> ChosenPlatform:
    from adapter.platform.echo import EchoPlatform

    return ChosenPlatform("echo", lambda _: EchoPlatform())


def _openai() -> ChosenPlatform:
    from adapter.platform.openai.settings import OpenAISettings
    from supervisor.app.platform_settings import read_settings

    settings = read_settings(OpenAISettings, "openai")
    proxy = _proxy_for(settings.base_url)

    def make(bounds: Bounds) -> Platform:
        from adapter.platform.openai.platform import OpenAIPlatform
        from adapter.proxy import Proxy

        way = Proxy.of(proxy.url) if proxy else None
        return OpenAIPlatform(settings, connect_s=bounds.platform_connect_s, proxy=way)

    return _chosen("openai", settings, make, proxy)


def _webhook() -> ChosenPlatform:
    from adapter.platform.webhook.settings import WebhookSettings
    from supervisor.app.platform_settings import read_settings

    settings = read_settings(WebhookSettings, "webhook")
    proxy = _proxy_for(settings.url)

    def make(bounds: Bounds) -> Platform:
        from adapter.platform.webhook.platform import WebhookPlatform
        from adapter.proxy import Proxy

        return WebhookPlatform(
            settings,
            connect_s=bounds.platform_connect_s,
            proxy=Proxy.of(proxy.url) if proxy else None,
        )

    return _chosen("webhook", settings, make, proxy)


_BUILT_IN: Final[Mapping[str, Callable[[], ChosenPlatform]]] = {
    "echo": _echo,
    "openai": _openai,
    "webhook": _webhook,
}
BUILT_IN: Final = tuple(_BUILT_IN)
"""The names of the platforms that come with the bot."""


def _plugin(name: str) -> ChosenPlatform:
    from supervisor.app.plugins import find_plugin

    plugin = find_plugin(name, BUILT_IN)
    if plugin.settings is None:
        return ChosenPlatform(name, lambda _: _made(plugin))
    settings = _read(plugin.settings, name)
    return _chosen(name, settings, lambda _: _made(plugin, settings), None)


def _read(kind: "type[BaseSettings]", name: str) -> "BaseSettings":
    """The settings of a plugin, whose class may fail in any way."""
    from supervisor.app.platform_settings import read_settings

    try:
        return read_settings(kind, name)
    except SettingsRefused:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error_text(error)}"
        raise SettingsRefused(f"BOT_PLATFORM: the settings of {name} fail ({reason})") from error


def _made(plugin: "Plugin", *settings: "BaseSettings") -> Platform:
    made: Platform = plugin.platform(*settings)
    return made


def _chosen(
    name: str, settings: "BaseSettings", make: MakePlatform, proxy: ProxySetting | None
) -> ChosenPlatform:
    from supervisor.app.platform_settings import prefix_of, secrets_in, variables_of

    of_proxy = proxy.secrets if proxy else ()
    kind = type(settings)
    secrets = (*secrets_in(settings), *of_proxy)
    return ChosenPlatform(name, make, prefix_of(kind), variables_of(kind), secrets)


def _proxy_for(url: str) -> ProxySetting | None:
    try:
        return proxy_for(url, variables())
    except ValueError as error:
        raise SettingsRefused(str(error)) from None
