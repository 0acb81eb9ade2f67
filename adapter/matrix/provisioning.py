"""Request bodies for new rooms: creation content, power levels and Space links. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from actors.model import MARKER_TYPE, SETTINGS_TYPE, Marker, RoomId, RoomKind, SpaceSettings, UserId
from actors.ports import NewRoom
from actors.rules.marker import marker_content
from actors.rules.setting_values import space_settings_content

DEFAULT_ROOM_VERSION: Final = "10"
"""The room version that the bot assumes if the homeserver names no default version."""

AVATAR_TYPE: Final = "m.room.avatar"
JOIN_RULES_TYPE: Final = "m.room.join_rules"

_BOT_LEVEL: Final = 100
_OWNER_LEVEL: Final = 50
_FIRST_VERSION_WITH_PRIVILEGED_CREATORS: Final = 12
_KNOCKING_SINCE: Final = 7
_RESTRICTED_SINCE: Final = 8
_BOTH_SINCE: Final = 10

_BOT_ONLY: Final = (
    MARKER_TYPE,
    SETTINGS_TYPE,
    "m.room.encryption",
    "m.room.history_visibility",
    "m.room.power_levels",
    "m.room.server_acl",
    "m.room.tombstone",
    "m.space.child",
)


def create_room_body(room: NewRoom, me: UserId, room_version: str) -> dict[str, object]:
    """The body of `POST /createRoom`, for a server with this default room version.

    The body invites no user: a refused invite would make a created room look like a failure.
    """
    body: dict[str, object] = {
        "preset": "private_chat",
        "visibility": "private",
        "name": room.name,
        "initial_state": [it._asdict() for it in initial_state(room, me, room_version)],
        "power_level_content_override": power_levels(room.marker, me, room_version),
    }
    if room.topic:
        body["topic"] = room.topic
    if room.marker.kind is RoomKind.SPACE:
        body["creation_content"] = {"type": "m.space"}
    return body


def power_levels(marker: Marker, me: UserId, room_version: str) -> dict[str, object]:
    """The content of `m.room.power_levels` for a new room.

    The owner may rename the room and invite. Only the bot may write the state that recovery relies
    on, and redact: a redacted marker or link would be lost. Users may redact their own messages at
    any level.
    """
    users: dict[str, int] = {marker.owner: _OWNER_LEVEL}
    if not creator_is_privileged(room_version):
        users[me] = _BOT_LEVEL
    return {
        "users": users,
        "users_default": 0,
        "events": {"m.room.name": _OWNER_LEVEL} | dict.fromkeys(_BOT_ONLY, _BOT_LEVEL),
        "events_default": _BOT_LEVEL if marker.kind is RoomKind.SPACE else 0,
        "state_default": _OWNER_LEVEL,
        "invite": _OWNER_LEVEL,
        "kick": _OWNER_LEVEL,
        "ban": _OWNER_LEVEL,
        "redact": _BOT_LEVEL,
    }


def creator_is_privileged(room_version: str) -> bool:
    """Whether creators have unlimited power, so `power_levels.users` must not name them."""
    if re.fullmatch(r"[0-9]{1,6}", room_version):
        return int(room_version) >= _FIRST_VERSION_WITH_PRIVILEGED_CREATORS
    return room_version.startswith("org.matrix.hydra.")


def join_rules_content(room_version: str, members_of: Collection[RoomId]) -> dict[str, object]:
    """The content of `m.room.join_rules` that lets people knock and members of rooms join.

    Earlier room versions lack one of these rules, or the rule that combines both.
    """
    version = _number_of(room_version)
    if not members_of or version < _RESTRICTED_SINCE:
        return {"join_rule": "knock" if version >= _KNOCKING_SINCE else "invite"}
    rule = "knock_restricted" if version >= _BOTH_SINCE else "restricted"
    return {"join_rule": rule, "allow": _members_of(members_of)}


def _members_of(rooms: Collection[RoomId]) -> list[dict[str, object]]:
    return [{"type": "m.room_membership", "room_id": room_id} for room_id in sorted(rooms)]


def _number_of(room_version: str) -> int:
    """A room version's number; that of an unknown version is assumed."""
    return int(room_version) if re.fullmatch(r"[0-9]{1,6}", room_version) else _BOTH_SINCE


def link_content(me: UserId, order: str = "") -> dict[str, object]:
    """The content of an `m.space.child` that the bot sends. `order` is the place; empty: none."""
    place = {"order": order} if order else {}
    return {"via": [server_of(me)], "suggested": True, **place}


def server_of(user_id: UserId) -> str:
    """The server part of a user id."""
    return user_id.partition(":")[2]


class StateEvent(NamedTuple):
    """A state event of a new room."""

    type: str
    state_key: str
    content: Mapping[str, object]


def initial_state(room: NewRoom, me: UserId, room_version: str) -> list[StateEvent]:
    """The state of a new room, besides what createRoom makes of other fields.

    The members of a chat's Space may join the chat without an invite, if the room version has that.
    A new Space is named after its owner.
    """
    marker = room.marker
    state = [StateEvent(MARKER_TYPE, me, marker_content(marker))]
    if room.avatar:
        state.append(StateEvent(AVATAR_TYPE, "", {"url": room.avatar}))
    if marker.kind is RoomKind.CHAT and marker.space_id is not None:
        state.append(_parent_event(marker.space_id, me))
        if _number_of(room_version) >= _RESTRICTED_SINCE:
            state.append(_open_to(marker.space_id))
    if marker.kind is RoomKind.SPACE:
        settings = space_settings_content(SpaceSettings(follows_owner=True))
        state.append(StateEvent(SETTINGS_TYPE, me, settings))
    return state


def _open_to(space_id: RoomId) -> StateEvent:
    rules = {"join_rule": "restricted", "allow": _members_of([space_id])}
    return StateEvent(JOIN_RULES_TYPE, "", rules)


def _parent_event(space_id: RoomId, me: UserId) -> StateEvent:
    return StateEvent("m.space.parent", space_id, {"via": [server_of(me)], "canonical": True})
