"""The values that the simulated server stores: events and records of requests. No behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.model import EventId, RoomId, UserId

Content: TypeAlias = Mapping[str, object]
"""The `content` of an event."""

MALFORMED: Final[Content] = {}
"""Stands for a content that isn't a JSON object. It is compared by identity."""

StateEntry: TypeAlias = tuple[str, str, Content]
"""Type, state key and content of one entry of `initial_state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a room. `position` is its place in the server's stream, from 1.

    `state_key` is None for a message. `prev_content` is the content of the state event that this
    one replaced. `txn_id` is the transaction id that the client gave a message, if any. A
    `redacted` event has lost its content.
    """

    event_id: EventId
    room_id: RoomId
    sender: UserId
    type: str
    content: Content
    origin_server_ts: int
    position: int
    state_key: str | None = None
    prev_content: Content | None = None
    txn_id: str | None = None
    redacted: bool = False


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """The record of a writing request that reached the server.

    `action` is the name of the port's method. `events` counts the events that it added: 0 for a
    repeated transaction, for unchanged state, and for requests that add no event. `at` is in
    seconds since the epoch.
    """

    at: float
    user_id: UserId
    action: str
    room_id: RoomId | None
    events: int = 0
    refused: bool = False
