"""The values that travel between the homeserver, the actors and the store. No behaviour, no I/O."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType

RoomId = NewType("RoomId", str)
"""A Matrix room id, unique among all servers. Opaque: room version 12 ids have no server part."""

UserId = NewType("UserId", str)
"""A Matrix user id such as `@alice:example.org`, unique among all servers."""

ChatId = NewType("ChatId", str)
"""`C1`, `C2`, …: unique within one owner, never given out twice."""

PlatformChatId = NewType("PlatformChatId", str)
"""The conversation's id on the chat platform, unique on that platform."""

EventId = NewType("EventId", str)
"""A Matrix event id, unique among all servers."""

Nonce = NewType("Nonce", str)
"""Names one intended creation; unique within the bot account."""

MARKER_TYPE: Final = "io.surfaces.room"
MARKER_VERSION: Final = 1
INSTANCE_TYPE: Final = "io.surfaces.instance"
"""The type of the account data in which a process that is live says so."""
ENCRYPTED_TYPE: Final = "m.room.encrypted"
"""The type of a message that only the people in the room can read."""

PAIR: Final = 2
"""Members of a room in which nobody is but one person and us."""


class RoomKind(StrEnum):
    """What a managed room is."""

    CHAT = "chat"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a process that uses the bot's account; `where` says to people which one."""

    boot: str
    where: str


@dataclass(frozen=True, slots=True)
class Marker:
    """What the bot wrote into a room to say what the room is.

    A chat has `chat_id`, `space_id`, `platform_chat_id` and `archived`; a Space has
    `next_chat_index`, the high-water mark: no id below it may be given out again.
    """

    kind: RoomKind
    owner: UserId
    chat_id: ChatId | None = None
    space_id: RoomId | None = None
    platform_chat_id: PlatformChatId | None = None
    archived: bool = False
    next_chat_index: int | None = None
    intent: Nonce | None = None


@dataclass(frozen=True, slots=True)
class RoomSnapshot:
    """What a joined room's state says, as far as it matters here.

    `marker` is filled only from an event whose state key and sender are both the bot itself;
    `marker_fault` says why such an event could not be read, `possible_owner` whom it names all the
    same. `children` are `m.space.child` links with a non-empty `via`; `parents` are
    `m.space.parent` links that the bot itself sent.
    `others` are joined or invited people other than the bot, as far as they were told: all up to a
    thousand of a room that was read alone, at most five of one that was read with the others;
    `member_count` counts everybody joined or invited, the bot included.
    """

    room_id: RoomId
    creator: UserId | None
    created_ts: int
    """Milliseconds since the epoch: `origin_server_ts` of `m.room.create`."""
    room_version: str = "1"
    is_space: bool = False
    predecessor: RoomId | None = None
    name: str | None = None
    marker: Marker | None = None
    marker_fault: str | None = None
    possible_owner: UserId | None = None
    tombstoned: bool = False
    replacement: RoomId | None = None
    children: frozenset[RoomId] = frozenset()
    parents: frozenset[RoomId] = frozenset()
    others: tuple[UserId, ...] = ()
    member_count: int = 1


@dataclass(frozen=True, slots=True)
class RoomMeta:
    """The row `matrix_room:{room_id}`."""

    room_type: RoomKind
    chat_id: ChatId | None
    display_name: str
    matrix_user_id: UserId
    space_id: RoomId
    platform_chat_id: PlatformChatId | None


@dataclass(frozen=True, slots=True)
class UserMeta:
    """The row `matrix_user:{mxid}`."""

    space_id: RoomId
    next_chat_index: int


@dataclass(frozen=True, slots=True)
class ChatContext:
    """The row `chat:{mxid}:{chat_id}`."""

    user_id: UserId
    chat_id: ChatId
    platform: str
    surface_ref: RoomId
    name: str
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One thing that somebody said. `body` is empty when it has none.

    `msgtype` is that of an `m.room.message`, and the event's type of anything else.
    """

    event_id: EventId
    room_id: RoomId
    sender: UserId
    sent_ts: int
    msgtype: str
    body: str
    is_edit: bool = False


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message to send. The server deduplicates by `txn_id` within our device."""

    txn_id: str
    room_id: RoomId
    body: str
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite to us that waits on the server."""

    room_id: RoomId
    inviter: UserId


class IntentStep(StrEnum):
    """How far an intent has come. Each step may be repeated without harm."""

    WANTED = "wanted"
    """Decided; nothing has been done on the server."""
    CREATING = "creating"
    """The chat id is reserved; createRoom may have been sent. Look for the nonce first."""
    CREATED = "created"
    """The room exists and is recorded; links and invites are still to be made."""
    DONE = "done"


class IntentKind(StrEnum):
    """What an intent is to bring about."""

    INVITED = "invited"
    """Answer an invite: join and onboard, or reject."""
    ONBOARD = "onboard"
    """Give the owner their Space and first chat, or show them the way back into it."""
    SPACE = "space"
    FIRST_CHAT = "first_chat"
    """The chat that comes with a new Space."""
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Intent:
    """Something promised to an owner that takes several requests, kept until it is done.

    `reply_room` is where the owner asked, None where nobody reads what is said; `name` is the name
    they asked for.
    `started_at` is the time (seconds since the epoch) of the last createRoom attempt.
    """

    nonce: Nonce
    owner: UserId
    kind: IntentKind
    step: IntentStep
    reply_room: RoomId | None = None
    name: str | None = None
    chat_id: ChatId | None = None
    platform_chat_id: PlatformChatId | None = None
    room_id: RoomId | None = None
    started_at: float | None = None
    told_queued: bool = False
