"""The variables of the platform `openai`."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic import field_validator as validates
from pydantic_settings import BaseSettings, SettingsConfigDict

from adapter.platform.unquoted import unquoted

OPENAI: Final = "api.openai.com"
LEAST_CONTEXT: Final = 256
_MOST_TOKENS: Final = 100_000_000
_HOTTEST: Final = 2.0
_SYSTEM_CHARS: Final = 100_000
_PASTED: Final = re.compile(r"/+(?:chat/completions|completions|models)?/*$")
_IN_NO_URL: Final = re.compile(r"[\s\\<>^`{|}\"']")


def _base_url(text: str) -> str:
    unquoted(text)
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        is_url = parts.scheme in {"http", "https"} and host and parts.port != 0
    except ValueError:  # UnicodeError of an impossible host name as well
        is_url = False
        parts = urlsplit("")
    if not is_url or _IN_NO_URL.search(text):
        raise ValueError("is not a URL: write it like http://127.0.0.1:8080/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name: remove it, OPENAI_API_KEY is sent to the server")
    if "?" in text or "#" in text:
        raise ValueError("has a query or a fragment: remove it")
    return f"{parts.scheme}://{parts.netloc}{_PASTED.sub('', parts.path)}"


def _key(secret: SecretStr) -> SecretStr:
    unquoted(secret.get_secret_value())
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("contains a blank or a character that no key has: copy it again")
    return secret


def _tokens(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or not 0 < int(value) <= _MOST_TOKENS:
        raise ValueError("is not a number of tokens: write it with digits alone, like 8192")
    return int(value)


def _context(tokens: int) -> int:
    if tokens < LEAST_CONTEXT:
        raise ValueError(f"is too small for a conversation: use {LEAST_CONTEXT} or more")
    return tokens


def _temperature(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        degree = float(value)
    except ValueError:
        degree = -1
    if not 0 <= degree <= _HOTTEST:
        raise ValueError("is not a temperature: use a number from 0 to 2, like 0.7")
    return degree


def _system(text: str) -> str:
    if len(text) > _SYSTEM_CHARS:
        raise ValueError(f"has more than {_SYSTEM_CHARS} characters: shorten it")
    return text


def _file(value: object) -> object:
    path = Path(str(value)).expanduser()
    if not path.is_file():
        raise ValueError("is not a file: name a file with certificates in PEM format")
    return path


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _is_yes(value: object) -> object:
    if isinstance(value, bool):
        return value
    if str(value).lower() not in {"yes", "no", "true", "false", "1", "0", "on", "off"}:
        raise ValueError(f"is {value!r}: use 'yes' or 'no'")
    return str(value).lower() in {"yes", "true", "1", "on"}


Vision: TypeAlias = Literal["auto", "yes", "no"]
_Tokens: TypeAlias = Annotated[int, BeforeValidator(_tokens)]


class OpenAISettings(BaseSettings):
    """The settings of the platform `openai`.

    The default server is OpenAI's. Without a model, the only one of the server is asked.
    """

    model_config = SettingsConfigDict(
        env_prefix="OPENAI_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
        env_ignore_empty=True,
    )

    base_url: Annotated[str, AfterValidator(_base_url)] = f"https://{OPENAI}/v1"
    """The address of the API, with or without /v1, and without a slash at the end."""
    api_key: Annotated[SecretStr, AfterValidator(_key)] | None = None
    """The key for the server; many servers want none."""
    model: Annotated[str, AfterValidator(unquoted)] = ""
    """The model of chats that do not choose another one; empty takes the server's only model."""
    system_prompt: Annotated[str, AfterValidator(_system)] = ""
    """What the model is told first in chats without a system prompt of their own."""
    context_tokens: Annotated[_Tokens, AfterValidator(_context)] | None = None
    """The context length of the model, answer included; None takes what the server says."""
    max_tokens: _Tokens | None = None
    """The longest answer; None leaves it to the server."""
    temperature: Annotated[float, BeforeValidator(_temperature)] | None = None
    """The temperature of chats that do not choose another one; None leaves it to the server."""
    transcription_model: Annotated[str, AfterValidator(unquoted)] = ""
    """The model that writes down voice messages; empty leaves them out."""
    vision: Annotated[Vision, BeforeValidator(_lower)] = "auto"
    """Whether the model takes pictures; `auto` asks the server and learns from its refusals."""
    pdfs: Annotated[bool, BeforeValidator(_is_yes)] = False
    """Whether the model takes PDF files."""
    ca_file: Annotated[Path, BeforeValidator(_file)] | None = None
    """Certificates of authorities that are trusted besides those of the system."""

    @validates("api_key")
    @classmethod
    def _openai_wants_a_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # pydantic validates in the order of declaration, so base_url is already there.
        if key is None and urlsplit(info.data.get("base_url", "")).hostname == OPENAI:
            raise ValueError(
                "is not set: set it to a key of OpenAI, or OPENAI_BASE_URL to another server"
            )
        return key

    @property
    def key(self) -> str:
        """The key in the clear, for requests; empty if there is none."""
        return self.api_key.get_secret_value() if self.api_key else ""
