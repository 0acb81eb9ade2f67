"""What a joined room is, decided from its state and that of the rooms around it.

Every reason to skip a room or to leave it undecided has a test that is named after it: here, or in
test_settlement.py (`duplicate_space`, `chat_id_contested`, `numbers_exhausted`), or in
test_reconcile.py where it takes more than state to tell (`left`, `unreadable`, `failed`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from actors.model import (
    ChatContext,
    ChatId,
    Marker,
    Nonce,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
    UserMeta,
)
from actors.rules.classify import (
    Chat,
    Conflict,
    ConflictReason,
    PossibleOwners,
    RoomRows,
    Skipped,
    SkipReason,
    Space,
    Verdict,
    classify,
    possible_owners_of,
)
from actors.rules.numbering import Evidence
from actors.rules.relations import RoomRelations, room_graph
from actors.snapshots import RoomSnapshot
from actors.texts import LOCALES

ME = UserId("@bot:example.org")
ALICE, BOB = UserId("@alice:example.org"), UserId("@bob:example.org")
SPACE_ID, ROOM_ID, NEW_ID = RoomId("!space"), RoomId("!room"), RoomId("!new")

SPACE_MARKER = Marker(RoomKind.SPACE, ALICE, next_chat_index=5)
CHAT_MARKER = Marker(
    RoomKind.CHAT,
    ALICE,
    chat_id=ChatId("C4"),
    space_id=SPACE_ID,
    platform_chat_id=PlatformChatId("p-4"),
)

SPACE = RoomSnapshot(
    SPACE_ID,
    ME,
    1,
    is_space=True,
    name="Chats of alice",
    marker=SPACE_MARKER,
    children=frozenset({ROOM_ID}),
    others=(ALICE,),
    member_count=2,
)
ROOM = RoomSnapshot(
    ROOM_ID, ME, 2, name="Trip", marker=CHAT_MARKER, others=(ALICE,), member_count=2
)
LEGACY_SPACE = replace(SPACE, marker=None)
LEGACY_ROOM = replace(ROOM, marker=None)

CHAT: Final = Chat(
    owner=ALICE,
    space_id=SPACE_ID,
    name="Trip",
    chat_id=ChatId("C4"),
    evidence=Evidence.MARKER,
    platform_chat_id=PlatformChatId("p-4"),
    backfilled=False,
    archived=False,
    linked=True,
)
DERIVED: Final = "1c066e84-5757-52e7-be20-31d60a0e8946"
"""What belongs to `!room` for ever."""
NO_ROWS: Final = RoomRows()


def verdict_on(
    seen: RoomSnapshot,
    *others: RoomSnapshot,
    users: Mapping[UserId, UserMeta] | None = None,
    rows: RoomRows = NO_ROWS,
) -> Verdict:
    graph = room_graph([seen, *others], users or {}, ME)
    return classify(seen, graph.relations(seen), rows, ME)


def chat_verdict(seen: RoomSnapshot, *others: RoomSnapshot, rows: RoomRows = NO_ROWS) -> Chat:
    verdict = verdict_on(seen, *others, rows=rows)
    assert isinstance(verdict, Chat)
    return verdict


def conflict(reason: ConflictReason, detail: str = "", *, named: Marker | None = None) -> Conflict:
    if named is None:
        return Conflict(reason, detail)
    taken = int(named.chat_id[1:]) if named.chat_id else 0
    return Conflict(reason, detail, named.owner, max(taken + 1, named.next_chat_index or 1))


def rows(
    chat_id: str = "C7",
    *,
    owner: UserId = ALICE,
    room_says: str | None = None,
    archived: bool = False,
    conversation: str | None = "p-7",
) -> RoomRows:
    room = RoomMeta(
        RoomKind.CHAT,
        ChatId(room_says or chat_id),
        "Trip",
        owner,
        SPACE_ID,
        PlatformChatId(conversation) if conversation is not None else None,
    )
    return RoomRows(room, (ChatContext(owner, ChatId(chat_id), "matrix", ROOM_ID, "", archived),))


# ---------------------------------------------------------------- rooms with a marker


def test_a_marked_chat_is_what_its_marker_says() -> None:
    assert verdict_on(ROOM, SPACE) == CHAT


def test_a_marked_space_is_its_owners_and_has_a_high_water_mark() -> None:
    assert verdict_on(SPACE) == Space(ALICE, "Chats of alice", 5)


def test_a_marked_space_without_a_high_water_mark_begins_at_one() -> None:
    seen = replace(SPACE, marker=replace(SPACE_MARKER, next_chat_index=None))
    assert verdict_on(seen) == Space(ALICE, "Chats of alice", 1)


def test_a_marker_outweighs_who_is_in_the_room_and_who_created_it() -> None:
    seen = replace(ROOM, creator=BOB, others=(BOB,), name="Chat 9")
    assert verdict_on(seen, SPACE) == replace(CHAT, name="Chat 9")


def test_a_marker_outweighs_the_rows() -> None:
    assert verdict_on(ROOM, SPACE, rows=rows(owner=BOB)) == CHAT


def test_a_chat_that_its_space_does_not_list_is_still_a_chat() -> None:
    assert verdict_on(ROOM, replace(SPACE, children=frozenset())) == replace(CHAT, linked=False)


def test_an_archived_chat_stays_archived() -> None:
    seen = replace(ROOM, marker=replace(CHAT_MARKER, archived=True))
    assert chat_verdict(seen, SPACE).archived


def test_the_nonce_of_the_creation_is_passed_on() -> None:
    nonce = Nonce("n-1")
    chat = replace(ROOM, marker=replace(CHAT_MARKER, intent=nonce))
    space = replace(SPACE, marker=replace(SPACE_MARKER, intent=nonce))
    assert chat_verdict(chat, SPACE).intent == nonce
    assert verdict_on(space) == Space(ALICE, "Chats of alice", 5, nonce)


def test_a_marker_without_a_chat_id_is_no_evidence_for_one() -> None:
    found = chat_verdict(replace(ROOM, marker=replace(CHAT_MARKER, chat_id=None)), SPACE)
    assert (found.chat_id, found.evidence) == (None, Evidence.NONE)


def test_a_room_where_the_bot_is_alone_is_still_a_chat() -> None:
    assert verdict_on(replace(ROOM, others=(), member_count=1), SPACE) == CHAT


def test_300_members_do_not_change_whose_chat_it_is() -> None:
    seen = replace(ROOM, others=(BOB,), member_count=300)
    assert verdict_on(seen, SPACE) == CHAT


def test_a_closed_room_whose_replacement_we_are_not_in_is_still_a_chat() -> None:
    closed = replace(ROOM, tombstoned=True, replacement=NEW_ID)
    assert verdict_on(closed, SPACE) == replace(CHAT, replaces=frozenset({NEW_ID}))


def test_unreadable_is_a_closed_room_whose_replacement_cannot_be_read() -> None:
    closed = replace(ROOM, tombstoned=True, replacement=NEW_ID)
    relations = RoomRelations(unreadable=frozenset({NEW_ID}))
    verdict = classify(closed, relations, RoomRows(), ME)
    assert verdict == Conflict(ConflictReason.UNREADABLE, "its replacement !new")


# ---------------------------------------------------------------- conversation ids


def test_a_conversation_id_is_taken_from_the_marker_before_the_row() -> None:
    assert chat_verdict(ROOM, SPACE, rows=rows()).platform_chat_id == "p-4"


def test_a_conversation_id_is_taken_from_the_row_where_the_marker_has_none() -> None:
    seen = replace(ROOM, marker=replace(CHAT_MARKER, platform_chat_id=None))
    found = chat_verdict(seen, SPACE, rows=rows())
    assert (found.platform_chat_id, found.backfilled) == ("p-7", False)


@pytest.mark.parametrize("rows", [NO_ROWS, rows(conversation=None), rows(conversation="")])
def test_a_conversation_id_that_nobody_knows_is_derived_from_the_room_id(rows: RoomRows) -> None:
    seen = replace(ROOM, marker=replace(CHAT_MARKER, platform_chat_id=None))
    found = chat_verdict(seen, SPACE, rows=rows)
    other = chat_verdict(replace(seen, room_id=NEW_ID), SPACE)
    assert (found.platform_chat_id, found.backfilled) == (DERIVED, True)
    assert other.platform_chat_id != DERIVED


# ---------------------------------------------------------------- conflicts


@pytest.mark.parametrize("detail", ["owner is not a user id", "chat_id is not valid"])
def test_marker_unreadable_is_our_own_marker_that_this_version_cannot_read(detail: str) -> None:
    seen = replace(ROOM, marker=None, marker_fault=detail)
    assert verdict_on(seen, SPACE) == conflict(ConflictReason.MARKER_UNREADABLE, detail)


def test_marker_kind_mismatch_is_a_space_marked_as_a_chat() -> None:
    seen = replace(SPACE, marker=CHAT_MARKER)
    expected = conflict(ConflictReason.MARKER_KIND_MISMATCH, "chat", named=CHAT_MARKER)
    assert verdict_on(seen) == expected


def test_marker_kind_mismatch_is_a_room_marked_as_a_space() -> None:
    seen = replace(ROOM, marker=SPACE_MARKER)
    expected = conflict(ConflictReason.MARKER_KIND_MISMATCH, "space", named=SPACE_MARKER)
    assert verdict_on(seen, SPACE) == expected


def test_marker_space_mismatch_is_a_chat_whose_space_is_gone() -> None:
    expected = conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", named=CHAT_MARKER)
    assert verdict_on(ROOM) == expected


def test_marker_space_mismatch_is_a_chat_in_the_space_of_another_owner() -> None:
    theirs = replace(SPACE, marker=replace(SPACE_MARKER, owner=BOB))
    expected = conflict(ConflictReason.MARKER_SPACE_MISMATCH, "of another owner", named=CHAT_MARKER)
    assert verdict_on(ROOM, theirs) == expected


def test_marker_space_mismatch_is_a_chat_in_a_space_that_is_not_ours() -> None:
    foreign = replace(SPACE, creator=BOB, marker=None)
    expected = conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", named=CHAT_MARKER)
    assert verdict_on(ROOM, foreign) == expected


def test_marker_space_mismatch_is_a_chat_in_what_is_no_space() -> None:
    expected = conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", named=CHAT_MARKER)
    assert verdict_on(ROOM, replace(SPACE, is_space=False)) == expected


def test_owner_ambiguous_is_a_legacy_space_with_several_other_members() -> None:
    seen = replace(LEGACY_SPACE, others=(ALICE, BOB), member_count=3)
    assert verdict_on(seen) == conflict(ConflictReason.OWNER_AMBIGUOUS)


def test_owner_ambiguous_is_a_legacy_space_in_which_the_bot_is_alone() -> None:
    seen = replace(LEGACY_SPACE, others=(), member_count=1)
    assert verdict_on(seen) == conflict(ConflictReason.OWNER_AMBIGUOUS)


def test_owner_ambiguous_is_a_legacy_space_that_several_rows_name() -> None:
    users = {ALICE: UserMeta(SPACE_ID, 1), BOB: UserMeta(SPACE_ID, 1)}
    assert verdict_on(LEGACY_SPACE, users=users) == conflict(ConflictReason.OWNER_AMBIGUOUS)


def test_owner_ambiguous_is_a_marked_chat_in_a_space_of_nobody() -> None:
    space = replace(LEGACY_SPACE, others=(), member_count=1)
    expected = conflict(
        ConflictReason.OWNER_AMBIGUOUS, f"of its Space {SPACE_ID}", named=CHAT_MARKER
    )
    assert verdict_on(ROOM, space) == expected


def test_owner_ambiguous_is_a_legacy_chat_in_a_space_of_nobody() -> None:
    space = replace(LEGACY_SPACE, others=(), member_count=1)
    assert verdict_on(LEGACY_ROOM, space) == conflict(ConflictReason.OWNER_AMBIGUOUS)


def test_owner_ambiguous_is_a_legacy_chat_in_the_spaces_of_two_owners() -> None:
    other = replace(SPACE, room_id=NEW_ID, marker=replace(SPACE_MARKER, owner=BOB))
    assert verdict_on(LEGACY_ROOM, SPACE, other) == conflict(ConflictReason.OWNER_AMBIGUOUS)


# ---------------------------------------------------------------- Spaces without a marker


def test_a_legacy_space_is_its_only_other_members() -> None:
    assert verdict_on(LEGACY_SPACE) == Space(ALICE, "Chats of alice", 1)


def test_a_legacy_space_is_the_owners_of_record_and_not_its_only_members() -> None:
    seen = replace(LEGACY_SPACE, others=(BOB,))
    users = {ALICE: UserMeta(SPACE_ID, 1)}
    assert verdict_on(seen, users=users) == Space(ALICE, "Chats of alice", 1)


def test_a_row_that_names_another_space_is_no_evidence() -> None:
    users = {BOB: UserMeta(NEW_ID, 1)}
    assert verdict_on(LEGACY_SPACE, users=users) == Space(ALICE, "Chats of alice", 1)


# ---------------------------------------------------------------- chats without a marker


@pytest.mark.parametrize(
    ("in_space", "in_room"),
    [
        (frozenset({ROOM_ID}), frozenset()),
        (frozenset(), frozenset({SPACE_ID})),
        (frozenset({ROOM_ID}), frozenset({SPACE_ID})),
    ],
    ids=["child", "parent", "both"],
)
def test_a_room_of_ours_that_is_linked_with_a_space_of_ours_is_a_legacy_chat(
    in_space: frozenset[RoomId], in_room: frozenset[RoomId]
) -> None:
    seen = replace(LEGACY_ROOM, parents=in_room)
    found = chat_verdict(seen, replace(SPACE, children=in_space))
    assert (found.owner, found.space_id, found.linked) == (ALICE, SPACE_ID, bool(in_space))
    assert (found.platform_chat_id, found.backfilled) == (DERIVED, True)


@pytest.mark.parametrize("locale", LOCALES)
def test_a_legacy_chat_is_numbered_by_one_of_our_own_default_names(locale: str) -> None:
    name = LOCALES[locale].chat_name.format(number=4)
    found = chat_verdict(replace(LEGACY_ROOM, name=name), SPACE)
    assert (found.chat_id, found.evidence) == ("C4", Evidence.NAME)


@pytest.mark.parametrize(
    "name", [None, "Trip", "Chat 0", "chat 4", "<b>Chat 4</b>", "Chat\n4", "Chat 4" + "x" * 10_240]
)
def test_a_legacy_chat_of_any_other_name_claims_no_number(name: str | None) -> None:
    found = chat_verdict(replace(LEGACY_ROOM, name=name), SPACE)
    assert (found.chat_id, found.evidence) == (None, Evidence.NONE)


def test_rows_that_agree_outweigh_the_name_of_a_legacy_chat() -> None:
    found = chat_verdict(replace(LEGACY_ROOM, name="Chat 4"), SPACE, rows=rows(archived=True))
    assert (found.chat_id, found.evidence, found.archived) == ("C7", Evidence.ROW, True)


@pytest.mark.parametrize("rows", [RoomRows(rows().room), RoomRows(None, rows().chats)])
def test_one_row_that_nothing_contradicts_says_enough(rows: RoomRows) -> None:
    found = chat_verdict(LEGACY_ROOM, SPACE, rows=rows)
    assert (found.chat_id, found.evidence) == ("C7", Evidence.ROW)


@pytest.mark.parametrize(
    "rows",
    [
        rows(room_says="C8"),
        rows(owner=BOB),
        RoomRows(rows().room, rows().chats * 2),
    ],
    ids=["ids differ", "another owner", "two chat rows"],
)
def test_rows_that_do_not_agree_are_no_evidence(rows: RoomRows) -> None:
    found = chat_verdict(LEGACY_ROOM, SPACE, rows=rows)
    assert (found.chat_id, found.evidence) == (None, Evidence.NONE)


def test_a_legacy_chat_in_two_spaces_of_one_owner_belongs_to_the_one_of_the_smaller_id() -> None:
    other = replace(SPACE, room_id=NEW_ID)
    assert chat_verdict(LEGACY_ROOM, SPACE, other).space_id == NEW_ID


# ---------------------------------------------------------------- skipped


def test_direct_chat_is_a_room_of_somebody_elses_with_them_alone() -> None:
    seen = replace(LEGACY_ROOM, creator=ALICE)
    assert verdict_on(seen) == Skipped(SkipReason.DIRECT_CHAT)


def test_direct_chat_is_also_one_that_the_other_has_left() -> None:
    seen = replace(LEGACY_ROOM, creator=ALICE, others=(), member_count=1)
    assert verdict_on(seen) == Skipped(SkipReason.DIRECT_CHAT)


def test_not_created_by_us_is_a_room_with_several_people() -> None:
    seen = replace(LEGACY_ROOM, creator=ALICE, others=(ALICE, BOB), member_count=3)
    assert verdict_on(seen) == Skipped(SkipReason.NOT_CREATED_BY_US)


def test_not_created_by_us_is_a_room_that_somebody_else_has_put_into_a_space_of_ours() -> None:
    seen = replace(LEGACY_ROOM, creator=BOB, member_count=3)
    assert verdict_on(seen, SPACE) == Skipped(SkipReason.NOT_CREATED_BY_US)


def test_marker_space_mismatch_is_an_unmarked_chat_by_its_rows_whose_space_we_are_not_in() -> None:
    verdict = verdict_on(LEGACY_ROOM, rows=rows())
    assert verdict == Conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", ALICE, 8)


@pytest.mark.parametrize("rows", [RoomRows(), RoomRows(rows().room), rows(room_says="C8")])
def test_unlinked_is_a_room_of_ours_whose_rows_do_not_say_enough(rows: RoomRows) -> None:
    assert verdict_on(LEGACY_ROOM, rows=rows) == Skipped(SkipReason.UNLINKED)


def test_unlinked_is_a_room_of_ours_that_its_space_does_not_list_any_more() -> None:
    space = replace(SPACE, children=frozenset())
    assert verdict_on(LEGACY_ROOM, space, rows=rows()) == Skipped(SkipReason.UNLINKED)


def test_unlinked_is_a_room_of_ours_in_no_space() -> None:
    space = replace(SPACE, children=frozenset())
    assert verdict_on(LEGACY_ROOM, space) == Skipped(SkipReason.UNLINKED)


def test_unlinked_is_a_room_of_ours_in_a_space_of_somebody_elses() -> None:
    foreign = replace(LEGACY_SPACE, creator=BOB)
    assert verdict_on(LEGACY_ROOM, foreign) == Skipped(SkipReason.UNLINKED)


def test_unlinked_is_a_room_of_ours_with_a_default_name_and_nothing_else() -> None:
    assert verdict_on(replace(LEGACY_ROOM, name="Chat 4")) == Skipped(SkipReason.UNLINKED)


def test_foreign_space_is_a_space_that_somebody_else_created() -> None:
    seen = replace(LEGACY_SPACE, creator=ALICE)
    assert verdict_on(seen) == Skipped(SkipReason.FOREIGN_SPACE)


def test_replaced_is_a_chat_whose_replacement_we_are_in() -> None:
    old = replace(ROOM, tombstoned=True, replacement=NEW_ID)
    new = RoomSnapshot(NEW_ID, ALICE, 3, predecessor=ROOM_ID)
    assert verdict_on(old, new, SPACE) == Skipped(SkipReason.REPLACED)


def test_replaced_is_a_closed_room_that_is_none_of_ours() -> None:
    closed = replace(LEGACY_ROOM, creator=BOB, tombstoned=True, replacement=NEW_ID)
    assert verdict_on(closed, SPACE) == Skipped(SkipReason.REPLACED)


# ---------------------------------------------------------------- upgrades


@pytest.mark.parametrize("seen", [LEGACY_ROOM, LEGACY_SPACE])
def test_a_closed_room_without_a_marker_goes_on_until_we_are_in_its_replacement(
    seen: RoomSnapshot,
) -> None:
    closed = replace(seen, tombstoned=True, replacement=NEW_ID)
    others = (SPACE,) if seen is LEGACY_ROOM else ()
    before = verdict_on(seen, *others)
    assert isinstance(before, Chat | Space)
    assert verdict_on(closed, *others) == replace(before, replaces=frozenset({NEW_ID}))


def test_a_replacement_of_a_chat_without_a_marker_is_that_chat() -> None:
    old = replace(LEGACY_ROOM, tombstoned=True, replacement=NEW_ID)
    new = RoomSnapshot(NEW_ID, ALICE, 3, predecessor=ROOM_ID, name="Trip")
    verdict = verdict_on(new, old, LEGACY_SPACE)
    before = verdict_on(LEGACY_ROOM, LEGACY_SPACE)
    assert isinstance(before, Chat)
    assert verdict == replace(
        before,
        linked=False,
        replaces=frozenset({ROOM_ID}),
        outdated_links=frozenset({ROOM_ID}),
    )


def test_a_replacement_of_a_space_without_a_marker_is_that_space() -> None:
    old = replace(LEGACY_SPACE, tombstoned=True, replacement=NEW_ID)
    new = RoomSnapshot(
        NEW_ID, ALICE, 3, is_space=True, predecessor=SPACE_ID, name="S", others=(ALICE,)
    )
    new = replace(new, member_count=2, children=frozenset({ROOM_ID}))
    assert verdict_on(new, old) == Space(ALICE, "S", 1, replaces=frozenset({SPACE_ID}))
    chat = verdict_on(LEGACY_ROOM, old, new)
    assert isinstance(chat, Chat)
    assert (chat.owner, chat.space_id, chat.linked) == (ALICE, NEW_ID, True)


def test_a_replacement_of_another_kind_is_nothing() -> None:
    old = replace(LEGACY_ROOM, tombstoned=True, replacement=NEW_ID)
    new = RoomSnapshot(NEW_ID, ALICE, 3, predecessor=ROOM_ID, is_space=True)
    assert verdict_on(new, old, LEGACY_SPACE) == Skipped(SkipReason.FOREIGN_SPACE)


def test_a_replacement_without_a_marker_inherits_the_whole_identity() -> None:
    old = replace(ROOM, tombstoned=True, replacement=NEW_ID)
    new = RoomSnapshot(NEW_ID, ALICE, 3, room_version="12", predecessor=ROOM_ID, name="Trip")
    assert verdict_on(new, old, SPACE) == replace(
        CHAT,
        linked=False,
        replaces=frozenset({ROOM_ID}),
        outdated_links=frozenset({ROOM_ID}),
    )


def test_a_chat_follows_its_space_to_the_replacement() -> None:
    old = replace(SPACE, tombstoned=True, replacement=NEW_ID)
    new = replace(SPACE, room_id=NEW_ID, marker=None, creator=ALICE, predecessor=SPACE_ID)
    assert verdict_on(ROOM, old, new) == replace(CHAT, space_id=NEW_ID)
    assert verdict_on(new, old) == Space(ALICE, "Chats of alice", 5, replaces=frozenset({SPACE_ID}))


def test_a_room_that_only_claims_to_replace_a_chat_inherits_nothing() -> None:
    claimant = RoomSnapshot(NEW_ID, BOB, 3, predecessor=ROOM_ID, others=(BOB,), member_count=2)
    assert verdict_on(claimant, ROOM, SPACE) == Skipped(SkipReason.DIRECT_CHAT)
    assert verdict_on(ROOM, claimant, SPACE) == CHAT


@pytest.mark.parametrize("chat_id", ["C-1", "c4", "C99999999999", "", "rubbish"])
def test_rows_that_agree_on_what_is_no_chat_id_are_no_evidence(chat_id: str) -> None:
    found = chat_verdict(LEGACY_ROOM, SPACE, rows=rows(chat_id))
    assert (found.chat_id, found.evidence) == (None, Evidence.NONE)


def test_unreadable_is_a_room_whose_predecessor_cannot_be_read() -> None:
    heir = replace(LEGACY_ROOM, room_id=NEW_ID, creator=ALICE, predecessor=ROOM_ID)
    relations = room_graph([SPACE, heir], {}, ME, [ROOM_ID]).relations(heir)
    expected = Conflict(ConflictReason.UNREADABLE, "the room before it, !room")
    assert classify(heir, relations, RoomRows(), ME) == expected
    marked = replace(heir, marker=CHAT_MARKER)
    relations = room_graph([SPACE, marked], {}, ME, [ROOM_ID]).relations(marked)
    assert isinstance(classify(marked, relations, RoomRows(), ME), Chat)


FIRST_ID: Final = RoomId("!first")
"""The room that a Space without a marker was upgraded from; it can't be read."""
HEIR_SPACE: Final = replace(SPACE, marker=None, creator=ALICE, predecessor=FIRST_ID)


def verdict_without_first(
    seen: RoomSnapshot, *others: RoomSnapshot, rows: RoomRows = NO_ROWS
) -> Verdict:
    graph = room_graph([seen, *others], {}, ME, [FIRST_ID])
    return classify(seen, graph.relations(seen), rows, ME)


def test_unreadable_is_a_chat_whose_space_replaces_a_room_that_cannot_be_read() -> None:
    undecided = conflict(ConflictReason.UNREADABLE, "its Space !space", named=CHAT_MARKER)
    assert verdict_without_first(ROOM, HEIR_SPACE) == undecided
    # It was created by the bot, so it is a Space of the bot's, but of an unknown owner.
    crowd = replace(HEIR_SPACE, creator=ME, others=(ALICE, BOB), member_count=3)
    assert verdict_without_first(ROOM, crowd) == undecided
    assert verdict_without_first(ROOM, SPACE) == CHAT
    foreign = replace(HEIR_SPACE, predecessor=None)
    mismatch = ConflictReason.MARKER_SPACE_MISMATCH
    assert verdict_without_first(ROOM, foreign) == conflict(
        mismatch, "not joined", named=CHAT_MARKER
    )
    faulty = replace(HEIR_SPACE, marker_fault="unknown version")
    assert verdict_without_first(ROOM, faulty) == conflict(
        ConflictReason.OWNER_AMBIGUOUS, "of its Space !space", named=CHAT_MARKER
    )


def test_unreadable_is_a_legacy_chat_whose_space_replaces_a_room_that_cannot_be_read() -> None:
    undecided = Conflict(ConflictReason.UNREADABLE, "its Space !space")
    assert verdict_without_first(LEGACY_ROOM, HEIR_SPACE, rows=rows()) == undecided
    crowd = replace(HEIR_SPACE, creator=ME, others=(ALICE, BOB), member_count=3)
    assert verdict_without_first(LEGACY_ROOM, crowd, rows=rows()) == undecided


def test_unreadable_is_a_room_if_an_earlier_predecessor_cannot_be_read() -> None:
    expected = Conflict(ConflictReason.UNREADABLE, "the room before it, !first")
    for seen in (HEIR_SPACE, replace(HEIR_SPACE, is_space=False)):
        closed = replace(seen, tombstoned=True, replacement=NEW_ID)
        newest = replace(seen, room_id=NEW_ID, predecessor=SPACE_ID)
        assert verdict_without_first(newest, closed) == expected
    named = replace(CHAT_MARKER, space_id=NEW_ID)
    closed = replace(HEIR_SPACE, tombstoned=True, replacement=NEW_ID)
    newest = replace(HEIR_SPACE, room_id=NEW_ID, predecessor=SPACE_ID)
    for marker in (CHAT_MARKER, named):
        detail = f"its Space {marker.space_id}"
        expected = conflict(ConflictReason.UNREADABLE, detail, named=marker)
        assert verdict_without_first(replace(ROOM, marker=marker), closed, newest) == expected


# ---------------------------------------------------------------- whose an undecided room may be


def test_an_undecided_room_may_be_anybodys_who_is_named_or_in_it() -> None:
    carol = UserId("@carol:example.org")
    seen = replace(SPACE, marker=None, marker_fault="unknown version", possible_owner=ALICE)
    rows = RoomRows(RoomMeta(RoomKind.SPACE, None, "", BOB, SPACE_ID, None))
    verdict = Conflict(ConflictReason.MARKER_UNREADABLE, "unknown version")
    assert possible_owners_of(verdict, replace(seen, others=(carol,)), rows) == PossibleOwners(
        frozenset({ALICE, BOB, carol}), complete=True
    )
    crowd = replace(seen, others=(carol,), member_count=9)
    assert possible_owners_of(verdict, crowd, rows) == PossibleOwners(
        frozenset({ALICE, BOB, carol}), complete=False
    )


@pytest.mark.parametrize(
    "verdict",
    [
        CHAT,
        Skipped(SkipReason.UNLINKED),
        Conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", ALICE),
    ],
)
def test_a_room_that_is_decided_keeps_nobody_waiting(verdict: Verdict) -> None:
    assert possible_owners_of(verdict, ROOM, RoomRows()) is None
