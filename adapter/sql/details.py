"""The values that one column holds as JSON: the file of a message, and the details of an answer."""

from dataclasses import replace
from typing import Final

import msgspec

from actors.model import OutboundMessage, ReplyState, SharedFile, TokensUsed

NONE: Final = "{}"
"""The details of a plain message."""


class _Details(msgspec.Struct, frozen=True, omit_defaults=True):
    html: str = ""
    state: ReplyState | None = None
    tokens: TokensUsed | None = None
    forgets: bool = False
    file: SharedFile | None = None
    more: bool = False


def details_of(message: OutboundMessage) -> str:
    """The details of a message, for its row in the outbox."""
    details = _Details(
        message.html,
        message.state,
        message.tokens,
        message.forgets,
        message.file,
        message.more,
    )
    return msgspec.json.encode(details).decode()


def with_details(message: OutboundMessage, encoded: str) -> OutboundMessage:
    """A message from the outbox, with the details in its row."""
    if encoded == NONE:
        return message
    details = msgspec.json.decode(encoded, type=_Details)
    return replace(message, **msgspec.structs.asdict(details))


def encoded_file(file: SharedFile | None) -> str | None:
    """A file as JSON."""
    return None if file is None else msgspec.json.encode(file).decode()


def decoded_file(encoded: str | None) -> SharedFile | None:
    """A file from JSON."""
    return None if encoded is None else msgspec.json.decode(encoded, type=SharedFile)
