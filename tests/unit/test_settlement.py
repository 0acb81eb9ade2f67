"""All rooms of one owner taken together."""

from dataclasses import replace

import pytest

from actors.model import (
    ChatContext,
    ChatId,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
    UserMeta,
)
from actors.rules.classify import Chat, Conflict, ConflictReason, RoomRows, Space
from actors.rules.numbering import MAX_CHAT_NUMBER, Evidence
from actors.rules.settlement import (
    DesiredRows,
    OwnerRows,
    RoomReport,
    Settlement,
    repairs_for,
    settle_owner,
)
from actors.texts import ENGLISH, RUSSIAN, Texts
from actors.writes import DeleteRow

ALICE = UserId("@alice:example.org")
SPACE_ID = RoomId("!space")
NOTHING = OwnerRows()


def space(room: str = "!space", *, at: int = 1, high_water: int = 1) -> RoomReport:
    return RoomReport(RoomId(room), at, Space(ALICE, "Chats of alice", high_water))


def chat(room: str, chat_id: str | None, *, at: int = 2, name: str = "Trip") -> RoomReport:
    verdict = Chat(
        owner=ALICE,
        space_id=SPACE_ID,
        name=name,
        chat_id=ChatId(chat_id) if chat_id else None,
        evidence=Evidence.MARKER if chat_id else Evidence.NONE,
        platform_chat_id=PlatformChatId(f"p{room}"),
        backfilled=False,
        archived=False,
        linked=True,
    )
    return RoomReport(RoomId(room), at, verdict)


def replacing(report: RoomReport, *rooms: str) -> RoomReport:
    """The same room, upgraded from others."""
    assert isinstance(report.verdict, Chat | Space)
    replaces = frozenset(map(RoomId, rooms))
    return replace(report, verdict=replace(report.verdict, replaces=replaces))


def row(room: str, chat_id: str) -> ChatContext:
    return ChatContext(ALICE, ChatId(chat_id), "matrix", RoomId(room), "Trip")


def settled(*reports: RoomReport, known: OwnerRows = NOTHING, texts: Texts = ENGLISH) -> Settlement:
    return settle_owner(ALICE, reports, texts, known)


def chat_ids(settlement: Settlement) -> dict[str, str]:
    return {
        room_id: desired.chat.chat_id
        for room_id, desired in settlement.desired.items()
        if desired.chat
    }


def reasons(settlement: Settlement) -> dict[str, str]:
    return {room_id: conflict.reason for room_id, conflict in settlement.conflicts.items()}


# ---------------------------------------------------------------- rows


def test_a_chat_is_described_by_its_rooms_row_and_its_own() -> None:
    found = settled(space(), chat("!a", "C3")).desired[RoomId("!a")]
    assert found == DesiredRows(
        RoomMeta(RoomKind.CHAT, ChatId("C3"), "Trip", ALICE, SPACE_ID, PlatformChatId("p!a")),
        ChatContext(ALICE, ChatId("C3"), "matrix", RoomId("!a"), "Trip"),
    )


def test_a_space_is_described_by_its_rooms_row_and_the_mark_it_must_have() -> None:
    found = settled(space(), chat("!a", "C3")).desired[SPACE_ID]
    row_of_space = RoomMeta(RoomKind.SPACE, None, "Chats of alice", ALICE, SPACE_ID, None)
    assert found == DesiredRows(row_of_space, next_chat_index=4)


@pytest.mark.parametrize(("texts", "name"), [(ENGLISH, "Chat 3"), (RUSSIAN, "Чат 3")])
def test_a_chat_without_a_name_has_the_default_one_of_the_bots_locale(
    texts: Texts, name: str
) -> None:
    desired = settled(space(), chat("!a", "C3", name=""), texts=texts).desired[RoomId("!a")]
    assert desired.room.display_name == name
    assert desired.chat is not None
    assert desired.chat.name == name


def test_an_archived_chat_is_archived_in_its_row() -> None:
    report = chat("!a", "C3")
    assert isinstance(report.verdict, Chat)
    archived = replace(report, verdict=replace(report.verdict, archived=True))
    desired = settled(space(), archived).desired[RoomId("!a")]
    assert desired.chat is not None
    assert desired.chat.is_archived


def test_only_the_row_that_names_another_chat_is_removed() -> None:
    desired = settled(space(), chat("!a", "C3")).desired[RoomId("!a")]
    assert desired.chat is not None
    rows = RoomRows(desired.room, (row("!a", "C2"), desired.chat))
    stale = DeleteRow("chat:@alice:example.org:C2", RoomId("!a"))
    assert repairs_for(RoomId("!a"), rows, desired) == ([stale], 1)


# ---------------------------------------------------------------- the next index


def test_the_next_index_is_above_every_chat() -> None:
    assert settled(space(), chat("!a", "C3")).user == UserMeta(SPACE_ID, 4)


def test_the_next_index_is_not_below_the_high_water_mark() -> None:
    assert settled(space(high_water=9), chat("!a", "C3")).user == UserMeta(SPACE_ID, 9)


def test_the_next_index_is_not_below_what_a_room_in_conflict_claims() -> None:
    undecided = Conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", ALICE, 8)
    report = RoomReport(RoomId("!x"), 3, undecided)
    found = settled(space(), chat("!a", None), report)
    assert found.user == UserMeta(SPACE_ID, 9)
    assert chat_ids(found) == {"!a": "C8"}
    assert "!x" not in found.desired


def test_an_owner_without_a_space_has_no_row_but_their_chats_keep_theirs() -> None:
    found = settled(chat("!a", "C3"))
    assert found.user is None
    assert chat_ids(found) == {"!a": "C3"}


# ---------------------------------------------------------------- conflicts


def test_duplicate_space_is_every_space_but_the_one_created_first() -> None:
    found = settled(space("!late", at=5, high_water=7), space("!early", at=1), space("!mid", at=3))
    assert reasons(found) == {"!late": "duplicate_space", "!mid": "duplicate_space"}
    assert found.conflicts[RoomId("!late")].detail == "older: !early"
    assert found.desired.keys() == {"!early"}
    assert found.user == UserMeta(RoomId("!early"), 7)


def test_chat_id_contested_is_the_younger_of_two_chats_with_the_same_marker() -> None:
    found = settled(space(), chat("!b", "C1", at=2), chat("!a", "C1", at=3))
    assert reasons(found) == {"!a": "chat_id_contested"}
    assert found.conflicts[RoomId("!a")].detail == "now C2"
    assert chat_ids(found) == {"!b": "C1", "!a": "C2"}
    assert found.user == UserMeta(SPACE_ID, 3)


def test_a_number_given_to_a_legacy_chat_is_no_conflict() -> None:
    assert not reasons(settled(space(), chat("!a", None), chat("!b", None)))


@pytest.mark.parametrize("claimed", [None, f"C{MAX_CHAT_NUMBER}"])
def test_numbers_exhausted(claimed: str | None) -> None:
    last = chat("!last", f"C{MAX_CHAT_NUMBER}", at=2)
    found = settled(space(), last, chat("!late", claimed, at=3))
    assert chat_ids(found) == {"!last": f"C{MAX_CHAT_NUMBER}"}
    assert reasons(found) == {"!late": "numbers_exhausted"}
    assert found.user == UserMeta(SPACE_ID, MAX_CHAT_NUMBER + 1)


# ---------------------------------------------------------------- rows of undecided rooms


UNDECIDED = OwnerRows(undecided=(row("!gone", "C2"),))


def named(room: str, number: int) -> RoomReport:
    report = chat(room, f"C{number}")
    assert isinstance(report.verdict, Chat)
    return replace(report, verdict=replace(report.verdict, evidence=Evidence.NAME))


def test_the_number_of_an_undecided_room_is_not_given_out_again() -> None:
    found = settled(space(), chat("!a", "C1"), chat("!b", None), known=UNDECIDED)
    assert chat_ids(found) == {"!a": "C1", "!b": "C3"}
    assert found.user == UserMeta(SPACE_ID, 4)


def test_the_number_of_an_undecided_room_is_not_taken_by_a_name() -> None:
    found = settled(space(high_water=9), named("!b", 2), known=UNDECIDED)
    assert chat_ids(found) == {"!b": "C9"}


def test_a_marker_says_more_than_the_rows_of_an_undecided_room() -> None:
    found = settled(space(), chat("!b", "C2"), known=UNDECIDED)
    assert chat_ids(found) == {"!b": "C2"}
    assert found.user == UserMeta(SPACE_ID, 3)
    assert not found.conflicts


def test_rows_beyond_the_high_water_mark_are_no_evidence() -> None:
    found = settled(space(high_water=2), chat("!a", "C1"), known=UNDECIDED)
    assert found.user == UserMeta(SPACE_ID, 2)


# ---------------------------------------------------------------- some rooms alone


KNOWN = OwnerRows(UserMeta(SPACE_ID, 6), (row("!a", "C1"), row("!b", "C5")))


def test_a_room_that_reports_alone_keeps_the_rest_as_it_is() -> None:
    found = settled(chat("!c", "C3"), known=KNOWN)
    assert chat_ids(found) == {"!c": "C3"}
    assert found.user == KNOWN.user
    assert not found.conflicts


def test_a_legacy_chat_that_reports_alone_gets_a_number_nobody_had() -> None:
    found = settled(chat("!c", None), known=KNOWN)
    assert chat_ids(found) == {"!c": "C6"}
    assert found.user == UserMeta(SPACE_ID, 7)


def test_a_chat_that_reports_again_keeps_its_id() -> None:
    found = settled(chat("!b", "C5"), known=KNOWN)
    assert chat_ids(found) == {"!b": "C5"}
    assert found.user == KNOWN.user


def test_a_replacement_takes_its_chat_over_from_the_room_it_was_upgraded_from() -> None:
    found = settled(replacing(chat("!new", "C5"), "!b"), known=KNOWN)
    assert chat_ids(found) == {"!new": "C5"}
    assert not found.conflicts


def test_a_space_that_reports_alone_does_not_displace_the_one_known_before() -> None:
    found = settled(space("!other", at=0), known=KNOWN)
    assert found.user == KNOWN.user
    assert reasons(found) == {"!other": "duplicate_space"}
    assert not found.desired


def test_an_older_space_that_reports_alone_takes_the_place_of_the_one_known_before() -> None:
    found = settled(space("!older", at=0), known=replace(KNOWN, space_ts=1))
    assert found.user == UserMeta(RoomId("!older"), 6)
    assert not found.conflicts


def test_an_upgraded_space_takes_the_place_of_the_one_known_before() -> None:
    found = settled(replacing(space("!new", high_water=4), "!space"), known=KNOWN)
    assert found.user == UserMeta(RoomId("!new"), 6)
    assert not found.conflicts


def test_a_space_that_reports_again_stays() -> None:
    found = settled(space(high_water=2), known=KNOWN)
    assert found.user == KNOWN.user
    assert found.desired[SPACE_ID].next_chat_index == 6


def test_the_first_space_of_an_owner_without_one_is_theirs() -> None:
    found = settled(space(), known=OwnerRows(None, (row("!a", "C1"),)))
    assert found.user == UserMeta(SPACE_ID, 2)


def test_a_contested_chat_that_reports_alone_keeps_the_id_it_was_given() -> None:
    known = OwnerRows(UserMeta(SPACE_ID, 3), (row("!a", "C1"), row("!b", "C2")))
    found = settled(chat("!b", "C1"), known=known)
    assert chat_ids(found) == {"!b": "C2"}
    assert reasons(found) == {"!b": "chat_id_contested"}
    assert found.user == known.user
