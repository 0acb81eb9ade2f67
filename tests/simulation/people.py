"""People of the simulated world, who act like people with a Matrix client."""

from collections.abc import Iterable, Mapping
from typing import Final

from actors.model import MARKER_TYPE, EventId, RoomId, UserId
from actors.platform import File
from tests.simulation.edits import shown
from tests.simulation.events import Content, StateEntry
from tests.simulation.media import content_of
from tests.simulation.room import CREATOR_POWER, PRIVILEGED_CREATORS_SINCE, SimulatedRoom
from tests.simulation.server import SimulatedServer

COPIED_BY_AN_UPGRADE: Final = frozenset({"m.room.name", "m.room.topic", "m.space.child"})
"""State that an upgrade copies, besides the power levels. It does not copy custom state."""


class Person:
    """A user of the simulated server. All actions take effect at once.

    Actions that the auth rules forbid raise HomeserverRefused. A Person with the bot's user id
    creates rooms of an earlier version of the bot.
    """

    def __init__(self, server: SimulatedServer, user_id: UserId) -> None:
        self.server = server
        self.user_id = user_id

    def create_room(
        self,
        name: str | None = None,
        *,
        is_space: bool = False,
        predecessor: RoomId | None = None,
        version: str | None = None,
    ) -> RoomId:
        """Create a private room. `predecessor` claims that it replaces another one."""
        return self.server.create_room(
            self.user_id, name=name, is_space=is_space, predecessor=predecessor, version=version
        )

    def direct_chat_with(self, other: UserId) -> RoomId:
        """Create a room and invite one other user."""
        room_id = self.create_room()
        self.invite(room_id, other)
        return room_id

    def invite(self, room_id: RoomId, other: UserId) -> None:
        """Invite another user."""
        self.server.set_membership(self.user_id, room_id, other, "invite")

    def join(self, room_id: RoomId) -> None:
        """Accept an invite."""
        self.server.set_membership(self.user_id, room_id, self.user_id, "join")

    def knock(self, room_id: RoomId) -> None:
        """Ask to join a room."""
        self.server.set_membership(self.user_id, room_id, self.user_id, "knock")

    def join_all(self) -> tuple[RoomId, ...]:
        """Accept all open invites; return their rooms."""
        room_ids = tuple(invite.room_id for invite in self.server.invites(self.user_id))
        for room_id in room_ids:
            self.join(room_id)
        return room_ids

    def leave(self, room_id: RoomId) -> None:
        """Leave a room or reject an invite."""
        self.server.set_membership(self.user_id, room_id, self.user_id, "leave")

    def kick(self, room_id: RoomId, other: UserId) -> None:
        """Remove a user, or withdraw the user's invite."""
        self.server.set_membership(self.user_id, room_id, other, "leave")

    def ban(self, room_id: RoomId, other: UserId) -> None:
        """Remove a user and forbid the user to return."""
        self.server.set_membership(self.user_id, room_id, other, "ban")

    def say(self, room_id: RoomId, text: str, *, msgtype: str = "m.text") -> EventId:
        """Send a message."""
        return self.server.send(self.user_id, room_id, {"msgtype": msgtype, "body": text})

    def edit(self, room_id: RoomId, event_id: EventId, text: str) -> EventId:
        """Replace a message that was sent earlier."""
        relation = {"rel_type": "m.replace", "event_id": event_id}
        new = {"msgtype": "m.text", "body": text}
        content = {**new, "body": f"* {text}", "m.new_content": new, "m.relates_to": relation}
        return self.server.send(self.user_id, room_id, content)

    def redact(self, room_id: RoomId, event_id: EventId) -> None:
        """Delete a message of one's own."""
        self.server.redact(self.user_id, room_id, event_id)

    def send_raw(self, room_id: RoomId, content: Content) -> EventId:
        """Send an `m.room.message` with any content, MALFORMED included."""
        return self.server.send(self.user_id, room_id, content)

    def show(
        self, room_id: RoomId, file: File, caption: str = "", more: Mapping[str, object] = {}
    ) -> EventId:
        """Upload a file and send a message that shows it, with more in its content."""
        mxc = self.server.media.upload(file)
        return self.send_raw(room_id, {**content_of(file, mxc, caption), **more})

    def rename(self, room_id: RoomId, name: str) -> None:
        """Rename a room; an empty name removes the name."""
        content = {"name": name} if name else {}
        self.server.set_state(self.user_id, room_id, "m.room.name", content)

    def call_oneself(self, name: str) -> None:
        """Choose a display name."""
        self.server.name_person(self.user_id, name)

    def write_marker(self, room_id: RoomId, content: Content, key: str | None = None) -> None:
        """Write an event of the marker's type, by default under this person's user id."""
        state_key = self.user_id if key is None else key
        self.server.set_state(self.user_id, room_id, MARKER_TYPE, content, state_key)

    def set_child(self, space_id: RoomId, room_id: RoomId) -> None:
        """List a room in a Space."""
        via = {"via": [self.server.name]}
        self.server.set_state(self.user_id, space_id, "m.space.child", via, room_id)

    def unset_child(self, space_id: RoomId, room_id: RoomId) -> None:
        """Remove a room from a Space's list."""
        self.server.set_state(self.user_id, space_id, "m.space.child", {}, room_id)

    def set_parent(self, room_id: RoomId, space_id: RoomId) -> None:
        """Name a Space in a room, as the Space that it belongs to."""
        via = {"via": [self.server.name]}
        self.server.set_state(self.user_id, room_id, "m.space.parent", via, space_id)

    def set_tombstone(self, room_id: RoomId, replacement: RoomId) -> None:
        """Declare a room replaced."""
        content = {"body": "This room has been replaced", "replacement_room": replacement}
        self.server.set_state(self.user_id, room_id, "m.room.tombstone", content)

    def upgrade(self, room_id: RoomId, *, version: str | None = None) -> RoomId:
        """Replace a room by a new one that names its predecessor, and close the old one.

        The replacement has no invites yet: clients send them afterwards.
        """
        old = self.server.room(room_id)
        old.check_state(self.user_id, "m.room.tombstone", "")
        replacement = self.server.create_room(
            self.user_id,
            is_space=old.is_space,
            predecessor=room_id,
            initial_state=tuple(_copied_state(old)),
            power_levels=self._inherited_levels(old, version),
            version=version,
        )
        self.set_tombstone(room_id, replacement)
        return replacement

    def _inherited_levels(self, old: SimulatedRoom, version: str | None) -> Content:
        users: dict[UserId, int] = {**old.powers(), self.user_id: CREATOR_POWER}
        if int(version or self.server.room_version) >= PRIVILEGED_CREATORS_SINCE:
            del users[self.user_id]
        return {**old.content("m.room.power_levels"), "users": users}

    def messages(self, room_id: RoomId) -> tuple[tuple[UserId, str], ...]:
        """Sender and text of every message in a room, as a client shows them."""
        return tuple(
            (it.original.sender, str(it.content.get("body", "")))
            for it in shown(self.server.room(room_id).timeline)
        )

    def replies(self, room_id: RoomId) -> tuple[str, ...]:
        """The texts that all others have sent in a room."""
        return tuple(text for sender, text in self.messages(room_id) if sender != self.user_id)


def _copied_state(room: SimulatedRoom) -> Iterable[StateEntry]:
    for (kind, key), event in room.state.items():
        if kind in COPIED_BY_AN_UPGRADE:
            yield kind, key, event.content
