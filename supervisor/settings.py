"""Turns the variables of the environment and of `.env` into frozen values, once."""

import logging
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

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

from actors.model import UserId
from actors.rules.addressing import Answers
from supervisor.allowed import AllowedUsers, allowed_users, everyone_on
from supervisor.hosts import is_host
from supervisor.proxies import ProxySetting, proxy_for
from supervisor.variables import DOTENV, ENCODING, broken_lines, names_present, variables

DEFAULT_DEVICE_ID: Final = "SURFACESBOT"

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PORT: Final = re.compile(r"[0-9]{1,5}")
_USER_ID: Final = re.compile(rf"@[^:\s\x00-\x1f\x7f]+:{_HOST}(?::[0-9]{{1,5}})?")
_USER_ID_LIMIT: Final = 255
_DEVICE_ID: Final = re.compile(r"[A-Za-z0-9._~=/+-]{1,128}")
_PREFIXES: Final = ("MATRIX_", "BOT_")
_MAY_BE_EMPTY: Final = "STATUS_BIND"
_LAST_PORT: Final = 65_535
_SHOWN: Final = 80
_ENTRIES: Final = (
    "write entries like @alice:example.org, @*:example.org or *:example.org, without quotes and "
    "separated by commas; * alone stands for everyone"
)


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


def _homeserver(url: str) -> str:
    try:
        parts = urlsplit(url)
        named = (
            parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
        )
    except ValueError:
        named = False
        parts = urlsplit("")
    if not named or re.search(r"\s", url):
        raise ValueError("is not a URL: write it like https://matrix.example.org")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name: remove it, MATRIX_USER_ID names the account")
    if "/_matrix" in parts.path:
        raise ValueError("has a path of the Matrix API: remove it, /_matrix included")
    if "?" in url or "#" in url:
        raise ValueError("has, after the host or a path, a query or a fragment: remove it")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _user_id(text: str) -> UserId:
    if not _USER_ID.fullmatch(text) or len(text.encode()) > _USER_ID_LIMIT:
        raise ValueError("is not a Matrix user id: write it like @bot:example.org")
    return UserId(text)


def _device_id(text: str) -> str:
    if not _DEVICE_ID.fullmatch(text):
        raise ValueError("is not a device id: use up to 128 letters, digits and . _ ~ = / + -")
    return text


def _token(secret: SecretStr | None) -> SecretStr | None:
    if secret is not None and not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("contains a blank or a character that no token has: copy it again")
    return secret


def _path(text: object) -> Path:
    if re.fullmatch(r"(['\"]).*\1", str(text)):
        raise ValueError("is in quotes: remove them")
    path = Path(str(text))
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(
            "begins with the home folder of an unknown user: write the full path"
        ) from None


def _file(path: Path) -> Path:
    if _mode(path, stat.S_ISDIR):
        raise ValueError("is a folder: name a file")
    return path


def _folder(path: Path) -> Path:
    if _mode(path, stat.S_ISREG):
        raise ValueError("is a file: name a folder")
    return path


def _mode(path: Path, question: Callable[[int], bool]) -> bool:
    try:
        return question(path.stat().st_mode)
    except OSError:  # missing or inaccessible: opening it reports the error
        return False


def _entries(value: object) -> object:
    if not isinstance(value, str):
        return value
    entries = tuple(entry for part in value.split(",") if (entry := part.strip()))
    if not entries and value:
        raise ValueError(f"is {value!r}, which names nobody: {_ENTRIES}")
    return entries


def _can_match(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            allowed_users(entry)
        except ValueError as error:
            shown = repr(entry if len(entry) <= _SHOWN else f"{entry[:_SHOWN]}…")
            raise ValueError(
                f"has an entry that matches no user id, {shown}, which {error}: {_ENTRIES}"
            ) from None
    return entries


def _bind(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    host, colon, port = value.rpartition(":")
    right = colon and re.fullmatch(_HOST, host) and _PORT.fullmatch(port)
    if not right or int(port) > _LAST_PORT:
        raise ValueError("is not an address: write it like 127.0.0.1:8484, or leave it empty")
    return Bind(host.strip("[]"), int(port))


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


LogFormat: TypeAlias = Literal["console", "json"]
LogLevel: TypeAlias = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
_FilePath: TypeAlias = Annotated[Path, BeforeValidator(_path), AfterValidator(_file)]
_FolderPath: TypeAlias = Annotated[Path, BeforeValidator(_path), AfterValidator(_folder)]
_Entries: TypeAlias = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(_entries), AfterValidator(_can_match)
]
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

    db_path: _FilePath = Field(default=Path("lambda_matrix.db"), validation_alias="MATRIX_DB_PATH")
    store_path: _FolderPath = Field(
        default=Path("matrix_store"), validation_alias="MATRIX_STORE_PATH"
    )
    journal_path: _FilePath = Field(
        default=Path("lambda_journal.db"), validation_alias="MATRIX_JOURNAL_PATH"
    )
    status_bind: _Bind = Field(default=Bind("127.0.0.1", 8484), validation_alias="STATUS_BIND")
    """The address of the status page; None turns it off."""
    log_format: Annotated[LogFormat | None, BeforeValidator(_lower)] = Field(
        default=None, validation_alias="LOG_FORMAT"
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default="INFO", validation_alias="LOG_LEVEL"
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, data: dict[str, object]) -> dict[str, object]:
        """An empty variable means its default. An empty STATUS_BIND turns the page off."""
        return {key: value for key, value in data.items() if value != "" or key == _MAY_BE_EMPTY}

    @field_validator("journal_path")
    @classmethod
    def _files_of_their_own(cls, path: Path, info: ValidationInfo) -> Path:
        database = info.data.get("db_path")
        if database is not None and path.absolute() == database.absolute():
            raise ValueError("is the same file as MATRIX_DB_PATH: name another file")
        return path


class Settings(LocalSettings):
    """All settings of the bot, checked. `load_settings` creates them."""

    homeserver: Annotated[str, AfterValidator(_homeserver)] = Field(
        validation_alias="MATRIX_HOMESERVER"
    )
    """The homeserver's base URL, without a slash at the end."""
    user_id: Annotated[UserId, AfterValidator(_user_id)] = Field(validation_alias="MATRIX_USER_ID")
    access_token: Annotated[SecretStr | None, AfterValidator(_token)] = Field(
        default=None, validation_alias="MATRIX_ACCESS_TOKEN"
    )
    password: SecretStr | None = Field(default=None, validation_alias="MATRIX_PASSWORD")
    device_id: Annotated[str, AfterValidator(_device_id)] = Field(
        default=DEFAULT_DEVICE_ID, validation_alias="MATRIX_DEVICE_ID"
    )
    allowed_users: _Entries = Field(default=(), validation_alias="MATRIX_ALLOWED_USERS")
    """User ids and patterns. Empty allows every user of the bot's own homeserver."""
    locale: Literal["en", "ru"] = Field(default="en", validation_alias="BOT_LOCALE")
    answers: Answers = Field(default=Answers.MENTIONS, validation_alias="BOT_ANSWERS")
    """The people who get answers in a chat, besides its owner."""
    platform: Literal["echo"] = Field(default="echo", validation_alias="BOT_PLATFORM")

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
    def server_name(self) -> str:
        """The server part of the bot's user id."""
        return self.user_id.partition(":")[2]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not appear in the log."""
        given = (self.password, self.access_token)
        of_proxy = self._proxy.secrets if self._proxy else ()
        return (*(secret.get_secret_value() for secret in given if secret is not None), *of_proxy)

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
        lines = (f"{DOTENV}: cannot be read ({_cause(error)}): repair the file or remove it",)
    raise SettingsRefused(*lines, *hints()) from None


def _cause(error: OSError | UnicodeDecodeError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)


def _line(detail: ErrorDetails) -> str:
    place = str(detail["loc"][0])
    # pydantic reports an invalid default under the name of the field.
    field = Settings.model_fields.get(place)
    variable = place if field is None else str(field.validation_alias)
    sentence = _SENTENCES.get(detail["type"])
    return f"{variable}: {sentence(variable, detail) if sentence else detail['msg']}"


def _missing(variable: str, _detail: ErrorDetails) -> str:
    return f"is not set: {_ADVICE.get(variable, 'set it')}"


def _unknown_choice(_variable: str, detail: ErrorDetails) -> str:
    return f"is {detail['input']!r}: use {detail['ctx']['expected']}"


def _validator_message(_variable: str, detail: ErrorDetails) -> str:
    return str(detail["ctx"]["error"])


_SENTENCES: Final[Mapping[str, Callable[[str, ErrorDetails], str]]] = {
    "missing": _missing,
    "literal_error": _unknown_choice,
    "enum": _unknown_choice,
    "value_error": _validator_message,
}


def hints() -> tuple[str, ...]:
    """A line for each variable that looks like a misspelt variable of the bot.

    Without it, a misspelt MATRIX_ALLOWED_USERS would silently allow every user.
    """
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    present = names_present()
    lines: list[str] = []
    for name in sorted(present - known):
        if not name.upper().startswith(_PREFIXES):
            continue
        meant = get_close_matches(name.upper(), known - present, n=1, cutoff=0.75)
        lines += (
            [f"{name}: is not a variable of the bot: did you mean {meant[0]}?"] if meant else []
        )
    return tuple(lines)
