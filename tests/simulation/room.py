"""One room of the simulated server: its state, its timeline and who may do what in it."""

from typing import Final, NoReturn

from actors.model import RoomId, UserId
from actors.ports import HomeserverRefused
from tests.simulation.events import Content, Event

CREATOR_POWER: Final = 100
STATE_POWER: Final = 50


def forbid(message: str) -> NoReturn:
    """Refuse as the homeserver does."""
    raise HomeserverRefused(403, "M_FORBIDDEN", message)


class SimulatedRoom:
    """State and timeline of a room.

    The power rules are simplified: the creator may do everything, and so may anybody with power 50
    or more; everybody in the room may send messages and invite.
    """

    __slots__ = ("room_id", "state", "timeline", "version")

    def __init__(self, room_id: RoomId, version: str) -> None:
        self.room_id = room_id
        self.version = version
        self.state: dict[tuple[str, str], Event] = {}
        self.timeline: list[Event] = []

    @property
    def creator(self) -> UserId:
        """The sender of `m.room.create`."""
        return self.state["m.room.create", ""].sender

    @property
    def is_space(self) -> bool:
        """Whether `m.room.create` says so."""
        return self.content("m.room.create").get("type") == "m.space"

    def append(self, event: Event) -> None:
        """Add an event that has been authorised."""
        if event.state_key is not None:
            self.state[event.type, event.state_key] = event
        self.timeline.append(event)

    def content(self, kind: str, key: str = "") -> Content:
        """The content of a state event, empty where there is none."""
        event = self.state.get((kind, key))
        return {} if event is None else event.content

    def membership(self, user_id: UserId) -> str | None:
        """`join`, `invite`, `leave` or `ban`; None for somebody who never had to do with it."""
        membership = self.content("m.room.member", user_id).get("membership")
        return None if membership is None else str(membership)

    def members(self, *memberships: str) -> tuple[UserId, ...]:
        """People with one of these memberships, in the order in which they first appeared."""
        return tuple(
            UserId(key)
            for (kind, key), event in self.state.items()
            if kind == "m.room.member" and event.content.get("membership") in memberships
        )

    def powers(self) -> dict[UserId, int]:
        """The power levels of those who have one."""
        users = self.content("m.room.power_levels").get("users")
        return dict(users) if isinstance(users, dict) else {}

    def power(self, user_id: UserId) -> int:
        """Somebody's power level."""
        return CREATOR_POWER if user_id == self.creator else self.powers().get(user_id, 0)

    def check_joined(self, user_id: UserId) -> None:
        """Refuse somebody who isn't in the room."""
        if self.membership(user_id) != "join":
            forbid(f"User {user_id} not in room {self.room_id}")

    def check_state(self, sender: UserId, kind: str, key: str) -> None:
        """Refuse a state event that the auth rules don't allow."""
        self.check_joined(sender)
        check_state_key(sender, key)
        if self.power(sender) < STATE_POWER:
            forbid(f"You don't have permission to post {kind} to the room.")

    def check_membership(self, sender: UserId, target: UserId, membership: str) -> None:
        """Refuse a change of membership that the auth rules don't allow."""
        if membership == "join":
            self._check_join(sender, target)
        elif membership == "invite":
            self._check_invite(sender, target)
        elif membership == "leave" and sender == target:
            self._check_leave(target)
        else:
            self._check_removal(sender)

    def _check_join(self, sender: UserId, target: UserId) -> None:
        allowed = {"join", "invite"}
        if sender != target or self.membership(target) not in allowed:
            forbid("You are not invited to this room.")

    def _check_invite(self, sender: UserId, target: UserId) -> None:
        self.check_joined(sender)
        if self.membership(target) == "ban":
            forbid(f"{target} is banned from the room")
        if self.membership(target) == "join":
            forbid(f"{target} is already in the room.")

    def _check_leave(self, target: UserId) -> None:
        if self.membership(target) in {None, "ban"}:
            forbid(f"User {target} not in room {self.room_id}")

    def _check_removal(self, sender: UserId) -> None:
        self.check_joined(sender)
        if self.power(sender) < STATE_POWER:
            forbid("You don't have permission to remove people.")


def check_state_key(sender: UserId, key: str) -> None:
    """Refuse a state key that is somebody else's user id."""
    if key.startswith("@") and key != sender:
        forbid("You are not allowed to set others state")
