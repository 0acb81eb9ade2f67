"""The report of a reconciliation: the contract's keys, notes by room, and what counts as change."""

from dataclasses import fields

from actors.model import RoomId
from actors.rules.report import RoomChange, Tally

CONTRACT = {
    "joined_rooms",
    "restored_user_meta",
    "restored_room_meta",
    "restored_chat_rows",
    "repaired_chat_rows",
    "backfilled_platform_chat_ids",
    "skipped_rooms",
    "conflicts",
}
WRITES = {
    "restored_user_meta",
    "repaired_user_meta",
    "restored_room_meta",
    "repaired_room_meta",
    "restored_chat_rows",
    "repaired_chat_rows",
    "removed_rows",
}


def test_an_empty_round_has_every_key_of_the_contract_and_no_changes() -> None:
    report = Tally().report()
    assert report.keys() >= CONTRACT
    assert report["changes"] == 0


def test_rooms_are_mentioned_with_their_reason_in_the_order_of_their_ids() -> None:
    tally = Tally()
    tally.skip(RoomId("!b"), "unlinked")
    tally.skip(RoomId("!a"), "left", "403")
    tally.conflict(RoomId("!c"), "unreadable", "500")
    report = tally.report()
    assert report["skipped_rooms"] == [
        {"room_id": "!a", "reason": "left", "detail": "403"},
        {"room_id": "!b", "reason": "unlinked", "detail": ""},
    ]
    assert report["conflicts"] == [{"room_id": "!c", "reason": "unreadable", "detail": "500"}]


def test_a_room_is_mentioned_once_with_what_was_said_last() -> None:
    tally = Tally()
    tally.conflict(RoomId("!a"), "owner_ambiguous")
    tally.conflict(RoomId("!a"), "failed", "boom")
    assert [note["reason"] for note in tally.report()["conflicts"]] == ["failed"]


def test_changed_rooms_are_listed_by_room_id() -> None:
    change = RoomChange(room_id="!a", outcome="repaired", chat_id="C1", owner="@alice:x")
    tally = Tally(changed={RoomId("!b"): {**change, "room_id": "!b"}, RoomId("!a"): change})
    assert [each["room_id"] for each in tally.report()["changed_rooms"]] == ["!a", "!b"]


def test_every_row_that_is_written_or_removed_counts_as_a_change_and_nothing_else_does() -> None:
    counts = [field.name for field in fields(Tally) if field.type in {int, "int"}]
    changing = set()
    for name in counts:
        tally = Tally()
        setattr(tally, name, 3)
        if tally.report()["changes"] == 3:
            changing.add(name)
    assert changing == WRITES
