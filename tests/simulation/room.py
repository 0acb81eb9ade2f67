"""One room of the simulated server: its state, its timeline and its auth rules."""

import math
from typing import Final, NoReturn

from actors.model import EventId, RoomId, UserId
from actors.port_errors import HomeserverRefused
from tests.simulation.events import Content, Event

CREATOR_POWER: Final = 100
STATE_POWER: Final = 50
PRIVILEGED_CREATORS_SINCE: Final = 12
"""The first room version whose creators have unlimited power."""
RESTRICTED_SINCE: Final = {"restricted": 8, "knock_restricted": 10}
"""The first room versions with the join rules that let members of other rooms in."""

DEFAULT_POWER_LEVELS: Final = {
    "users_default": 0,
    "events": {"m.room.power_levels": CREATOR_POWER, "m.room.tombstone": CREATOR_POWER},
    "events_default": 0,
    "state_default": STATE_POWER,
    "invite": 0,
    "kick": STATE_POWER,
    "ban": STATE_POWER,
    "redact": STATE_POWER,
}
"""The power levels of a private room, unless its creator overrides them."""


def forbid(message: str) -> NoReturn:
    """Raise HomeserverRefused with status 403."""
    raise HomeserverRefused(403, "M_FORBIDDEN", message)


class SimulatedRoom:
    """State and timeline of a room, with the auth rules that matter to the bot.

    Each `check_…` raises HomeserverRefused if the auth rules forbid the action.
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
        """Whether `m.room.create` has the type of a Space."""
        return self.content("m.room.create").get("type") == "m.space"

    def find(self, event_id: EventId) -> Event | None:
        """An event of the room; None if the room does not have it."""
        return next((it for it in self.timeline if it.event_id == event_id), None)

    def append(self, event: Event) -> None:
        """Add an event without checking the auth rules."""
        if event.state_key is not None:
            self.state[event.type, event.state_key] = event
        self.timeline.append(event)

    def content(self, kind: str, key: str = "") -> Content:
        """The content of a state event; empty if there is none."""
        event = self.state.get((kind, key))
        return {} if event is None else event.content

    def membership(self, user_id: UserId) -> str | None:
        """`join`, `invite`, `leave` or `ban`; None for a user who was never a member or invited."""
        membership = self.content("m.room.member", user_id).get("membership")
        return None if membership is None else str(membership)

    def members(self, *memberships: str) -> tuple[UserId, ...]:
        """The users with one of these memberships, in the order of their first appearance."""
        return tuple(
            UserId(key)
            for (kind, key), event in self.state.items()
            if kind == "m.room.member" and event.content.get("membership") in memberships
        )

    def admitted_rooms(self) -> tuple[RoomId, ...]:
        """The rooms whose members may join without an invite. Early room versions lack that."""
        rules = self.content("m.room.join_rules")
        since = RESTRICTED_SINCE.get(str(rules.get("join_rule")), math.inf)
        allow = rules.get("allow") if int(self.version) >= since else None
        return tuple(RoomId(it["room_id"]) for it in allow) if isinstance(allow, list) else ()

    def powers(self) -> dict[UserId, int]:
        """The power levels of the users that the room's power levels name."""
        users = self.content("m.room.power_levels").get("users")
        return dict(users) if isinstance(users, dict) else {}

    def power(self, user_id: UserId) -> float:
        """A user's power level; infinite for a privileged creator."""
        if user_id == self.creator and int(self.version) >= PRIVILEGED_CREATORS_SINCE:
            return math.inf
        return self.powers().get(user_id, 0)

    def needed(self, action: str) -> int:
        """The power level that an entry such as `invite` or `state_default` requires."""
        level = self.content("m.room.power_levels").get(action)
        return level if isinstance(level, int) else 0

    def needed_for(self, kind: str, default: str) -> int:
        """The power level that an event type requires, or that of the default entry."""
        events = self.content("m.room.power_levels").get("events")
        level = events.get(kind) if isinstance(events, dict) else None
        return level if isinstance(level, int) else self.needed(default)

    def check_joined(self, user_id: UserId) -> None:
        """Refuse a user who has not joined the room."""
        if self.membership(user_id) != "join":
            forbid(f"User {user_id} not in room {self.room_id}")

    def check_state(self, sender: UserId, kind: str, key: str) -> None:
        """Refuse a state event that the auth rules don't allow."""
        self.check_joined(sender)
        check_state_key(sender, key)
        self._check_power(sender, self.needed_for(kind, "state_default"), f"to post {kind}")

    def check_message(self, sender: UserId, kind: str) -> None:
        """Refuse a message that the auth rules don't allow."""
        self.check_joined(sender)
        self._check_power(sender, self.needed_for(kind, "events_default"), f"to post {kind}")

    def check_membership(self, sender: UserId, target: UserId, membership: str) -> None:
        """Refuse a change of membership that the auth rules don't allow."""
        if membership == "join":
            self._check_join(sender, target)
        elif membership == "knock":
            self._check_knock(sender, target)
        elif membership == "invite":
            self._check_invite(sender, target)
        elif membership == "leave" and sender == target:
            self._check_leave(target)
        else:
            self._check_removal(sender, target, "ban" if membership == "ban" else "kick")

    def _check_join(self, sender: UserId, target: UserId) -> None:
        allowed = {"join", "invite"}
        if sender != target or self.membership(target) not in allowed:
            forbid("You are not invited to this room.")

    def _check_knock(self, sender: UserId, target: UserId) -> None:
        rule = self.content("m.room.join_rules").get("join_rule")
        present = self.membership(target) in {"join", "invite", "ban"}
        if sender != target or present or rule not in {"knock", "knock_restricted"}:
            forbid("You can't knock at this room.")

    def _check_invite(self, sender: UserId, target: UserId) -> None:
        self.check_joined(sender)
        self._check_power(sender, self.needed("invite"), "to invite")
        if self.membership(target) == "ban":
            forbid(f"{target} is banned from the room")
        if self.membership(target) == "join":
            forbid(f"{target} is already in the room.")

    def _check_leave(self, target: UserId) -> None:
        if self.membership(target) in {None, "ban"}:
            forbid(f"User {target} not in room {self.room_id}")

    def _check_removal(self, sender: UserId, target: UserId, action: str) -> None:
        self.check_joined(sender)
        self._check_power(sender, self.needed(action), f"to {action}")
        if self.power(sender) <= self.power(target):
            forbid(f"You don't have permission to {action} {target}")

    def _check_power(self, sender: UserId, needed: int, purpose: str) -> None:
        if self.power(sender) < needed:
            forbid(f"You don't have permission {purpose}")


def check_state_key(sender: UserId, key: str) -> None:
    """Refuse a state key that is another user's id."""
    if key.startswith("@") and key != sender:
        forbid("You are not allowed to set others state")
