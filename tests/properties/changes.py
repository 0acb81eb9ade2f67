"""Changes of rooms while the bot runs or is away, as hypothesis strategies."""

from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st

from actors.model import MARKER_TYPE, RoomId
from actors.port_errors import HomeserverRefused
from actors.rules.marker import marker_content
from tests.properties.building import Built
from tests.properties.worlds import BOT, OWNERS
from tests.simulation.people import Person


class Kind(StrEnum):
    """What happens to a room."""

    RENAMED = "renamed"
    LISTED = "listed"
    UNLISTED = "unlisted"
    MARKER_REMOVED = "marker_removed"
    MARKER_RESTORED = "marker_restored"
    MARKER_UNREADABLE = "marker_unreadable"
    LEFT = "left"
    INVITED = "invited"
    UPGRADED = "upgraded"
    """Replaced by a room that the bot is invited to."""
    REPLACED = "replaced"
    """Replaced by a room that does not exist."""


@dataclass(frozen=True)
class Change:
    """Something happens to the room at a position among all rooms, and to another one."""

    kind: Kind
    room: int
    other: int


@dataclass(frozen=True)
class Life:
    """One run of the bot, which is killed `after_s` seconds after it began."""

    away: tuple[Change, ...]
    """What happens before it."""
    meanwhile: tuple[Change, ...]
    after_s: float


_changes = st.builds(
    Change, kind=st.sampled_from(Kind), room=st.integers(0, 7), other=st.integers(0, 7)
)
_some = st.lists(_changes, max_size=3).map(tuple)
lives = st.lists(
    st.builds(
        Life, away=_some, meanwhile=_some, after_s=st.sampled_from([0.01, 0.02, 0.05, 0.2, 2.0])
    ),
    min_size=1,
    max_size=3,
)


def happen(built: Built, change: Change) -> None:
    """Let a change happen, as far as the homeserver allows it."""
    rooms = sorted(built.server.rooms)
    room_id = rooms[change.room % len(rooms)]
    try:
        _happen(built, change.kind, room_id, rooms[change.other % len(rooms)])
    except HomeserverRefused:
        return


def _happen(built: Built, kind: Kind, room_id: RoomId, other: RoomId) -> None:
    server, bot = built.server, built.bot
    owner = Person(server, OWNERS[0])
    match kind:
        case Kind.RENAMED:
            bot.rename(room_id, f"Name {len(server.events)}")
        case Kind.LISTED:
            bot.set_child(room_id, other)
        case Kind.UNLISTED:
            bot.unset_child(room_id, other)
        case Kind.MARKER_REMOVED:
            bot.write_marker(room_id, {})
        case Kind.MARKER_RESTORED:
            marker = built.markers.get(room_id)
            if marker is not None:
                bot.write_marker(room_id, marker_content(marker))
        case Kind.MARKER_UNREADABLE:
            before = server.room(room_id).content(MARKER_TYPE, BOT)
            bot.write_marker(room_id, {**before, "version": 2})
        case Kind.LEFT:
            server.evict(room_id, BOT)
        case Kind.INVITED:
            server.grant(room_id, owner.user_id, 100)
            owner.invite(room_id, BOT)
        case Kind.UPGRADED:
            server.grant(room_id, owner.user_id, 100)
            owner.invite(owner.upgrade(room_id), BOT)
        case Kind.REPLACED:
            server.grant(room_id, owner.user_id, 100)
            owner.set_tombstone(room_id, RoomId("!nowhere"))
