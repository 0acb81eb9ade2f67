"""The shapes of the homeserver's answers, as far as they are used. Unknown fields are ignored.

Rooms and events stay undecoded (`Raw`) in the answers that hold many of them.
"""

from typing import Final

import msgspec

from actors.model import Instance

_EMPTY: Final = msgspec.Raw(b"{}")


class Acknowledged(msgspec.Struct):
    """An answer whose content does not matter."""


class LoggedIn(msgspec.Struct):
    """`POST /login`."""

    user_id: str
    device_id: str
    access_token: str


class WhoAmI(msgspec.Struct):
    """`GET /account/whoami`."""

    user_id: str
    device_id: str | None = None


class Created(msgspec.Struct):
    """`POST /createRoom`."""

    room_id: str


class Sent(msgspec.Struct):
    """`PUT /rooms/{id}/send/…`."""

    event_id: str


class JoinedRooms(msgspec.Struct):
    """`GET /joined_rooms`."""

    joined_rooms: list[str]


class Membership(msgspec.Struct):
    """The content of an `m.room.member`."""

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
        """The room version that the server picks; empty where it does not say."""
        return self.capabilities.room_versions.default


class Page(msgspec.Struct):
    """`GET /rooms/{id}/messages`. `end` is absent at the end of what there is."""

    chunk: list[msgspec.Raw] = []
    end: str | None = None


class Rooms(msgspec.Struct):
    """The rooms of a sync, by room id."""

    join: dict[str, msgspec.Raw] = {}
    invite: dict[str, msgspec.Raw] = {}
    leave: dict[str, msgspec.Raw] = {}


class EventList(msgspec.Struct):
    """A section that has nothing but events."""

    events: list[msgspec.Raw] = []


class SyncResponse(msgspec.Struct):
    """`GET /sync`."""

    next_batch: str
    rooms: Rooms = msgspec.field(default_factory=Rooms)
    account_data: EventList = msgspec.field(default_factory=EventList)


class InstanceData(msgspec.Struct):
    """Account data of the type that we ask for."""

    content: Instance


class Timeline(msgspec.Struct):
    """What happened; `limited` when events before `prev_batch` were left out."""

    events: list[msgspec.Raw] = []
    limited: bool = False
    prev_batch: str | None = None


class Summary(msgspec.Struct):
    """Who is in a room. `heroes` are told only where the room has no name."""

    heroes: list[str] | None = msgspec.field(name="m.heroes", default=None)
    joined: int | None = msgspec.field(name="m.joined_member_count", default=None)
    invited: int | None = msgspec.field(name="m.invited_member_count", default=None)


class JoinedRoom(msgspec.Struct):
    """A room that we are in."""

    state: EventList = msgspec.field(default_factory=EventList)
    timeline: Timeline = msgspec.field(default_factory=Timeline)
    summary: Summary = msgspec.field(default_factory=Summary)


class InvitedRoom(msgspec.Struct):
    """A room that we are invited to, by its stripped state."""

    invite_state: EventList = msgspec.field(default_factory=EventList)


class Hero(msgspec.Struct):
    """One of the people after whom a room without a name is called."""

    user_id: str


class WindowRoom(msgspec.Struct):
    """A room in a sliding-sync window: joined, or an invite when it has an `invite_state`."""

    required_state: list[msgspec.Raw] = []
    invite_state: list[msgspec.Raw] | None = None
    heroes: list[Hero] | None = None
    joined_count: int | None = None
    invited_count: int | None = None


class Window(msgspec.Struct):
    """`POST …/org.matrix.simplified_msc3575/sync`."""

    rooms: dict[str, msgspec.Raw] = {}


class Versions(msgspec.Struct):
    """`GET /versions`."""

    unstable_features: dict[str, object] = {}


class Unsigned(msgspec.Struct):
    """What the server adds to an event."""

    prev_content: msgspec.Raw = _EMPTY


class Event(msgspec.Struct):
    """An event; one with a `state_key` is a state event."""

    type: str
    sender: str
    content: dict[str, object]
    state_key: str | None = None
    event_id: str = ""
    origin_server_ts: int = 0
    unsigned: Unsigned | None = None
