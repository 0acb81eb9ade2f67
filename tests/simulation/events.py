"""What the simulated server keeps: events and the record of requests. No behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.model import EventId, RoomId, UserId

Content: TypeAlias = Mapping[str, object]
"""The `content` of an event."""

MALFORMED: Final[Content] = {}
"""Stands for a content that isn't a JSON object. It is known by identity."""

StateEntry: TypeAlias = tuple[str, str, Content]
"""Type, state key and content of one entry of `initial_state`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as it stands in a room, `position` being its place in the server's stream.

    `state_key` is None for a message. `prev_content` is the content of the state event that this
    one replaced, `txn_id` the transaction id of a message that a client gave one.
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


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One request of a client that writes and that reached the server.

    `action` is the name of the port's method. `events` counts the events that it added: 0 for a
    repeated transaction, for state that was so already, and for what isn't an event at all.
    `at` is in seconds since the epoch.
    """

    at: float
    user_id: UserId
    action: str
    room_id: RoomId | None
    events: int = 0
    refused: bool = False
