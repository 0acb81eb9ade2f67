"""What createRoom is asked for."""

import pytest

from actors.model import MARKER_TYPE, ChatId, Marker, Nonce, RoomId, RoomKind, UserId
from actors.ports import NewRoom
from actors.rules.marker import marker_content
from adapter.matrix.provisioning import (
    StateEvent,
    create_room_body,
    creator_is_privileged,
    initial_state,
    join_rules_content,
    link_content,
    power_levels,
)

ME = UserId("@bot:example.org:8448")
ALICE = UserId("@alice:example.org")
SPACE = RoomId("!space")
CHAT_MARKER = Marker(RoomKind.CHAT, ALICE, chat_id=ChatId("C1"), space_id=SPACE, intent=Nonce("n1"))
OPEN_TO_THE_SPACE = {
    "join_rule": "restricted",
    "allow": [{"type": "m.room_membership", "room_id": SPACE}],
}
SPACE_MARKER = Marker(RoomKind.SPACE, ALICE, next_chat_index=1, intent=Nonce("n0"))


def test_a_chat_is_private_marked_and_linked_from_its_first_moment() -> None:
    body = create_room_body(NewRoom(CHAT_MARKER, "Chat 1", "a topic"), ME, "12")
    assert body["preset"] == "private_chat"
    assert body["visibility"] == "private"
    assert (body["name"], body["topic"]) == ("Chat 1", "a topic")
    assert body["initial_state"] == [
        {"type": MARKER_TYPE, "state_key": ME, "content": marker_content(CHAT_MARKER)},
        {
            "type": "m.space.parent",
            "state_key": SPACE,
            "content": {"via": ["example.org:8448"], "canonical": True},
        },
        {"type": "m.room.join_rules", "state_key": "", "content": OPEN_TO_THE_SPACE},
    ]
    assert "creation_content" not in body


@pytest.mark.parametrize(
    ("version", "is_open"), [("1", False), ("7", False), ("8", True), ("12", True), ("x", True)]
)
def test_a_chat_is_open_to_its_space_if_the_room_version_has_that(
    version: str,
    is_open: bool,  # noqa: FBT001
) -> None:
    types = [it.type for it in initial_state(NewRoom(CHAT_MARKER, "Chat 1"), ME, version)]
    assert ("m.room.join_rules" in types) is is_open


@pytest.mark.parametrize("marker", [CHAT_MARKER, SPACE_MARKER])
def test_a_room_with_an_avatar_has_it_from_its_first_moment(marker: Marker) -> None:
    state = initial_state(NewRoom(marker, "x", avatar="mxc://a/b"), ME, "12")
    shown = [it for it in state if it.type == "m.room.avatar"]
    assert shown == [StateEvent("m.room.avatar", "", {"url": "mxc://a/b"})]
    assert len(state) == len(initial_state(NewRoom(marker, "x"), ME, "12")) + 1


def test_a_space_is_a_space() -> None:
    body = create_room_body(NewRoom(SPACE_MARKER, "Alice"), ME, "12")
    assert body["creation_content"] == {"type": "m.space"}
    assert body["initial_state"] == [
        {"type": MARKER_TYPE, "state_key": ME, "content": marker_content(SPACE_MARKER)},
        {
            "type": "io.surfaces.settings",
            "state_key": ME,
            "content": {"version": 1, "follows_owner": True},
        },
    ]
    assert "topic" not in body


@pytest.mark.parametrize("marker", [CHAT_MARKER, SPACE_MARKER])
def test_nobody_is_invited_by_the_creation(marker: Marker) -> None:
    assert "invite" not in create_room_body(NewRoom(marker, "x"), ME, "12")


@pytest.mark.parametrize(
    ("version", "alone", "with_members"),
    [
        ("6", "invite", "invite"),
        ("7", "knock", "knock"),
        ("8", "knock", "restricted"),
        ("10", "knock", "knock_restricted"),
        ("12", "knock", "knock_restricted"),
        ("org.matrix.hydra.11", "knock", "knock_restricted"),
    ],
)
def test_the_join_rules_are_those_that_the_room_version_has(
    version: str, alone: str, with_members: str
) -> None:
    door = RoomId("!door")
    assert join_rules_content(version, ()) == {"join_rule": alone}
    rules = join_rules_content(version, [door])
    assert rules["join_rule"] == with_members
    allowed = {"type": "m.room_membership", "room_id": door}
    assert rules.get("allow", []) == ([allowed] if "restricted" in with_members else [])


@pytest.mark.parametrize(
    ("version", "privileged"),
    [
        ("1", False),
        ("10", False),
        ("11", False),
        ("12", True),
        ("13", True),
        ("org.matrix.hydra.11", True),
        ("org.matrix.msc3757.11", False),
        ("", False),
    ],
)
def test_a_privileged_creator_is_not_named(version: str, privileged: bool) -> None:  # noqa: FBT001
    assert creator_is_privileged(version) is privileged
    users = power_levels(CHAT_MARKER, ME, version)["users"]
    assert users == ({ALICE: 50} if privileged else {ALICE: 50, ME: 100})


def test_people_talk_in_chats_and_not_in_the_space() -> None:
    assert power_levels(CHAT_MARKER, ME, "12")["events_default"] == 0
    assert power_levels(SPACE_MARKER, ME, "12")["events_default"] == 100


def test_a_link_goes_over_our_own_server() -> None:
    common = {"via": ["example.org:8448"], "suggested": True}
    assert link_content(ME) == common
    assert link_content(ME, "000002") == {**common, "order": "000002"}
