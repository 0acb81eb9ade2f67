"""The marker survives every content, and says briefly why one is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import ChatId, Marker, Nonce, PlatformChatId, RoomId, RoomKind, UserId
from actors.rules.marker import is_user_id, marker_content, parse_marker

ALICE = UserId("@alice:example.org")
CHAT: dict[str, object] = {
    "version": 1,
    "kind": "chat",
    "owner": ALICE,
    "chat_id": "C4",
    "space_id": "!space:example.org",
    "platform_chat_id": "p-4",
    "archived": False,
}
SPACE: dict[str, object] = {"version": 1, "kind": "space", "owner": ALICE, "next_chat_index": 5}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
chats = st.builds(
    Marker,
    kind=st.just(RoomKind.CHAT),
    owner=st.just(ALICE),
    chat_id=st.integers(1, 999_999).map(lambda number: ChatId(f"C{number}")),
    space_id=ids.map(lambda text: RoomId(f"!{text}")),
    platform_chat_id=st.none() | ids.map(PlatformChatId),
    archived=st.booleans(),
    intent=st.none() | ids.map(Nonce),
)
spaces = st.builds(
    Marker,
    kind=st.just(RoomKind.SPACE),
    owner=st.just(ALICE),
    next_chat_index=st.none() | st.integers(1, 1_000_000),
    intent=st.none() | ids.map(Nonce),
)


@given(chats | spaces)
def test_what_is_written_is_what_is_read(marker: Marker) -> None:
    assert parse_marker(marker_content(marker)) == marker


@given(
    st.sampled_from([CHAT, SPACE]),
    st.dictionaries(st.sampled_from([*CHAT, *SPACE, "intent"]), json_values),
)
def test_any_json_in_any_field_is_a_marker_or_a_short_reason(
    base: dict[str, object], damage: dict[str, object]
) -> None:
    parsed = parse_marker(base | damage)
    if isinstance(parsed, str):
        assert 0 < len(parsed) < 60
    else:
        assert parse_marker(marker_content(parsed)) == parsed


@pytest.mark.parametrize(
    "chat_id", ["C-1", "C0", "c4", "C04", "C4\n", "C99999999999", "x", 4, [], {}]
)
def test_only_a_plain_number_is_a_chat_id(chat_id: object) -> None:
    assert parse_marker(CHAT | {"chat_id": chat_id}) == "chat_id is not valid"


@pytest.mark.parametrize(
    "owner", [None, "", "alice", "@alice", "alice:x", "@a b:x", "@a:", 1, "@a:" + "x" * 300]
)
def test_only_a_user_id_owns_anything(owner: object) -> None:
    assert parse_marker(CHAT | {"owner": owner}) == "owner is not a user id"
    assert not is_user_id(owner)


@pytest.mark.parametrize("version", [None, 0, 2, True, 1.0, "1", [1]])
def test_another_version_is_not_guessed_at(version: object) -> None:
    assert parse_marker(SPACE | {"version": version}) == "unknown version"


@pytest.mark.parametrize("kind", [None, "room", 1, ["chat"], {}])
def test_another_kind_is_not_guessed_at(kind: object) -> None:
    assert parse_marker(CHAT | {"kind": kind}) == "unknown kind"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("space_id", "space"),
        ("platform_chat_id", ""),
        ("platform_chat_id", 7),
        ("archived", "no"),
        ("intent", ["n"]),
    ],
)
def test_a_wrong_field_of_a_chat_is_named(field: str, value: object) -> None:
    assert parse_marker(CHAT | {field: value}) == f"{field} is not valid"


@pytest.mark.parametrize("field", ["chat_id", "space_id"])
def test_a_chat_without_its_place_is_no_chat(field: str) -> None:
    content = {key: value for key, value in CHAT.items() if key != field}
    assert parse_marker(content) == f"{field} is missing"


@pytest.mark.parametrize("index", [0, -1, 1_000_001, True, "5", 5.0])
def test_an_absurd_high_water_mark_is_refused(index: object) -> None:
    assert parse_marker(SPACE | {"next_chat_index": index}) == "next_chat_index is not valid"


def test_unknown_fields_are_ignored() -> None:
    assert parse_marker(SPACE | {"colour": "blue"}) == parse_marker(SPACE)
