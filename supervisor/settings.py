"""Turns the variables of the environment and of `.env` into frozen values, once."""

import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from typing_extensions import override

from actors.bounds import Bounds
from actors.model import UserId
from actors.rules.addressing import Answers
from supervisor import setting_values as values
from supervisor.allowed import AllowedUsers, allowed_users, everyone_on
from supervisor.chosen_platform import ChosenPlatform
from supervisor.database_urls import DatabaseUrl, is_database_url
from supervisor.proxies import ProxySetting, proxy_for
from supervisor.setting_errors import sentence_for
from supervisor.setting_values import HOST
from supervisor.variables import DOTENV, ENCODING, broken_lines, names_present, variables

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


def _bind(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    host, colon, port = value.rpartition(":")
    right = colon and re.fullmatch(HOST, host) and _PORT.fullmatch(port)
    if not right or int(port) > _LAST_PORT:
        raise ValueError("is not an address: write it like 127.0.0.1:8484, or leave it empty")
    return Bind(host.strip("[]"), int(port))


LogFormat: TypeAlias = Literal["console", "json"]
LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_DatabasePlace: TypeAlias = Annotated[
    Path | DatabaseUrl, NoDecode, BeforeValidator(values.database_place)
]
_FolderPath: TypeAlias = Annotated[
    Path, BeforeValidator(values.local_path), AfterValidator(values.no_file)
]
_Entries: TypeAlias = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(values.entries),
    AfterValidator(values.entries_that_match),
]
_Name: TypeAlias = Annotated[str, AfterValidator(values.display_name)]
_Picture: TypeAlias = Annotated[str, AfterValidator(values.picture)]
_Seconds: TypeAlias = Annotated[float, BeforeValidator(values.seconds)]
_Bind: TypeAlias = Annotated[Bind | None, NoDecode, BeforeValidator(_bind)]


class LocalSettings(BaseSettings):
    """The settings of commands that use only local files, without account or homeserver.

    `log_format` is None if the environment leaves the choice to `configure_logging`.
    """

    model_config = SettingsConfigDict(
        env_file=DOTENV,
        env_file_encoding=ENCODING,
        case_sensitive=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    db_path: _DatabasePlace = Field(
        default=Path("lambda_matrix.db"), validation_alias="MATRIX_DB_PATH"
    )
    store_path: _FolderPath = Field(
        default=Path("matrix_store"), validation_alias="MATRIX_STORE_PATH"
    )
    journal_path: _DatabasePlace = Field(
        default=Path("lambda_journal.db"), validation_alias="MATRIX_JOURNAL_PATH"
    )
    """The default for a database with a URL is that database."""
    status_bind: _Bind = Field(default=Bind("127.0.0.1", 8484), validation_alias="STATUS_BIND")
    """The address of the status page; None turns it off."""
    accounts: Annotated[None, BeforeValidator(values.one_account)] = Field(
        default=None, validation_alias="MATRIX_ACCOUNTS"
    )
    """The folder with the variables of each account. Settings are those of one account, for which
    the command line empties this variable."""
    log_format: Annotated[LogFormat | None, BeforeValidator(values.lower)] = Field(
        default=None, validation_alias="LOG_FORMAT"
    )
    log_level: Annotated[LogLevel, BeforeValidator(values.upper)] = Field(
        default="INFO", validation_alias="LOG_LEVEL"
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, data: dict[str, object]) -> dict[str, object]:
        """An empty variable means its default. An empty STATUS_BIND turns the page off."""
        given = {key: value for key, value in data.items() if value != "" or key == _MAY_BE_EMPTY}
        if is_database_url(given.get("MATRIX_DB_PATH")):
            given.setdefault("MATRIX_JOURNAL_PATH", given["MATRIX_DB_PATH"])
        return given

    @field_validator("journal_path")
    @classmethod
    def _files_of_their_own(cls, place: Path | DatabaseUrl, info: ValidationInfo) -> object:
        database = info.data.get("db_path")
        if not isinstance(place, Path) or not isinstance(database, Path):
            return place
        if os.path.realpath(place) == os.path.realpath(database):
            raise ValueError("is the same file as MATRIX_DB_PATH: name another file")
        return place

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        places = (self.db_path, self.journal_path)
        return tuple(
            secret for place in places if isinstance(place, DatabaseUrl) for secret in place.secrets
        )


class PlatformSettings(LocalSettings):
    """The settings of everything that asks the chat platform, a worker included."""

    user_id: Annotated[UserId, AfterValidator(values.user_id)] = Field(
        validation_alias="MATRIX_USER_ID"
    )
    """The bot's account. A worker makes the calls of this account."""
    platform: str = Field(default="echo", validation_alias="BOT_PLATFORM")
    """The chat platform. Only commands that ask it look whether it exists, with its settings."""
    platform_connect_s: _Seconds = Field(
        default=_BOUNDS.platform_connect_s, validation_alias="BOT_PLATFORM_CONNECT_S"
    )
    platform_first_s: _Seconds = Field(
        default=_BOUNDS.platform_first_s, validation_alias="BOT_PLATFORM_FIRST_S"
    )
    platform_idle_s: _Seconds = Field(
        default=_BOUNDS.platform_idle_s, validation_alias="BOT_PLATFORM_IDLE_S"
    )
    platform_total_s: _Seconds = Field(
        default=_BOUNDS.platform_total_s, validation_alias="BOT_PLATFORM_TOTAL_S"
    )
    workers: Annotated[Literal["on", "off"], BeforeValidator(values.lower)] = Field(
        default="off", validation_alias="BOT_WORKERS"
    )
    """Whether the bot leaves the calls of the platform to workers."""

    _chosen: ChosenPlatform | None = PrivateAttr(default=None)

    @property
    @override
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        return (*super().secrets, *(self._chosen.secrets if self._chosen else ()))

    @property
    def by_workers(self) -> bool:
        """Whether the bot leaves the calls of the platform to workers."""
        return self.workers == "on"

    @property
    def chosen_platform(self) -> ChosenPlatform | None:
        """The platform, if a command that asks it has loaded the settings."""
        return self._chosen

    def choose(self, chosen: ChosenPlatform) -> None:
        """Keep the platform, so that its secrets stay out of the log."""
        self._chosen = chosen

    def bounded(self, bounds: Bounds) -> Bounds:
        """The bounds, with the time limits that the environment sets."""
        given = {name for name in self.model_fields_set if name in _LIMITS}
        return replace(bounds, **{name: getattr(self, name) for name in given})


class Settings(PlatformSettings):
    """All settings of the bot, checked. `load_settings` creates them."""

    homeserver: Annotated[str, AfterValidator(values.homeserver_url)] = Field(
        validation_alias="MATRIX_HOMESERVER"
    )
    """The homeserver's base URL, without a slash at the end."""
    access_token: Annotated[SecretStr | None, AfterValidator(values.token)] = Field(
        default=None, validation_alias="MATRIX_ACCESS_TOKEN"
    )
    password: SecretStr | None = Field(default=None, validation_alias="MATRIX_PASSWORD")
    device_id: Annotated[str, AfterValidator(values.device_id)] = Field(
        default=DEFAULT_DEVICE_ID, validation_alias="MATRIX_DEVICE_ID"
    )
    allowed_users: _Entries = Field(default=(), validation_alias="MATRIX_ALLOWED_USERS")
    """User ids and patterns. Empty allows every user of the bot's own homeserver."""
    locale: Literal["en", "ru"] = Field(default="en", validation_alias="BOT_LOCALE")
    name: _Name = Field(default="", validation_alias="BOT_NAME")
    """The display name of the account; `off` for none. Empty is that of the texts."""
    avatar: _Picture = Field(default="", validation_alias="BOT_AVATAR")
    """The path of the account's picture; `off` for none. Empty is the one that comes with the bot,
    as for the two pictures below."""
    space_avatar: _Picture = Field(default="", validation_alias="BOT_SPACE_AVATAR")
    chat_avatar: _Picture = Field(default="", validation_alias="BOT_CHAT_AVATAR")
    answers: Answers = Field(default=Answers.MENTIONS, validation_alias="BOT_ANSWERS")
    """The people who get answers in a chat, besides its owner."""
    stream: Literal["auto", "off"] = Field(default="auto", validation_alias="BOT_STREAM")
    """Whether answers may be shown while they grow."""

    @field_validator("password")
    @classmethod
    def _some_credentials(cls, password: SecretStr | None, info: ValidationInfo) -> object:
        # pydantic validates in the order of declaration, so access_token is already there.
        if password is None and info.data.get("access_token") is None:
            raise ValueError("is not set, nor is MATRIX_ACCESS_TOKEN: set one of them")
        if password is not None and password.get_secret_value().endswith(("\n", "\r")):
            raise ValueError("ends with a line break: remove it")
        return password

    _proxy: ProxySetting | None = PrivateAttr(default=None)

    @property
    def proxy(self) -> ProxySetting | None:
        """The proxy between the bot and the homeserver, if the environment names one."""
        return self._proxy

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
        of_proxy = self._proxy.secrets if self._proxy else ()
        own = (secret.get_secret_value() for secret in given if secret is not None)
        return (*super().secrets, *own, *of_proxy)

    def allows(self, user_id: str) -> bool:
        """Whether this person may have a Space."""
        return any(entry.matches(user_id) for entry in self._allowed)

    @cached_property
    def _allowed(self) -> tuple[AllowedUsers, ...]:
        return tuple(map(allowed_users, self.allowed_users)) or (everyone_on(self.server_name),)


_ADVICE: Final[Mapping[str, str]] = {
    "MATRIX_HOMESERVER": "set it to the homeserver's URL, like https://matrix.example.org",
    "MATRIX_USER_ID": "set it to the bot's user id, like @bot:example.org",
}
_Loaded = TypeVar("_Loaded", bound=LocalSettings)


def load_settings() -> Settings:
    """Read the environment and `.env`. Raises SettingsRefused with all errors at once."""
    settings = _load(Settings)
    try:
        settings._proxy = proxy_for(settings.homeserver, variables())  # noqa: SLF001
    except ValueError as error:
        raise SettingsRefused(str(error), *hints()) from None
    return settings


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
        loaded = kind()
        if not broken:
            return loaded
        lines = broken
    except ValidationError as error:
        lines = (*broken, *(_line(detail) for detail in error.errors(include_url=False)))
    except (OSError, UnicodeDecodeError) as error:
        lines = (unreadable(DOTENV, error),)
    raise SettingsRefused(*lines, *hints()) from None


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    """The sentence about a file with variables that cannot be read."""
    cause = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
    return f"{path}: cannot be read ({cause}): repair the file or remove it"


def _line(detail: ErrorDetails) -> str:
    place = str(detail["loc"][0])
    # pydantic reports an invalid default under the name of the field.
    field = Settings.model_fields.get(place)
    variable = place if field is None else str(field.validation_alias)
    return f"{variable}: {sentence_for(detail, _ADVICE.get(variable, 'set it'))}"


def hints(of_platform: Collection[str] = (), prefix: str = "") -> tuple[str, ...]:
    """A line for each variable that looks like a misspelt one of the bot or the chosen platform.

    Without it, a misspelt MATRIX_ALLOWED_USERS would silently allow every user. `prefix` begins the
    names of the platform's variables.
    """
    own = {str(field.validation_alias) for field in Settings.model_fields.values()}
    known = own | set(of_platform)
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
