"""The shapes of the homeserver's answers, limited to the fields that the bot uses.

Decoding ignores unknown fields, and `lenient` says what becomes of odd ones. Rooms and events stay
undecoded (`Raw`) in answers with many of them.
"""

from typing import Annotated, Final, TypeAlias

import msgspec

from actors.model import Instance

ENCRYPTION_FORCED_FEATURE: Final = "io.element.e2ee_forced.private"
"""Synapse names it among its unstable features: whether it encrypts new private rooms."""

_EMPTY: Final = msgspec.Raw(b"{}")

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
Milliseconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
"""A time since the epoch, within the range of integers that Matrix allows."""


class Acknowledged(msgspec.Struct):
    """An answer with content that the bot does not use."""


class LoginFlow(msgspec.Struct):
    """One way to log in."""

    type: str = ""


class LoginFlows(msgspec.Struct):
    """`GET /login`: the ways to log in."""

    flows: list[LoginFlow]


class LoggedIn(msgspec.Struct):
    """`POST /login`."""

    user_id: Text
    access_token: Text
    device_id: str = ""


class WhoAmI(msgspec.Struct):
    """`GET /account/whoami`."""

    user_id: Text
    device_id: str | None = None


class Created(msgspec.Struct):
    """`POST /createRoom`."""

    room_id: Text


class Uploaded(msgspec.Struct):
    """`POST /upload`."""

    content_uri: Text


class MediaConfig(msgspec.Struct):
    """`GET /media/config`."""

    upload_size: int | None = msgspec.field(default=None, name="m.upload.size")


class Sent(msgspec.Struct):
    """`PUT /rooms/{id}/send/…`."""

    event_id: Text


class JoinedRooms(msgspec.Struct):
    """`GET /joined_rooms`. An account without rooms may get null."""

    joined_rooms: list[Text] | None


class Membership(msgspec.Struct):
    """The content of an `m.room.member` event."""

    membership: str = ""


class _RoomVersions(msgspec.Struct):
    default: str = ""


class _CapabilityMap(msgspec.Struct):
    room_versions: _RoomVersions = msgspec.field(
        name="m.room_versions", default_factory=_RoomVersions
    )


class Capabilities(msgspec.Struct):
    """`GET /capabilities`."""

    capabilities: _CapabilityMap = msgspec.field(default_factory=_CapabilityMap)

    @property
    def default_room_version(self) -> str:
        """The room version that the server uses by default; empty if the server names none."""
        return self.capabilities.room_versions.default


class Page(msgspec.Struct):
    """`GET /rooms/{id}/messages`. An empty page may be null.

    On the last page, `end` is absent; some homeservers write an empty text for that.
    """

    chunk: list[msgspec.Raw] | None
    end: str | None = None

    @property
    def earlier(self) -> str | None:
        """Where the page before this one ends; None if this page is the last one."""
        return self.end or None


class HistoryPage(Page):
    """`GET /rooms/{id}/messages` with `lazy_load_members`: also the senders' member events."""

    state: list[msgspec.Raw] = []


class Rooms(msgspec.Struct):
    """The rooms of a sync, by room id."""

    join: dict[str, msgspec.Raw] = {}
    invite: dict[str, msgspec.Raw] = {}
    leave: dict[str, msgspec.Raw] = {}


class EventList(msgspec.Struct):
    """A section that consists of events only."""

    events: list[msgspec.Raw] = []


class SyncResponse(msgspec.Struct):
    """`GET /sync`."""

    next_batch: Text
    rooms: Rooms = msgspec.field(default_factory=Rooms)
    account_data: EventList = msgspec.field(default_factory=EventList)


class InstanceData(msgspec.Struct):
    """An account data event of type `actors.model.INSTANCE_TYPE`."""

    content: Instance


class Timeline(msgspec.Struct):
    """A room's new events. `limited`: the server left out events before `prev_batch`."""

    events: list[msgspec.Raw] = []
    limited: bool = False
    prev_batch: str | None = None


class Summary(msgspec.Struct):
    """The members of a room. The server names `heroes` only if the room has no name.

    A number of joined members that is null is unknown.
    """

    heroes: list[str] | None = msgspec.field(name="m.heroes", default=None)
    joined: int | msgspec.UnsetType | None = msgspec.field(
        name="m.joined_member_count", default=msgspec.UNSET
    )
    invited: int | None = msgspec.field(name="m.invited_member_count", default=None)


class JoinedRoom(msgspec.Struct):
    """A room that the bot has joined."""

    state: EventList = msgspec.field(default_factory=EventList)
    timeline: Timeline = msgspec.field(default_factory=Timeline)
    summary: Summary | None = msgspec.field(default_factory=Summary)


class InvitedRoom(msgspec.Struct):
    """A room that the bot is invited to, as its stripped state."""

    invite_state: EventList = msgspec.field(default_factory=EventList)


class Hero(msgspec.Struct):
    """A member that clients use to name a room without a name."""

    user_id: str


class WindowRoom(msgspec.Struct):
    """A room in a sliding-sync window. A room with an `invite_state` is an invite."""

    required_state: list[msgspec.Raw] = []
    invite_state: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    heroes: list[Hero] | None = None
    joined_count: int | msgspec.UnsetType | None = msgspec.UNSET
    invited_count: int | None = None


class WindowList(msgspec.Struct):
    """A list of a sliding-sync answer: how many rooms it has, those outside of the window too."""

    count: int | None = None


class Window(msgspec.Struct):
    """`POST …/org.matrix.simplified_msc3575/sync`."""

    rooms: dict[str, msgspec.Raw] = {}
    lists: dict[str, WindowList] = {}


class Versions(msgspec.Struct):
    """`GET /versions`."""

    unstable_features: dict[str, object] = {}


class RoomTags(msgspec.Struct):
    """`GET /user/{id}/rooms/{id}/tags`."""

    tags: dict[str, object] = {}


class DeviceKeys(msgspec.Struct):
    """`POST /keys/query`: the devices with keys, by user id."""

    device_keys: dict[str, dict[str, msgspec.Raw]] = {}


class Unsigned(msgspec.Struct):
    """The data that the server adds to an event."""

    prev_content: msgspec.Raw = _EMPTY
    redacted_because: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    transaction_id: str | None = None
    relations: msgspec.Raw = msgspec.field(default=_EMPTY, name="m.relations")


class Event(msgspec.Struct):
    """An event. An event with a `state_key` is a state event.

    `redacts` is the event that a redaction empties; newer room versions have it in the content.
    """

    type: str
    sender: str
    content: dict[str, object] = {}
    state_key: str | None = None
    event_id: str = ""
    origin_server_ts: Milliseconds = 0
    redacts: str | None = None
    unsigned: Unsigned | None = None


class Relations(msgspec.Struct):
    """What a homeserver sends along with an event about others that relate to it.

    `newest_edit` is the whole event. Homeservers of earlier versions send only a part of it, which
    is left out.
    """

    newest_edit: Event | None = msgspec.field(default=None, name="m.replace")
