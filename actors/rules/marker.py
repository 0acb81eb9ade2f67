"""Reads and writes the content of a marker. Pure. Reading copes with any JSON object."""

import re
from collections.abc import Callable, Mapping
from sys import intern
from typing import Final, TypeVar, assert_never

from actors.model import (
    MARKER_VERSION,
    ChatId,
    Marker,
    Nonce,
    PlatformChatId,
    RoomId,
    RoomKind,
    UserId,
)
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_number

_USER_ID: Final = re.compile(r"@[^:\s]*:[^\s]+")
_ID_LIMIT: Final = 255

Z = TypeVar("Z")


class _Fault(Exception):
    """The content is no marker. The text is the reason."""


def parse_marker(content: Mapping[str, object]) -> Marker | str:
    """The marker in a content, or a short reason why the content is none. Never raises.

    The reason repeats nothing of the content. Unknown fields are ignored.
    """
    try:
        return _parsed(content)
    except _Fault as fault:
        return str(fault)


def marker_content(marker: Marker) -> dict[str, object]:
    """The content that `parse_marker` reads as this marker."""
    common = {"version": MARKER_VERSION, "kind": marker.kind.value, "owner": marker.owner}
    content = {**common, **_kind_content(marker), "intent": marker.intent}
    return {key: value for key, value in content.items() if value is not None}


def owner_named(content: Mapping[str, object]) -> UserId | None:
    """The owner that a content names, even if the content is no marker."""
    owner = content.get("owner")
    return UserId(intern(owner)) if isinstance(owner, str) and is_user_id(owner) else None


def is_user_id(value: object) -> bool:
    """Whether a value is a string of the form `@local:server`."""
    return (
        isinstance(value, str) and len(value) <= _ID_LIMIT and _USER_ID.fullmatch(value) is not None
    )


def _kind_content(marker: Marker) -> dict[str, object]:
    match marker.kind:
        case RoomKind.CHAT:
            return {
                "chat_id": marker.chat_id,
                "space_id": marker.space_id,
                "platform_chat_id": marker.platform_chat_id,
                "archived": marker.archived,
            }
        case RoomKind.SPACE:
            return {"next_chat_index": marker.next_chat_index}
        case _:
            assert_never(marker.kind)


def _parsed(content: Mapping[str, object]) -> Marker:
    version = content.get("version")
    if type(version) is not int or version != MARKER_VERSION:
        raise _Fault("unknown version")
    kind = content.get("kind")
    if kind == RoomKind.CHAT.value:
        return _chat(content)
    if kind == RoomKind.SPACE.value:
        return _space(content)
    raise _Fault("unknown kind")


def _chat(content: Mapping[str, object]) -> Marker:
    return Marker(
        kind=RoomKind.CHAT,
        owner=_owner(content),
        chat_id=ChatId(_required(content, "chat_id", _chat_number)),
        space_id=RoomId(intern(_required(content, "space_id", _room_id))),
        platform_chat_id=_wrapped(PlatformChatId, _optional(content, "platform_chat_id", _text)),
        archived=_optional(content, "archived", _flag) or False,
        intent=_wrapped(Nonce, _optional(content, "intent", _text)),
    )


def _space(content: Mapping[str, object]) -> Marker:
    return Marker(
        kind=RoomKind.SPACE,
        owner=_owner(content),
        next_chat_index=_optional(content, "next_chat_index", _index),
        intent=_wrapped(Nonce, _optional(content, "intent", _text)),
    )


def _owner(content: Mapping[str, object]) -> UserId:
    owner = owner_named(content)
    if owner is None:
        raise _Fault("owner is not a user id")
    return owner


def _required(content: Mapping[str, object], key: str, read: Callable[[object], Z | None]) -> Z:
    value = _optional(content, key, read)
    if value is None:
        raise _Fault(f"{key} is missing")
    return value


def _optional(
    content: Mapping[str, object], key: str, read: Callable[[object], Z | None]
) -> Z | None:
    """A field as `read` returns it; None only if the field is absent or null."""
    raw = content.get(key)
    if raw is None:
        return None
    value = read(raw)
    if value is None:
        raise _Fault(f"{key} is not valid")
    return value


def _wrapped(wrap: Callable[[str], Z], value: str | None) -> Z | None:
    return None if value is None else wrap(value)


def _chat_number(raw: object) -> str | None:
    return raw if isinstance(raw, str) and chat_number(raw) is not None else None


def _room_id(raw: object) -> str | None:
    text = _text(raw)
    return text if text is not None and text.startswith("!") else None


def _text(raw: object) -> str | None:
    return raw if isinstance(raw, str) and 0 < len(raw) <= _ID_LIMIT else None


def _flag(raw: object) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _index(raw: object) -> int | None:
    return raw if type(raw) is int and 1 <= raw <= MAX_CHAT_NUMBER + 1 else None
