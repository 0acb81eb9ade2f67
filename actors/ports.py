"""The interfaces of the core to the outside. Their errors are in `actors.port_errors`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.anchors import Anchor, LiveAnchor
from actors.model import (
    ChatId,
    EventId,
    Generation,
    HomeserverTraits,
    InboundMessage,
    Instance,
    Intent,
    Invite,
    Marker,
    Nonce,
    OutboundMessage,
    PlatformChatId,
    RoomId,
    StoredGeneration,
    UserId,
)
from actors.own_account import OwnAccount
from actors.room_contents import RoomContents
from actors.row_trust import RowTrust
from actors.said import Said, TimelineEvent
from actors.snapshots import RoomSnapshot
from actors.writes import JsonObject, OpenGap, Write


@dataclass(frozen=True, slots=True)
class RoomDelta:
    """What one sync response says about one joined room."""

    room_id: RoomId
    messages: tuple[InboundMessage, ...] = ()
    state_changed: bool = False
    """State that a RoomSnapshot is made of has changed."""
    gap_from: str | None = None
    """Messages before this token are missing: the timeline is limited, or shows the bot's join."""
    replacement: RoomId | None = None
    """The room that this room was upgraded to just now."""
    answered: frozenset[EventId] = frozenset()
    """The messages that the bot's own messages in the same timeline answer."""
    said: tuple[TimelineEvent, ...] = ()
    """All that was said, edited and redacted, the bot's own messages among it, oldest first."""
    names: Mapping[UserId, str] = field(default_factory=dict)
    """The display names of people who joined or changed theirs."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages that a timeline left out, oldest first, since the bot last joined the room.

    `rejoined` says that the bot left the room within the gap and came back: messages and replies
    that were queued for the room before that are void. `answered` is that of RoomDelta.
    """

    messages: tuple[InboundMessage, ...] = ()
    rejoined: bool = False
    start: str | None = None
    """The token from which older messages of the gap can be read; None if there are none."""
    begins: str | None = None
    """If the bot came back to the room: the position of that."""
    answered: frozenset[EventId] = frozenset()
    live: tuple[LiveAnchor, ...] = ()
    """The anchors among the bot's messages, oldest first; without those that came with an end."""
    redacted: frozenset[EventId] = frozenset()
    """The events that were redacted meanwhile, wherever they stand."""


@dataclass(frozen=True, slots=True)
class RecentPage:
    """A part of a room's timeline, newest first. None stands for a message of the bot's own.

    A message that shows a growing answer is left out. `earlier` is the token of the page before;
    None at the bot's join. `answered` is that of RoomDelta. `own` are the bot's messages and edits
    in it, and `deleted` the shown transaction ids of those that were redacted. `redacted` are the
    events that were redacted there, and `taken_back` those by the bot itself.
    """

    said: tuple[InboundMessage | None, ...] = ()
    earlier: str | None = None
    answered: frozenset[EventId] = frozenset()
    own: tuple[Said, ...] = ()
    taken_back: frozenset[EventId] = frozenset()
    deleted: frozenset[str] = frozenset()
    redacted: frozenset[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class SyncDelta:
    """One /sync response. `left` are rooms that the bot left or was removed from."""

    next_batch: str
    rooms: tuple[RoomDelta, ...] = ()
    invites: tuple[Invite, ...] = ()
    left: tuple[RoomId, ...] = ()
    malformed: int = 0
    """The number of parts that could not be decoded and were left out."""
    instance: Instance | None = None
    """The instance that was announced last, if this response names one."""
    malformed_at: tuple[str, ...] = ()
    """Where the first malformed parts stood: room ids and names of fields."""


@dataclass(frozen=True, slots=True)
class Hydration:
    """The state of every joined room, and the position from which /sync goes on."""

    position: str
    snapshots: tuple[RoomSnapshot, ...]
    invites: tuple[Invite, ...] = ()
    unreadable: Mapping[RoomId, str] | None = None
    """Joined rooms with a state that could not be read, each with the reason."""
    malformed: int = 0
    malformed_at: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewRoom:
    """A room to create: a Space, or a chat in `marker.space_id`. The marker carries the nonce."""

    marker: Marker
    name: str
    topic: str = ""
    avatar: str = ""


class Homeserver(Protocol):
    """The homeserver, as the bot's account sees it.

    Unless it says otherwise, every method may raise HomeserverUnavailable, RefusedForNow among
    it, RateLimited, HomeserverRefused, RefusedUnclearly among it, or SessionRevoked.
    """

    @property
    def me(self) -> UserId:
        """The bot's user id, as configured. `log_in` confirms it."""
        ...

    @property
    def contents(self) -> RoomContents:
        """The messages, settings and files in rooms."""
        ...

    @property
    def own_account(self) -> OwnAccount:
        """How people see the bot's account."""
        ...

    async def log_in(self) -> str:
        """Resume the stored session, or else log in; a text for the log that says which.

        Also raises CredentialsRefused.
        """
        ...

    async def probe(self) -> None:
        """Return only after a request that needs the session has succeeded."""
        ...

    async def try_writing(self, room_id: RoomId) -> None:
        """Return if the account may write: ask for a change that the auth rules forbid to everyone.

        A homeserver that refuses the account raises RefusedForNow before it looks at the rules.
        """
        ...

    async def hydrate(self) -> Hydration:
        """Read the state of every joined room, and the position that belongs to it."""
        ...

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait up to `timeout_s` seconds for news since a position. Also raises PositionLost."""
        ...

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages from `token` back to `stop_at`: each time the same ones."""
        ...

    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        """One page of what was said before `token`, since the bot's latest join."""
        ...

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """The whole state of one joined room. HomeserverRefused when the bot is not in it."""
        ...

    async def text_of(self, room_id: RoomId, event_id: EventId) -> str:
        """The text of a message in this room, as it is now; empty for an event without text.

        HomeserverRefused when the room has no such event.
        """
        ...

    async def joined_rooms(self) -> frozenset[RoomId]: ...

    async def inviter_of(self, room_id: RoomId) -> UserId | None:
        """The user who invited the bot to a room that it has joined, if the timeline shows it."""
        ...

    async def is_server_notices(self, room_id: RoomId) -> bool:
        """Whether the homeserver's own account writes its notices to the bot in this room."""
        ...

    async def encrypts_new_rooms(self) -> bool:
        """Whether the homeserver says that it encrypts new private rooms by default.

        False proves nothing: not every homeserver says it.
        """
        ...

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a private room. After HomeserverUnavailable the room may exist or not."""
        ...

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None: ...

    async def set_name(self, room_id: RoomId, name: str) -> None: ...

    async def link(self, space_id: RoomId, room_id: RoomId, order: str = "") -> None:
        """List a room in a Space (`m.space.child`), at the place that `order` says."""
        ...

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """Remove a room from a Space's list."""
        ...

    async def join(self, room_id: RoomId) -> None: ...

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room, or reject an invite to it."""
        ...

    async def forget(self, room_id: RoomId) -> None: ...

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite a person. A person who is already in the room is no error."""
        ...

    async def let_in(self, room: RoomSnapshot, members_of: Collection[RoomId]) -> None:
        """Let people ask to join a room (knock), and let the members of other rooms join it."""
        ...

    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message, an edit or a redaction. A repeated transaction id sends nothing new."""
        ...

    async def find_sent(self, message: OutboundMessage) -> EventId | None:
        """The bot's own event with this message's transaction id, sent since its first attempt."""
        ...

    @property
    def session(self) -> str:
        """The name of the session. The homeserver may forget transaction ids with the session."""
        ...

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        """Whether the homeserver shows this event to the bot."""
        ...

    async def generation(self) -> Generation | None:
        """The generation in the account data; None if there is none."""
        ...

    async def keep_generation(self, generation: Generation) -> None:
        """Write the generation into the account data."""
        ...

    async def traits(self) -> HomeserverTraits:
        """What was found out about the homeserver, from the account data."""
        ...

    async def keep_traits(self, traits: HomeserverTraits) -> None:
        """Write into the account data what was found out about the homeserver."""
        ...

    async def announce(self, instance: Instance) -> None:
        """Announce this instance to every process on the account, see `SyncDelta.instance`."""
        ...

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None: ...

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None: ...

    async def close(self) -> None:
        """Close connections. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting inbox message, with its failed attempts. `has_anchors`: its answer has begun."""

    message: InboundMessage
    attempts: int
    has_anchors: bool = False
    accepted_at: float = field(default=0.0, compare=False)
    """In seconds since the epoch."""


class StateStore(RowTrust, Protocol):
    """The cache, and the queues beside it. Every method may raise StoreUnavailable."""

    async def commit(self, writes: Sequence[Write]) -> None:
        """Carry out all writes in order, or none of them. Also raises OutdatedWrite.

        After the return, a kill of the process loses none of them. A loss of power may lose the
        newest commits, the position included; but never an intent or a generation, nor anything
        that was committed before one. When the caller is cancelled, either all of its writes are
        carried out or none.
        """
        ...

    async def row(self, key: str) -> JsonObject | None:
        """One row; None for an absent row and for a value that is not a JSON object."""
        ...

    async def rows(self, prefix: str) -> dict[str, JsonObject | None]:
        """The rows with keys that start with `prefix`; None for a value that is no JSON object."""
        ...

    async def keys(self, prefix: str) -> tuple[str, ...]:
        """The keys that start with `prefix`, in order, with readable values or not."""
        ...

    async def position(self) -> str | None: ...

    async def generation(self) -> StoredGeneration | None:
        """The generation, and the account that the database belongs to; None before the first."""
        ...

    async def known_of(self, event_ids: Collection[EventId]) -> frozenset[EventId]:
        """Those of some messages that the inbox knows, in any state."""
        ...

    async def newest_event(self) -> tuple[RoomId, EventId] | None:
        """The event that was accepted into the inbox or sent last, with its room."""
        ...

    async def gaps(self) -> tuple[OpenGap, ...]:
        """The gaps that are not filled yet, at most one for each room."""
        ...

    async def waiting(self, room_id: RoomId, limit: int) -> tuple[Waiting, ...]:
        """The waiting inbox messages of a room, at most `limit`, in the order of acceptance."""
        ...

    async def waiting_counts(self) -> dict[RoomId, int]:
        """The number of waiting inbox messages in each room that has any, the oldest one first."""
        ...

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        """The unsent outbox messages of a room, at most `limit`, in order."""
        ...

    async def anchors(self, question: EventId) -> tuple[Anchor, ...]:
        """The anchors of the answer to a question, in the order in which they were opened."""
        ...

    async def unsent_counts(self) -> dict[RoomId, int]:
        """The number of unsent outbox messages in each room that has any, the oldest one first."""
        ...

    async def has_sent(self, event_id: EventId) -> bool:
        """Whether an event is a message that the bot sent, as far as sent messages are kept."""
        ...

    async def open_intents(self, owner: UserId) -> tuple[Intent, ...]:
        """An owner's intents that are not done, oldest first."""
        ...

    async def intent_owners(self) -> tuple[UserId, ...]:
        """The owners with an intent that is not done."""
        ...

    async def verify(self) -> None:
        """Return if the database really keeps what is written to it. Also raises StoreCorrupt."""
        ...

    async def prune(self, *, before: float) -> int:
        """Delete the settled inbox and outbox rows from before a time; the number of them.

        `before` is in seconds since the epoch. Waiting, unsent and dead messages stay, and so do
        the inbox messages of a room with a gap, because the gap may contain them.
        """
        ...


class Ids(Protocol):
    """The source of new ids."""

    def nonce(self) -> Nonce: ...

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId: ...
