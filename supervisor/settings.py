"""Turns the variables of the environment and of `.env` into frozen values, once."""

import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from typing_extensions import override

from actors.bounds import Bounds
from actors.rules.answers import Answers
from supervisor import setting_values as values
from supervisor.allowed import AllowedUsers, allowed_users, everyone_on
from supervisor.chosen_platform import ChosenPlatform
from supervisor.database_urls import DatabaseUrl, is_database_url
from supervisor.declaring import declared_in, values_of, variable
from supervisor.proxies import ProxySetting, proxy_for
from supervisor.secret import Secret
from supervisor.setting_values import HOST
from supervisor.variables import DOTENV, broken_lines, names_present, variables

if TYPE_CHECKING:
    from actors.model import UserId

DEFAULT_DEVICE_ID: Final = "SURFACESBOT"

_PORT: Final = re.compile(r"[0-9]{1,5}")
_PREFIXES: Final = ("MATRIX_", "BOT_")
_BOUNDS: Final = Bounds()
_LIMITS: Final = frozenset(
    {"platform_connect_s", "platform_first_s", "platform_idle_s", "platform_total_s"}
)
_MAY_BE_EMPTY: Final = "STATUS_BIND"
_LAST_PORT: Final = 65_535


class SettingsRefused(Exception):
    """The configuration cannot be used. `lines` has one sentence per error. Exit with code 78."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Bind:
    """An address to listen on. With port 0, the system chooses a port."""

    host: str
    port: int


def _bind(value: Bind | str) -> Bind | None:
    if isinstance(value, Bind):
        return value
    if not value:
        return None
    host, colon, port = value.rpartition(":")
    right = colon and re.fullmatch(HOST, host) and _PORT.fullmatch(port)
    if not right or int(port) > _LAST_PORT:
        raise ValueError("is not an address: write it like 127.0.0.1:8484, or leave it empty")
    return Bind(host.strip("[]"), int(port))


def _files_of_their_own(place: Path | DatabaseUrl, others: Mapping[str, object]) -> None:
    database = others.get("db_path")
    if not isinstance(place, Path) or not isinstance(database, Path):
        return
    if os.path.realpath(place) == os.path.realpath(database):
        raise ValueError("is the same file as MATRIX_DB_PATH: name another file")


def _some_credentials(password: Secret | None, others: Mapping[str, object]) -> None:
    if password is None and others.get("access_token") is None:
        raise ValueError("is not set, nor is MATRIX_ACCESS_TOKEN: set one of them")
    if password is not None and password.get_secret_value().endswith(("\n", "\r")):
        raise ValueError("ends with a line break: remove it")


LogFormat: TypeAlias = Literal["console", "json"]
LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """The settings of commands that use only local files, without account or homeserver.

    `log_format` is None if the environment leaves the choice to `configure_logging`.
    """

    db_path: Path | DatabaseUrl = variable(
        "MATRIX_DB_PATH", values.database_place, default=Path("lambda_matrix.db")
    )
    store_path: Path = variable(
        "MATRIX_STORE_PATH", values.folder_path, default=Path("matrix_store")
    )
    journal_path: Path | DatabaseUrl = variable(
        "MATRIX_JOURNAL_PATH",
        values.database_place,
        default=Path("lambda_journal.db"),
        with_others=_files_of_their_own,
    )
    """The default for a database with a URL is that database."""
    status_bind: Bind | None = variable("STATUS_BIND", _bind, default=Bind("127.0.0.1", 8484))
    """The address of the status page; None turns it off."""
    accounts: None = variable("MATRIX_ACCOUNTS", values.one_account, default=None)
    """The folder with the variables of each account. Settings are those of one account, for which
    the command line empties this variable."""
    log_format: LogFormat | None = variable(
        "LOG_FORMAT", values.one_of("console", "json", spelt=str.lower), default=None
    )
    log_level: LogLevel = variable(
        "LOG_LEVEL",
        values.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", spelt=str.upper),
        default="INFO",
    )
    given: frozenset[str] = field(default=frozenset(), repr=False)
    """The names of the settings that the environment sets."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        places = (self.db_path, self.journal_path)
        return tuple(
            secret for place in places if isinstance(place, DatabaseUrl) for secret in place.secrets
        )


@dataclass(frozen=True, kw_only=True)
class PlatformSettings(LocalSettings):
    """The settings of everything that asks the chat platform, a worker included."""

    user_id: "UserId" = variable(
        "MATRIX_USER_ID",
        values.user_id,
        advice="set it to the bot's user id, like @bot:example.org",
    )
    """The bot's account. A worker makes the calls of this account."""
    platform: str = variable("BOT_PLATFORM", default="echo")
    """The chat platform. Only commands that ask it look whether it exists, with its settings."""
    platform_connect_s: float = variable(
        "BOT_PLATFORM_CONNECT_S", values.seconds, default=_BOUNDS.platform_connect_s
    )
    platform_first_s: float = variable(
        "BOT_PLATFORM_FIRST_S", values.seconds, default=_BOUNDS.platform_first_s
    )
    platform_idle_s: float = variable(
        "BOT_PLATFORM_IDLE_S", values.seconds, default=_BOUNDS.platform_idle_s
    )
    platform_total_s: float = variable(
        "BOT_PLATFORM_TOTAL_S", values.seconds, default=_BOUNDS.platform_total_s
    )
    workers: Literal["on", "off"] = variable(
        "BOT_WORKERS", values.one_of("on", "off", spelt=str.lower), default="off"
    )
    """Whether the bot leaves the calls of the platform to workers."""
    chosen_platform: ChosenPlatform | None = field(default=None, repr=False)
    """The platform, if a command that asks it has loaded the settings."""

    @property
    @override
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        of_platform = self.chosen_platform.secrets if self.chosen_platform else ()
        return (*super().secrets, *of_platform)

    @property
    def by_workers(self) -> bool:
        """Whether the bot leaves the calls of the platform to workers."""
        return self.workers == "on"

    def bounded(self, bounds: Bounds) -> Bounds:
        """The bounds, with the time limits that the environment sets."""
        return replace(bounds, **{name: getattr(self, name) for name in self.given & _LIMITS})


@dataclass(frozen=True, kw_only=True)
class Settings(PlatformSettings):
    """All settings of the bot, checked. `load_settings` creates them."""

    homeserver: str = variable(
        "MATRIX_HOMESERVER",
        values.homeserver_url,
        advice="set it to the homeserver's URL, like https://matrix.example.org",
    )
    """The homeserver's base URL, without a slash at the end."""
    access_token: Secret | None = variable("MATRIX_ACCESS_TOKEN", values.token, default=None)
    password: Secret | None = variable(
        "MATRIX_PASSWORD", values.secret, default=None, with_others=_some_credentials
    )
    device_id: str = variable("MATRIX_DEVICE_ID", values.device_id, default=DEFAULT_DEVICE_ID)
    allowed_users: tuple[str, ...] = variable("MATRIX_ALLOWED_USERS", values.entries, default=())
    """User ids and patterns. Empty allows every user of the bot's own homeserver."""
    locale: Literal["en", "ru"] = variable("BOT_LOCALE", values.one_of("en", "ru"), default="en")
    name: str = variable("BOT_NAME", values.display_name, default="")
    """The display name of the account; `off` for none. Empty is that of the texts."""
    avatar: str = variable("BOT_AVATAR", values.picture, default="")
    """The path of the account's picture; `off` for none. Empty is the one that comes with the bot,
    as for the two pictures below."""
    space_avatar: str = variable("BOT_SPACE_AVATAR", values.picture, default="")
    chat_avatar: str = variable("BOT_CHAT_AVATAR", values.picture, default="")
    answers: Answers = variable("BOT_ANSWERS", values.answers, default=Answers.MENTIONS)
    """The people who get answers in a chat, besides its owner."""
    stream: Literal["auto", "off"] = variable(
        "BOT_STREAM", values.one_of("auto", "off"), default="auto"
    )
    """Whether answers may be shown while they grow."""
    proxy: ProxySetting | None = None
    """The proxy between the bot and the homeserver, if the environment names one."""

    @property
    def streams(self) -> bool:
        """Whether answers may be shown while they grow."""
        return self.stream == "auto"

    @property
    def server_name(self) -> str:
        """The server part of the bot's user id."""
        return self.user_id.partition(":")[2]

    @property
    @override
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        given = (self.password, self.access_token)
        of_proxy = self.proxy.secrets if self.proxy else ()
        own = (secret.get_secret_value() for secret in given if secret is not None)
        return (*super().secrets, *own, *of_proxy)

    def allows(self, user_id: str) -> bool:
        """Whether this person may have a Space."""
        return any(entry.matches(user_id) for entry in self._allowed)

    @cached_property
    def _allowed(self) -> tuple[AllowedUsers, ...]:
        return tuple(map(allowed_users, self.allowed_users)) or (everyone_on(self.server_name),)


VARIABLES: Final[dict[str, object]] = {
    declared.name: declared.default for _, declared in declared_in(Settings)
}
"""The variables of the bot, with their defaults; that of a variable that has to be set is none."""
_Loaded = TypeVar("_Loaded", bound=LocalSettings)


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises SettingsRefused with all errors at once."""
    settings = _load(Settings)
    try:
        return replace(settings, proxy=proxy_for(settings.homeserver, variables()))
    except ValueError as error:
        raise SettingsRefused(str(error), *hints()) from None


def load_worker_settings() -> PlatformSettings:
    """Read the settings of a worker. Raises SettingsRefused with all errors at once."""
    return _load(PlatformSettings)


def load_local_settings() -> LocalSettings:
    """Read the settings that need no account. Raises SettingsRefused with all errors at once."""
    return _load(LocalSettings)


def _load(kind: type[_Loaded]) -> _Loaded:
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # it names neither file nor remedy
    broken: tuple[str, ...] = ()
    try:
        broken = broken_lines()
        loaded = settings_from(kind, variables())
        if not broken:
            return loaded
        lines = broken
    except SettingsRefused as refused:
        lines = (*broken, *refused.lines)
    except (OSError, UnicodeDecodeError) as error:
        lines = (unreadable(DOTENV, error),)
    raise SettingsRefused(*lines, *hints()) from None


def settings_from(kind: type[_Loaded], environment: Mapping[str, str]) -> _Loaded:
    """The settings that some variables mean. Raises SettingsRefused with all errors at once.

    An empty variable means its default. An empty STATUS_BIND turns the page off.
    """
    given = {key: text for key, text in environment.items() if text or key == _MAY_BE_EMPTY}
    if is_database_url(given.get("MATRIX_DB_PATH")):
        given.setdefault("MATRIX_JOURNAL_PATH", given["MATRIX_DB_PATH"])
    taken, lines = values_of(kind, given)
    if lines:
        raise SettingsRefused(*lines)
    names = frozenset(name for name, declared in declared_in(kind) if declared.name in given)
    return kind(**taken, given=names)  # type: ignore[arg-type]  # each value was checked


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    """The sentence about a file with variables that cannot be read."""
    cause = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
    return f"{path}: cannot be read ({cause}): repair the file or remove it"


def hints(of_platform: Collection[str] = (), prefix: str = "") -> tuple[str, ...]:
    """A line for each variable that looks like a misspelt one of the bot or the chosen platform.

    Without it, a misspelt MATRIX_ALLOWED_USERS would silently allow every user. `prefix` begins the
    names of the platform's variables.
    """
    known = {*VARIABLES, *of_platform}
    prefixes = (*_PREFIXES, prefix.upper()) if prefix else _PREFIXES
    present = names_present()
    lines: list[str] = []
    for name in sorted(present - known):
        if not name.upper().startswith(prefixes):
            continue
        meant = get_close_matches(name.upper(), known - present, n=1, cutoff=0.75)
        lines += (
            [f"{name}: is not a variable of the bot: did you mean {meant[0]}?"] if meant else []
        )
    return tuple(lines)
