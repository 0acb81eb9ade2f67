"""The joined rooms seen together: whose a Space is, what replaces what, what is linked."""

from dataclasses import replace

import pytest

from actors.model import ChatId, Marker, RoomId, RoomKind, UserId, UserMeta
from actors.rules.relations import RoomGraph, RoomRelations, SpaceFacts, room_graph
from actors.snapshots import RoomSnapshot

ME = UserId("@bot:example.org")
ALICE, BOB = UserId("@alice:example.org"), UserId("@bob:example.org")
SPACE_ID = RoomId("!space")

SPACE_MARKER = Marker(RoomKind.SPACE, ALICE)
CHAT_MARKER = Marker(RoomKind.CHAT, ALICE, chat_id=ChatId("C1"), space_id=SPACE_ID)
SPACE = RoomSnapshot(SPACE_ID, ME, 1, is_space=True, marker=SPACE_MARKER)


def room(name: str, *, before: str | None = None, after: str | None = None) -> RoomSnapshot:
    """A room that replaces `before` and says that it was replaced by `after`."""
    return RoomSnapshot(
        RoomId(name),
        ME,
        2,
        predecessor=RoomId(before) if before else None,
        tombstoned=after is not None,
        replacement=RoomId(after) if after else None,
    )


def graph(*snapshots: RoomSnapshot, users: dict[UserId, UserMeta] | None = None) -> RoomGraph:
    return room_graph(snapshots, users or {}, ME)


def relations(seen: RoomSnapshot, *others: RoomSnapshot) -> RoomRelations:
    return graph(seen, *others).relations(seen)


def owner_of(space: RoomSnapshot, users: dict[UserId, UserMeta] | None = None) -> UserId | None:
    return graph(space, users=users).spaces[space.room_id].owner


def test_a_room_without_connections_has_no_surroundings() -> None:
    assert relations(room("!a")) == RoomRelations(founded_ts=2)


# ---------------------------------------------------------------- upgrades

CHAIN = (
    replace(room("!a", after="!b"), marker=CHAT_MARKER),
    room("!b", before="!a", after="!c"),
    room("!c", before="!b"),
)


def test_a_chain_of_two_upgrades_hands_the_marker_down_to_the_last() -> None:
    first, second, third = CHAIN
    found = graph(*CHAIN).relations(third)
    assert found.inherited == CHAT_MARKER
    assert found.replaces == {"!a", "!b"}
    assert found.replaced_by is None
    assert graph(*CHAIN).relations(second).replaced_by == "!c"
    assert graph(*CHAIN).relations(first).replaced_by == "!b"


def test_the_latest_of_a_chain_is_found_from_each_of_its_rooms() -> None:
    found = graph(*CHAIN)
    assert {found.latest(seen.room_id) for seen in CHAIN} == {"!c"}
    assert found.latest(RoomId("!unknown")) == "!unknown"


def test_the_nearest_marker_of_a_chain_is_inherited() -> None:
    nearer = replace(CHAT_MARKER, chat_id=ChatId("C2"))
    first, second, third = CHAIN
    assert relations(third, first, replace(second, marker=nearer)).inherited == nearer


def test_a_room_with_a_marker_of_its_own_inherits_none() -> None:
    first, second, third = CHAIN
    own = replace(third, marker=replace(CHAT_MARKER, chat_id=ChatId("C3")))
    found = relations(own, first, second)
    assert found.inherited is None
    assert found.replaces == {"!a", "!b"}


def test_a_chain_ends_at_a_room_that_we_are_not_in() -> None:
    first, _, third = CHAIN
    assert relations(third, first) == RoomRelations(founded_ts=2)
    assert relations(first, third).replaced_by is None


@pytest.mark.parametrize(
    "old",
    [room("!a"), room("!a", after="!other"), replace(room("!a", after="!b"), tombstoned=False)],
    ids=["not closed", "replaced by another", "no tombstone"],
)
def test_a_replacement_that_the_old_room_does_not_name_replaces_nothing(old: RoomSnapshot) -> None:
    old = replace(old, marker=CHAT_MARKER)
    new = room("!b", before="!a")
    assert relations(new, old) == RoomRelations(founded_ts=2)
    assert relations(old, new).replaced_by is None


def test_a_tombstone_that_names_a_room_that_does_not_point_back_replaces_nothing() -> None:
    old = replace(room("!a", after="!b"), marker=CHAT_MARKER)
    new = room("!b")
    assert relations(old, new).replaced_by is None
    assert relations(new, old).inherited is None


def test_rooms_that_replace_each_other_in_a_ring_are_followed_once() -> None:
    ring = (room("!a", before="!b", after="!b"), room("!b", before="!a", after="!a"))
    found = graph(*ring)
    assert found.latest(RoomId("!a")) == "!b"
    assert found.relations(ring[0]) == RoomRelations(
        origins=(ring[1],),
        founded_ts=2,
        replaced_by=RoomId("!b"),
        replaces=frozenset({RoomId("!b")}),
    )


# ---------------------------------------------------------------- Spaces and links


def test_a_room_is_linked_with_the_spaces_that_list_it_and_those_that_it_names() -> None:
    listing = replace(SPACE, room_id=RoomId("!s2"), children=frozenset({RoomId("!a")}))
    named = replace(SPACE, room_id=RoomId("!s1"))
    seen = replace(room("!a"), parents=frozenset({RoomId("!s1"), RoomId("!unknown")}))
    found = relations(seen, listing, named, replace(SPACE, room_id=RoomId("!s3")))
    assert [space.room_id for space in found.linked] == ["!s1", "!s2"]


def test_a_space_of_somebody_elses_links_nothing() -> None:
    foreign = replace(SPACE, marker=None, creator=BOB, children=frozenset({RoomId("!a")}))
    seen = replace(room("!a"), parents=frozenset({SPACE_ID}))
    assert relations(seen, foreign) == RoomRelations(founded_ts=2)


def test_a_replaced_space_links_nothing_any_more() -> None:
    new_id = RoomId("!s2")
    old = replace(SPACE, tombstoned=True, replacement=new_id, children=frozenset({RoomId("!a")}))
    new = RoomSnapshot(new_id, ALICE, 3, is_space=True, predecessor=SPACE_ID)
    found = graph(room("!a"), old, new)
    assert found.relations(room("!a")).linked == ()
    assert found.spaces == {new_id: SpaceFacts(new_id, ALICE, frozenset())}


def test_the_space_that_a_marker_names_is_found_under_its_latest_id() -> None:
    new_id = RoomId("!s2")
    old = replace(SPACE, tombstoned=True, replacement=new_id)
    new = RoomSnapshot(new_id, ALICE, 3, is_space=True, predecessor=SPACE_ID)
    chat = replace(room("!a"), marker=CHAT_MARKER)
    assert relations(chat, old, new).claimed_space == SpaceFacts(new_id, ALICE, frozenset())


def test_a_space_of_ours_is_told_of_itself() -> None:
    assert relations(SPACE).own_space == SpaceFacts(SPACE_ID, ALICE, frozenset())


# ---------------------------------------------------------------- owners


def test_a_marker_says_whose_a_space_is() -> None:
    seen = replace(SPACE, creator=BOB, others=(BOB,), member_count=2)
    assert owner_of(seen, {BOB: UserMeta(SPACE_ID, 1)}) == ALICE


def test_a_space_with_the_marker_of_a_chat_is_nobodys() -> None:
    assert owner_of(replace(SPACE, marker=CHAT_MARKER)) is None


def test_a_space_with_an_unreadable_marker_is_nobodys() -> None:
    seen = replace(SPACE, marker=None, marker_fault="unknown version", others=(ALICE,))
    assert owner_of(seen, {ALICE: UserMeta(SPACE_ID, 1)}) is None


def test_a_row_says_whose_a_space_without_a_marker_is() -> None:
    seen = replace(SPACE, marker=None, others=(BOB,), member_count=2)
    assert owner_of(seen, {ALICE: UserMeta(SPACE_ID, 1)}) == ALICE


@pytest.mark.parametrize(
    ("others", "member_count", "owner"),
    [
        ((ALICE,), 2, ALICE),
        ((), 1, None),
        ((ALICE, BOB), 3, None),
        ((ALICE,), 300, None),
    ],
)
def test_the_only_other_member_owns_a_space_that_nothing_else_speaks_of(
    others: tuple[UserId, ...], member_count: int, owner: UserId | None
) -> None:
    seen = replace(SPACE, marker=None, others=others, member_count=member_count)
    assert owner_of(seen) == owner
