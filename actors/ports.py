"""What the core needs from outside, and the errors that may come from there.

Errors are translated into this family once, in the adapter that implements the port.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from actors.model import (
    ChatId,
    EventId,
    InboundMessage,
    Instance,
    Intent,
    Invite,
    Marker,
    Nonce,
    OutboundMessage,
    PlatformChatId,
    RoomId,
    RoomSnapshot,
    UserId,
)
from actors.runtime.table import Transition
from actors.writes import JsonObject, OpenGap, Write


class PortError(Exception):
    """Base of everything a port raises on purpose."""


class HomeserverUnavailable(PortError):
    """No answer, or none that means anything: connection, timeout, 5xx, a body that is not Matrix.

    Nothing is known about the request: it may have been carried out. Wait and look again.
    """


class RateLimited(PortError):
    """429. Nothing was done; try again after `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"rate limited for {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class HomeserverRefused(PortError):
    """A clear no (4xx) to this request. Repeating it as it is makes no sense."""

    def __init__(self, status: int, errcode: str, message: str) -> None:
        super().__init__(f"{status} {errcode}: {message}")
        self.status = status
        self.errcode = errcode
        self.message = message


class SessionRevoked(PortError):
    """The access token is no longer good (M_UNKNOWN_TOKEN). Log in again under the same device."""


class CredentialsRefused(PortError):
    """The homeserver will not let this account in. No waiting helps; the text says what does."""


class PositionLost(PortError):
    """The sync position is not known to the server any more. Hydrate from scratch."""


class StoreUnavailable(PortError):
    """The database cannot be read or written now (locked, read-only, disk full). Wait and retry."""


class StoreCorrupt(PortError):
    """The database file is damaged. Move it aside and rebuild from the homeserver."""


class PlatformFailed(PortError):
    """The chat platform gave no answer to this message. Retry with the same idempotency key."""


@dataclass(frozen=True, slots=True)
class RoomDelta:
    """What a sync said of one joined room."""

    room_id: RoomId
    messages: tuple[InboundMessage, ...] = ()
    state_changed: bool = False
    """Some state that a RoomSnapshot is made of has changed."""
    gap_from: str | None = None
    """Messages before this token are missing: the timeline was limited, or shows our own join."""
    replacement: RoomId | None = None
    """The room was upgraded to this one just now."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a limited timeline left out: messages, oldest first, since we last joined the room.

    `rejoined`: we had left it within the gap; what was queued for the room before that is void.
    """

    messages: tuple[InboundMessage, ...] = ()
    rejoined: bool = False


@dataclass(frozen=True, slots=True)
class SyncDelta:
    """One /sync response. `left` are rooms that we left or were removed from."""

    next_batch: str
    rooms: tuple[RoomDelta, ...] = ()
    invites: tuple[Invite, ...] = ()
    left: tuple[RoomId, ...] = ()
    malformed: int = 0
    """Events that could not be decoded and were skipped."""
    instance: Instance | None = None
    """Who announced itself last, if anybody has."""


@dataclass(frozen=True, slots=True)
class Hydration:
    """Every joined room's state and the position from which /sync goes on."""

    position: str
    snapshots: tuple[RoomSnapshot, ...]
    invites: tuple[Invite, ...] = ()
    unreadable: Mapping[RoomId, str] | None = None
    """Joined rooms whose state could not be read, with the reason."""
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to create: a Space, or a chat in `marker.space_id`. The marker carries the nonce."""

    marker: Marker
    name: str
    topic: str = ""


class Homeserver(Protocol):
    """The homeserver, as one bot account sees it.

    Unless a method says otherwise it raises HomeserverUnavailable, RateLimited,
    HomeserverRefused or SessionRevoked.
    """

    @property
    def me(self) -> UserId:
        """Our own user id, as configured; confirmed by `log_in`."""
        ...

    async def log_in(self) -> str:
        """Resume the stored session, else log in; answer how (for the log).

        Also raises CredentialsRefused.
        """
        ...

    async def probe(self) -> None:
        """Return only after a request that needs the session has really succeeded."""
        ...

    async def hydrate(self) -> Hydration:
        """Read every joined room's state, and the position that goes with it."""
        ...

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait up to `timeout_s` seconds for news since a position. Also raises PositionLost."""
        ...

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages of a gap: backwards from `token` to `stop_at`."""
        ...

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """One joined room's whole state. HomeserverRefused when we are not (or no longer) in it."""
        ...

    async def joined_rooms(self) -> frozenset[RoomId]: ...

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a private room. HomeserverUnavailable leaves it open whether the room exists."""
        ...

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None: ...

    async def set_name(self, room_id: RoomId, name: str) -> None: ...

    async def link(self, space_id: RoomId, room_id: RoomId) -> None:
        """List a room in a Space (`m.space.child`)."""
        ...

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """List a room in a Space no longer."""
        ...

    async def join(self, room_id: RoomId) -> None: ...

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room, or reject an invite to it."""
        ...

    async def forget(self, room_id: RoomId) -> None: ...

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite somebody. Somebody who is already in the room is no error."""
        ...

    async def send(self, message: OutboundMessage) -> EventId: ...

    async def announce(self, instance: Instance) -> None:
        """Tell everybody who uses our account that we do, see `SyncDelta.instance`."""
        ...

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None: ...

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None: ...

    async def close(self) -> None:
        """Close connections. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """An inbox message that waits, with the number of attempts that failed."""

    message: InboundMessage
    attempts: int


class StateStore(Protocol):
    """The rebuildable cache, and the queues beside it. Every method may raise StoreUnavailable."""

    async def commit(self, writes: Sequence[Write]) -> None:
        """Carry out all the writes, in order, or none.

        On return a kill takes none of them back. A loss of power may, the newest first and the
        position with them; but never an intent, nor anything that was committed before it.
        A cancelled caller's writes are either wholly in or wholly out.
        """
        ...

    async def row(self, key: str) -> JsonObject | None:
        """One row; None where it is absent or is not a JSON object."""
        ...

    async def rows(self, prefix: str) -> dict[str, JsonObject | None]:
        """The rows whose key starts so, by key. None for a value that is not a JSON object."""
        ...

    async def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that start so, in order, whatever their rows say."""
        ...

    async def position(self) -> str | None: ...

    async def gaps(self) -> tuple[OpenGap, ...]:
        """Every room's gap that is not filled yet."""
        ...

    async def waiting(self, room_id: RoomId, limit: int) -> tuple[Waiting, ...]:
        """Inbox messages of a room that wait, in the order of their acceptance."""
        ...

    async def waiting_rooms(self) -> tuple[RoomId, ...]: ...

    async def waiting_count(self) -> int:
        """How many inbox messages wait, in all rooms."""
        ...

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        """Outbox messages of a room that are not confirmed, in order."""
        ...

    async def unsent_rooms(self) -> tuple[RoomId, ...]: ...

    async def unsent_count(self) -> int:
        """How many outbox messages are not confirmed, in all rooms."""
        ...

    async def open_intents(self, owner: UserId) -> tuple[Intent, ...]:
        """An owner's intents that are not done, oldest first."""
        ...

    async def intent_owners(self) -> tuple[UserId, ...]:
        """Everybody who has an intent that is not done."""
        ...

    async def verify(self) -> None:
        """Return while what is written is really kept. Also raises StoreCorrupt."""
        ...

    async def prune(self, *, before: float) -> int:
        """Delete settled inbox and outbox rows from before a time; answer how many.

        `before` is in seconds since the epoch. What waits, is unsent or was given up stays.
        """
        ...


class Journal(Protocol):
    """The record of transitions. It survives a reset."""

    async def append(self, *transitions: Transition) -> None:
        """Add transitions in their order; a kill loses none of them. May raise StoreUnavailable."""
        ...


class Platform(Protocol):
    """The chat platform behind the rooms."""

    async def reply(self, chat: PlatformChatId, text: str, idempotency_key: EventId) -> str:
        """Answer one message. Repeating a key gives the same answer once. Raises PlatformFailed."""
        ...


class Ids(Protocol):
    """Where new ids come from; seeded in tests."""

    def nonce(self) -> Nonce: ...

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId: ...
