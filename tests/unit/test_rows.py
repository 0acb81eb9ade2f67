"""The `kv` rows: what is written is what is read, and anything else reads as nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from actors.rows import (
    StoredRows,
    chat_key,
    chats_prefix,
    from_row,
    in_order,
    read_rows,
    room_key,
    to_row,
    user_key,
)
from actors.writes import JsonObject

ALICE, BOB = UserId("@alice:example.org"), UserId("@bob:example.org")
ROOM, SPACE = RoomId("!room"), RoomId("!space:example.org")
USER = UserMeta(SPACE, 5)
CHAT_ROOM = RoomMeta(RoomKind.CHAT, ChatId("C4"), "Trip", ALICE, SPACE, PlatformChatId("p-4"))
SPACE_ROOM = RoomMeta(RoomKind.SPACE, None, "Chats of alice", ALICE, SPACE, None)
CHAT = ChatContext(ALICE, ChatId("C4"), "matrix", ROOM, "Trip")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


def test_keys_name_the_user_the_room_and_the_chat() -> None:
    assert user_key(ALICE) == "matrix_user:@alice:example.org"
    assert room_key(SPACE) == "matrix_room:!space:example.org"
    assert chat_key(ALICE, ChatId("C4")) == "chat:@alice:example.org:C4"
    assert chats_prefix(ALICE) == "chat:@alice:example.org:"


def test_rows_have_the_fields_that_other_programs_rely_on() -> None:
    assert to_row(USER) == {"space_id": SPACE, "next_chat_index": 5}
    assert to_row(CHAT_ROOM) == {
        "room_type": "chat",
        "chat_id": "C4",
        "display_name": "Trip",
        "matrix_user_id": ALICE,
        "space_id": SPACE,
        "platform_chat_id": "p-4",
    }
    assert to_row(SPACE_ROOM)["room_type"] == "space"
    assert to_row(CHAT) == {
        "user_id": ALICE,
        "chat_id": "C4",
        "platform": "matrix",
        "surface_ref": ROOM,
        "name": "Trip",
        "is_archived": False,
    }


def test_what_is_written_is_what_is_read() -> None:
    assert from_row(to_row(USER), UserMeta) == USER
    assert from_row(to_row(CHAT_ROOM), RoomMeta) == CHAT_ROOM
    assert from_row(to_row(SPACE_ROOM), RoomMeta) == SPACE_ROOM
    assert from_row(to_row(CHAT), ChatContext) == CHAT


@given(st.sampled_from([*to_row(CHAT_ROOM), "extra"]), json_values)
def test_a_row_with_any_wrong_field_reads_as_nothing_or_exactly_as_it_is(
    field: str, value: object
) -> None:
    row = to_row(CHAT_ROOM) | {field: value}
    read = from_row(row, RoomMeta)
    assert read is None or to_row(read) == row


@pytest.mark.parametrize("field", to_row(CHAT))
def test_a_row_without_one_of_its_fields_reads_as_nothing(field: str) -> None:
    row = {key: value for key, value in to_row(CHAT).items() if key != field}
    assert from_row(row, ChatContext) is None


def test_no_row_reads_as_nothing() -> None:
    assert from_row(None, UserMeta) is None


def test_rows_are_sorted_by_what_they_speak_of() -> None:
    other = ChatContext(ALICE, ChatId("C5"), "matrix", ROOM, "Other")
    found = read_rows(
        {
            user_key(ALICE): to_row(USER),
            room_key(ROOM): to_row(CHAT_ROOM),
            chat_key(ALICE, ChatId("C4")): to_row(CHAT),
            chat_key(ALICE, ChatId("C5")): to_row(other),
            "something:else": {},
        }
    )
    assert found == StoredRows({ALICE: USER}, {ROOM: CHAT_ROOM}, {ROOM: (CHAT, other)}, ())


@pytest.mark.parametrize(
    ("key", "row"),
    [
        (user_key(ALICE), None),
        (user_key(ALICE), {"space_id": SPACE}),
        (room_key(ROOM), {"room_type": "attic"}),
        (chat_key(ALICE, ChatId("C4")), {}),
        (chat_key(ALICE, ChatId("C9")), to_row(CHAT)),
        (chat_key(BOB, ChatId("C4")), to_row(CHAT)),
        ("chat:", to_row(CHAT)),
    ],
)
def test_what_is_no_row_or_stands_at_another_key_is_garbage(
    key: str, row: JsonObject | None
) -> None:
    assert read_rows({key: row}) == StoredRows({}, {}, {}, (key,))


def test_a_key_that_is_no_text_is_passed_over() -> None:
    assert read_rows({"chat:@alice\ufffd": to_row(CHAT)}) == StoredRows({}, {}, {}, ())


def test_chats_are_listed_by_their_numbers() -> None:
    chats = [ChatContext(ALICE, ChatId(f"C{n}"), "matrix", ROOM, "") for n in (10, 2, 1)]
    assert [chat.chat_id for chat in in_order(chats)] == ["C1", "C2", "C10"]
