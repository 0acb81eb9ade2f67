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
"""The name of one intent, unique within the bot's account."""

MARKER_TYPE: Final = "io.surfaces.room"
MARKER_VERSION: Final = 1
INSTANCE_TYPE: Final = "io.surfaces.instance"
"""The type of the account data that names the process which went live last."""
TRAITS_TYPE: Final = "io.surfaces.homeserver"
PROFILE_TYPE: Final = "io.surfaces.profile"
"""The type of the account data with what was found out about the homeserver."""
GENERATION_TYPE: Final = "io.surfaces.generation"
"""The type of the account data with the generation of the bot's database."""
SETTINGS_TYPE: Final = "io.surfaces.settings"
"""The type of the state event with a chat's settings. Its state key is the bot's own user id."""
ENCRYPTED_TYPE: Final = "m.room.encrypted"
"""The type of an encrypted message, which the bot can't read."""

PAIR: Final = 2
"""The number of members of a room that holds only the bot and one person."""


class RoomKind(StrEnum):
    """The kinds of rooms that the bot manages."""

    CHAT = "chat"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Instance:
    """One run of a process that uses the bot's account. `where` describes the process to people."""

    boot: str
    where: str


@dataclass(frozen=True, slots=True)
class Generation:
    """A sign that a database and a homeserver belong together; both keep the same one.

    The bot replaces it again and again. `count` grows each time, so that of two generations the
    older one can be told.
    """

    id: str
    count: int


@dataclass(frozen=True, slots=True)
class StoredGeneration:
    """The generation in the database, and the account that the database belongs to.

    `coming` is set while the homeserver may have either it or `current`: it is stored before the
    homeserver is told. No generation had a higher count than `highest`.
    """

    account: UserId
    current: Generation | None = None
    coming: Generation | None = None
    highest: int = 0


@dataclass(frozen=True, slots=True)
class Marker:
    """What the bot wrote into a room to say what the room is.

    A chat's marker has `chat_id`, `space_id`, `platform_chat_id` and `archived`. A Space's marker
    has `next_chat_index`, the high-water mark: no chat number below it is given out again. `intent`
    is the nonce of the intent that created the room.
    """

    kind: RoomKind
    owner: UserId
    chat_id: ChatId | None = None
    space_id: RoomId | None = None
    platform_chat_id: PlatformChatId | None = None
    archived: bool = False
    next_chat_index: int | None = None
    intent: Nonce | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """What the owner has set for one chat. None leaves a setting to the platform.

    `temperature` is between 0 and 2. `stream`: an answer may be shown while it grows.
    `answer_edits`: an edit of the last question is answered anew.
    """

    model: str | None = None
    system: str | None = None
    temperature: float | None = None
    stream: bool = True
    answer_edits: bool = False


DEFAULT_CHAT_SETTINGS: Final = ChatSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceSettings:
    """What a Space keeps about its owner.

    `language` is the one that the owner chose; None leaves it to the bot. `follows_owner`: the bot
    named the Space after its owner, and keeps it so until a person renames it.
    """

    language: str | None = None
    follows_owner: bool = False


DEFAULT_SPACE_SETTINGS: Final = SpaceSettings()


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
class SharedFile:
    """A file in a room: its `mxc://` address, and what the message says about it.

    `mxc` is empty if the bot can't read the file: it is `encrypted`, or has no valid address.
    `size` is in bytes; 0 if the message does not say it. `voice` says that it is a voice message.
    """

    mxc: str
    name: str
    mime_type: str
    size: int = 0
    voice: bool = False
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message of a person, of any type. A message without a body has an empty `body`.

    `msgtype` is the `msgtype` of an `m.room.message`, and the event type of any other event.
    `sent_ts` is in milliseconds since the epoch. `thread` is the root of the message's thread.
    `reply_to` is the event that the message replies to, and `quoted` that event's text if the
    message quotes it. `mentions_bot` says that the message mentions the bot.
    """

    event_id: EventId
    room_id: RoomId
    sender: UserId
    sent_ts: int
    msgtype: str
    body: str
    is_edit: bool = False
    thread: EventId | None = None
    reply_to: EventId | None = None
    quoted: str = ""
    mentions_bot: bool = False
    file: SharedFile | None = None
    edits: EventId | None = None
    """The message that this one edits."""


class ReplyState(StrEnum):
    """The states of an answer, as its reply mark says them."""

    LIVE = "live"
    """The answer is still growing."""
    DONE = "done"
    STOPPED = "stopped"
    """The owner stopped the answer: it counts as far as it goes."""
    FAILED = "failed"
    """No answer came; the message says so."""


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """The tokens that one answer took, with the model that gave it."""

    model: str
    prompt: int
    completion: int


class OutboundKind(StrEnum):
    """The kinds of what the bot sends into a room."""

    MESSAGE = "message"
    ANCHOR = "anchor"
    """The beginning of a part of an answer that still grows. Later edits change this message."""
    LIVE = "live"
    """An edit of an anchor while the answer grows. It is never stored."""
    FINAL = "final"
    """The edit of an anchor that ends it. If the anchor was refused, it is a plain message."""
    REDACTION = "redaction"
    """Takes an anchor back that the answer does not need."""


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message to send. The homeserver sends one `txn_id` of the bot's device only once.

    `html` is the body as HTML of a Matrix message; empty if it is plain. `state` is that of the
    reply mark; None leaves it to the transaction id. `more` says that further parts of the answer
    follow. `tokens` stand in an answer's first part. `forgets` marks the notice before which the
    conversation is forgotten. `file` was uploaded before; the message shows it.

    `thread` is the root of the thread to send it in; `reply_to` is the event that it replies to.
    `tried` is the first attempt to send it, if there was one.

    `edits` is the transaction id of the anchor that it changes, and `target` the anchor's event.
    The store fills in `target` when it reads an unsent message: None if the anchor was refused.
    """

    txn_id: str
    room_id: RoomId
    body: str
    notice: bool = False
    thread: EventId | None = None
    reply_to: EventId | None = None
    tried: "Attempt | None" = None
    html: str = ""
    state: ReplyState | None = None
    tokens: TokensUsed | None = None
    forgets: bool = False
    file: SharedFile | None = None
    more: bool = False
    kind: OutboundKind = OutboundKind.MESSAGE
    edits: str | None = None
    target: EventId | None = None


@dataclass(frozen=True, slots=True)
class HomeserverTraits:
    """What was found out about the homeserver; None is not known yet.

    `deduplicates`: a repeated transaction id sends nothing new. `bundles`: a message comes with its
    newest edit.
    """

    deduplicates: bool | None = None
    bundles: bool | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """When and with which session a message was first sent.

    `at` is in seconds since the epoch. `by` names the session: a homeserver remembers transaction
    ids for each session of its own.
    """

    at: float
    by: str


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite to the bot that waits on the homeserver.

    `inviter` is the bot itself if the homeserver does not say who invited it.
    """

    room_id: RoomId
    inviter: UserId


class IntentStep(StrEnum):
    """The progress of an intent. Each step may be repeated without harm."""

    WANTED = "wanted"
    """Decided; nothing has been done on the homeserver."""
    CREATING = "creating"
    """The chat id is reserved, and createRoom may have been sent: search for the nonce first."""
    CREATED = "created"
    """The room exists and has rows; its link and its invite may be missing."""
    DONE = "done"


class IntentKind(StrEnum):
    """The kinds of intents."""

    INVITED = "invited"
    """Answer an invite: join the room and onboard its owner, or reject the invite."""
    ONBOARD = "onboard"
    """Give the owner a Space and a first chat, or invite them back to theirs."""
    SPACE = "space"
    """Create the owner's Space."""
    FIRST_CHAT = "first_chat"
    """Create the chat that comes with a new Space."""
    CHAT = "chat"
    """Create a chat that the owner asked for."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A promise to an owner that takes several requests. It is stored until it is carried out.

    `reply_room` is the room in which the owner asked, and `reply_thread` the thread there; None
    means that the bot has no room to reply in. `name` is the name that the owner asked for.
    `started_at` is the time of the latest createRoom attempt, in seconds since the epoch, and
    `epoch` that of the lead under which it was made.
    `told_queued` says that the owner was told that the intent has to wait. `asked_at` is when the
    owner asked, in seconds since the epoch; those that wait are served in its order.
    """

    nonce: Nonce
    owner: UserId
    kind: IntentKind
    step: IntentStep
    reply_room: RoomId | None = None
    reply_thread: EventId | None = None
    name: str | None = None
    chat_id: ChatId | None = None
    platform_chat_id: PlatformChatId | None = None
    room_id: RoomId | None = None
    started_at: float | None = None
    told_queued: bool = False
    asked_at: float | None = None
    epoch: int = 0
