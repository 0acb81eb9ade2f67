"""The variables of the platform `webhook`."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from actors.platform import DEFAULT_CONTEXT_TOKENS
from adapter.platform.unquoted import unquoted
from adapter.platform.webhook.signature import keys_in

_MIME_PATTERN: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/(?:\*|[a-z0-9!#$&^_.+-]+)|\*/\*")
_LEAST_CONTEXT: Final = 256


def _url(text: str) -> str:
    unquoted(text)
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").encode("idna")
        is_url = parts.scheme in {"http", "https"} and host and parts.port != 0
    except ValueError:  # UnicodeError of an impossible host name as well
        is_url = False
        parts = urlsplit("")
    if not is_url or re.search(r"[\s\\<>^`{|}\"]", text):
        raise ValueError("is not a URL: write it like https://chat.example.org/ask")
    if parts.username is not None or parts.password is not None:
        raise ValueError("contains a user name: remove it, WEBHOOK_SECRET signs the requests")
    return text.partition("#")[0]


def _secret(secret: SecretStr) -> SecretStr:
    keys_in(unquoted(secret.get_secret_value()))
    return secret


def _patterns(value: object) -> object:
    if not isinstance(value, str):
        return value
    patterns = tuple(part for each in value.split(",") if (part := each.strip().lower()))
    for pattern in patterns:
        if not _MIME_PATTERN.fullmatch(pattern):
            raise ValueError(f"has {pattern!r}: write types like image/*, application/pdf")
    return patterns


class WebhookSettings(BaseSettings):
    """The settings of the platform `webhook`. The description of a field is what to set it to."""

    model_config = SettingsConfigDict(
        env_prefix="WEBHOOK_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    url: Annotated[str, AfterValidator(_url)] = Field(
        description="the receiver's URL, like https://chat.example.org/ask"
    )
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = None
    """The secret of the signature; two of them, separated by a blank, while one replaces the other.
    Without it, requests are not signed."""
    keeps_history: bool = False
    """The receiver remembers conversations: it gets only the question, unless `fresh` is true."""
    context_tokens: Annotated[int, Field(ge=_LEAST_CONTEXT)] = DEFAULT_CONTEXT_TOKENS
    """How many tokens of a conversation the receiver gets, at most."""
    accepts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_patterns)] = ()
    """The MIME types of the attachments that the receiver gets; none without it."""
