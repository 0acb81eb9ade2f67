"""Reads from a room's whole state who is in it, and the ways into it. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from actors.model import RoomId, UserId
from actors.snapshots import RoomSnapshot
from adapter.matrix.bodies import Event
from adapter.matrix.events import MEMBER_TYPE, text_in
from adapter.matrix.provisioning import JOIN_RULES_TYPE


def with_entry(
    seen: RoomSnapshot, state: Mapping[tuple[str, str], Event], me: UserId
) -> RoomSnapshot:
    """The snapshot with what the room's whole state says about members and getting in."""
    rules = state.get((JOIN_RULES_TYPE, ""))
    own = rules is None or rules.sender == me
    return replace(
        seen,
        invited=_members(state, "invite") & frozenset(seen.others),
        banned=_members(state, "ban"),
        knocking=_members(state, "knock"),
        admits=_admits(rules.content) if rules and own else frozenset(),
        own_entry=own,
        names=_names(state),
    )


def _members(state: Mapping[tuple[str, str], Event], membership: str) -> frozenset[UserId]:
    return frozenset(
        UserId(user_id)
        for (kind, user_id), event in state.items()
        if kind == MEMBER_TYPE and event.content.get("membership") == membership
    )


def _names(state: Mapping[tuple[str, str], Event]) -> dict[UserId, str]:
    """The display names of the joined members."""
    return {
        UserId(user_id): text_in(event.content, "displayname") or ""
        for (kind, user_id), event in state.items()
        if kind == MEMBER_TYPE and event.content.get("membership") == "join"
    }


def _admits(join_rules: Mapping[str, object]) -> frozenset[RoomId]:
    """The rooms whose members may join without an invite."""
    allow = join_rules.get("allow")
    allowed = allow if isinstance(allow, list) else []
    rooms = (it.get("room_id") for it in allowed if isinstance(it, dict))
    return frozenset(RoomId(it) for it in rooms if isinstance(it, str) and it.startswith("!"))
