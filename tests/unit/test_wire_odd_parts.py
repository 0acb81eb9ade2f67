"""An odd part of the homeserver's JSON costs that part only, whichever part it is."""

import copy
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import product
from typing import Any, Final, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import EventId, Instance, Invite, RoomId, UserId
from actors.ports import SyncDelta
from adapter.matrix.bodies import Event, JoinedRooms, Page, SyncResponse, Window
from adapter.matrix.hydrate import FirstReading, Gathered, first_reading
from adapter.matrix.lenient import UNDECODABLE, Decoder, Malformed
from adapter.matrix.timeline import messages_of
from adapter.matrix.wire import delta_of, inviter_in, reading_of_state

Path: TypeAlias = tuple[str | int, ...]

ME: Final = UserId("@bot:example.org")
ALICE: Final = UserId("@alice:example.org")
ROOMS: Final = ("!one", "!two")


def message(number: int) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "sender": ALICE,
        "event_id": f"$message-{number}",
        "origin_server_ts": 1_700_000_000_000 + number,
        "content": {"msgtype": "m.text", "body": f"text {number}", "m.mentions": {}},
        "unsigned": {"age": 5, "transaction_id": "t"},
    }


def state(kind: str, content: object, key: str = "", sender: str = ME) -> dict[str, Any]:
    return {
        "type": kind,
        "sender": sender,
        "state_key": key,
        "event_id": f"$state-{kind}-{key}",
        "origin_server_ts": 1_600_000_000_000,
        "content": content,
        "unsigned": {"prev_content": {"membership": "leave"}},
    }


def joined(first: int) -> dict[str, Any]:
    """A room in which Alice sends two messages."""
    return {
        "account_data": {"events": []},
        "ephemeral": {"events": []},
        "state": {"events": [state("m.room.name", {"name": "Chat"})]},
        "summary": {"m.heroes": [ALICE], "m.joined_member_count": 2, "m.invited_member_count": 0},
        "timeline": {
            "events": [
                state("m.room.member", {"membership": "join"}, ALICE, ALICE),
                message(first),
                message(first + 1),
            ],
            "limited": False,
            "prev_batch": "t1",
        },
        "unread_notifications": {"highlight_count": 0, "notification_count": 0},
    }


def invited() -> dict[str, Any]:
    asks = state("m.room.member", {"membership": "invite"}, ME, ALICE)
    created = state("m.room.create", {"room_version": "12"}, "", ALICE)
    return {"invite_state": {"events": [created, asks]}}


SYNC: Final[dict[str, Any]] = {
    "next_batch": "s2",
    "account_data": {
        "events": [
            {"type": "io.surfaces.instance", "content": {"boot": "b1", "where": "process 1"}}
        ]
    },
    "rooms": {
        "join": {"!one": joined(1), "!two": joined(3)},
        "invite": {"!asks": invited(), "!asks too": invited()},
        "leave": {"!gone": {"timeline": {"events": []}}},
        "knock": {},
    },
}
ODD: Final[tuple[Any, ...]] = (
    *(None, [], {}, "", "odd", 7, -1, 0.5, 1e3, 10**30, -(10**30), True),
    *([None], [7, "x", {}], {"a": None}, {"events": 7}, "x" * 100_000),
    ["[" * 3],
)
EMPTY: Final[tuple[Any, ...]] = (None, [], {})


def paths(value: object, at: Path = ()) -> Iterator[Path]:
    """Every part of a JSON value."""
    if at:
        yield at
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*at, key))


def changed(body: dict[str, Any], path: Path, value: object) -> dict[str, Any]:
    """A copy in which one part has another value."""
    result = copy.deepcopy(body)
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return result


def without(body: dict[str, Any], path: Path) -> dict[str, Any]:
    """A copy in which one part is missing."""
    result = copy.deepcopy(body)
    inner: Any = result
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return result


def synced(body: object) -> SyncDelta:
    answer = Decoder(SyncResponse).decode(json.dumps(body).encode(), Malformed())
    return delta_of(answer, ME)


MESSAGES: Final = {
    ("rooms", "join", room, "timeline", "events", index): EventId(f"$message-{number}")
    for room, first in zip(ROOMS, (1, 3), strict=True)
    for index, number in ((1, first), (2, first + 1))
}
"""Where the messages stand."""
NEEDED: Final = ({"type"}, {"sender"}, {"event_id"}, {"content"}, {"state_key"})
"""The parts of an event without which it is no message, and the part that no message has."""


def concerns(path: Path, event: Path) -> bool:
    """Whether a part is or contains an event, or what makes the event a message."""
    inner = path[len(event) :]
    if path == event[: len(path)]:
        return True
    return path[: len(event)] == event and len(inner) == 1 and set(inner) in NEEDED


@pytest.mark.parametrize("path", [*paths(SYNC)], ids=lambda path: ".".join(map(str, path)))
def test_an_odd_part_of_a_sync_costs_that_part_only(path: Path) -> None:
    for body, is_lost in (
        *((changed(SYNC, path, odd), loses_messages(path, odd)) for odd in ODD),
        *([] if isinstance(path[-1], int) else [(without(SYNC, path), False)]),
    ):
        if path == ("next_batch",):
            assert_no_answer(body)
            continue
        delta = synced(body)
        found = {message.event_id for room in delta.rooms for message in room.messages}
        kept = {event for at, event in MESSAGES.items() if not concerns(path, at)}
        assert delta.next_batch == "s2"
        assert kept <= found
        if is_lost:
            (gap,) = [room.gap_from for room in delta.rooms if room.room_id == path[2]]
            assert gap == "s2"
        if "invite" not in path and path != ("rooms",):
            assert {invite.room_id for invite in delta.invites} == {"!asks", "!asks too"}
        if path[:3] == ("rooms", "invite", "!asks") and "!asks" in json.dumps(body):
            assert Invite(RoomId("!asks too"), ALICE) in delta.invites
        if "account_data" not in path[:1]:
            assert delta.instance == Instance("b1", "process 1")


def loses_messages(path: Path, odd: object) -> bool:
    """Whether messages stood in a section of a room that cannot be read."""
    section: dict[Path, type] = {(): dict, ("timeline",): dict, ("timeline", "events"): list}
    expected = section.get(path[3:]) if path[:2] == ("rooms", "join") and path[2:] else None
    return expected is not None and not isinstance(odd, expected) and odd not in EMPTY


def assert_no_answer(body: dict[str, Any]) -> None:
    if isinstance(body.get("next_batch"), str) and body["next_batch"]:
        return
    with pytest.raises(UNDECODABLE):
        synced(body)


@pytest.mark.parametrize("odd", [None, [], {}, 7, "x", {"events": None}, {"events": 7}])
def test_an_invite_counts_whatever_comes_with_it(odd: object) -> None:
    for path in (("!asks",), ("!asks", "invite_state")):
        delta = synced(changed(SYNC, ("rooms", "invite", *path), odd))
        assert Invite(RoomId("!asks"), ME) in delta.invites


@pytest.mark.parametrize("content", [None, [], {}, 7, {"membership": None}, {"membership": 7}])
def test_an_invite_with_an_odd_content_has_its_inviter(content: object) -> None:
    path = ("rooms", "invite", "!asks", "invite_state", "events", 1, "content")
    assert Invite(RoomId("!asks"), ALICE) in synced(changed(SYNC, path, content)).invites


@pytest.mark.parametrize(
    ("part", "odd"),
    [
        ("unsigned", []),
        ("unsigned", None),
        ("unsigned", "x"),
        ("origin_server_ts", None),
        ("origin_server_ts", "1"),
        ("origin_server_ts", 10**30),
        ("origin_server_ts", -5),
        ("origin_server_ts", 1e300),
        ("state_key", None),
    ],
)
def test_a_message_with_an_odd_optional_part_is_a_message(part: str, odd: object) -> None:
    path = ("rooms", "join", "!one", "timeline", "events", 1, part)
    delta = synced(changed(SYNC, path, odd))
    (first, _) = delta.rooms[0].messages
    assert (first.body, first.sender) == ("text 1", ALICE)
    assert 0 <= first.sent_ts < 2**63


@pytest.mark.parametrize(("ts", "expected"), [(1e3, 1000), (1.0, 1), (1.5, 0)])
def test_a_time_may_be_written_as_a_float(ts: float, expected: int) -> None:
    path = ("rooms", "join", "!one", "timeline", "events", 1, "origin_server_ts")
    assert synced(changed(SYNC, path, ts)).rooms[0].messages[0].sent_ts == expected


@pytest.mark.parametrize(
    ("part", "odd"),
    [
        *product([()], [None, 7, "x", [], {}]),
        *product([("event_id",)], [None, "", 7]),
        *product([("sender",)], [None, 7]),
        *product([("content",)], [7, "x", [7]]),
    ],
)
def test_a_timeline_with_an_odd_event_is_read_again(part: Path, odd: object) -> None:
    path = ("rooms", "join", "!one", "timeline", "events", 1, *part)
    delta = synced(changed(SYNC, path, odd))
    assert [room.gap_from for room in delta.rooms] == ["s2", None]
    assert [message.body for message in delta.rooms[0].messages] == ["text 2"]
    assert delta.malformed >= 1


def test_a_message_whose_content_is_null_was_redacted() -> None:
    path = ("rooms", "join", "!one", "timeline", "events", 1, "content")
    delta = synced(changed(SYNC, path, None))
    assert [message.body for message in delta.rooms[0].messages] == ["text 2"]
    assert delta.malformed == 0


@pytest.mark.parametrize("prev_batch", [None, 7, ""])
def test_a_limited_timeline_without_a_token_is_a_gap_as_a_whole(prev_batch: object) -> None:
    timeline = {"events": [], "limited": True, "prev_batch": prev_batch}
    body = changed(SYNC, ("rooms", "join", "!one", "timeline"), timeline)
    assert synced(body).rooms[0].gap_from == "s2"


def test_null_for_empty_is_not_malformed() -> None:
    body = copy.deepcopy(SYNC)
    body["rooms"]["join"]["!one"] |= {"state": None, "account_data": None, "summary": None}
    body["rooms"]["join"]["!two"]["timeline"]["events"] = None
    body["rooms"]["join"]["!three"] = None
    body["rooms"]["leave"] = None
    delta = synced(body)
    assert (delta.malformed, delta.malformed_at) == (0, ())
    assert [room.room_id for room in delta.rooms] == ["!one", "!two", "!three"]
    assert all(room.gap_from is None for room in delta.rooms)


def test_what_is_left_out_is_counted_with_its_place_and_without_its_value() -> None:
    body = changed(SYNC, ("rooms", "join", "!one", "timeline", "limited"), "a secret")
    body = changed(body, ("rooms", "join", "!two", "timeline", "events", 1), "a secret")
    body = changed(body, ("rooms", "join", "!two", "timeline", "events", 2, "unsigned"), "secret")
    delta = synced(body)
    assert delta.malformed == 3
    assert delta.malformed_at == ("!one timeline.limited", "!two event", "!two unsigned")


# ------------------------------------------------------------ JSON that msgspec refuses

TEXTS: Final = {
    "deep": b"[" * 3000 + b"]" * 3000,
    "deep objects": b'{"a":' * 3000 + b"1" + b"}" * 3000,
    "lone surrogate": rb'"\ud800"',
    "number out of range": b"1e999",
    "huge integer": b"9" * 3000,
    "no UTF-8": b'"\xff"',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize(
    "path",
    [
        ("rooms", "join", "!one", "timeline", "events", 1, "content", "m.mentions"),
        ("rooms", "join", "!one", "timeline", "events", 1, "unsigned"),
        ("rooms", "join", "!one", "timeline", "events", 0),
        ("rooms", "join", "!one", "summary"),
        ("rooms", "join", "!one", "account_data"),
        ("rooms", "knock"),
        ("account_data",),
    ],
    ids=lambda path: ".".join(map(str, path)),
)
def test_json_that_is_refused_costs_its_part_only(path: Path, text: bytes) -> None:
    body = json.dumps(changed(SYNC, path, "HERE")).encode().replace(b'"HERE"', text)
    answer = Decoder(SyncResponse).decode(body, Malformed())
    delta = delta_of(answer, ME)
    found = [message.body for room in delta.rooms for message in room.messages]
    assert found == ["text 1", "text 2", "text 3", "text 4"]
    assert len(delta.invites) == 2


@pytest.mark.parametrize("body", [rb'"a \ud83c b"', rb'"a \udf75 b"', b'"a \xf0\x9f b"'])
def test_a_body_with_half_a_character_is_read_with_a_replacement(body: bytes) -> None:
    path = ("rooms", "join", "!one", "timeline", "events", 1, "content", "body")
    text = json.dumps(changed(SYNC, path, "HERE")).encode().replace(b'"HERE"', body)
    delta = delta_of(Decoder(SyncResponse).decode(text, Malformed()), ME)
    assert delta.rooms[0].messages[0].body.replace("\ufffd\ufffd", "\ufffd") == "a \ufffd b"


def test_whole_characters_stay_beside_half_ones() -> None:
    raw = rb'{"a":"\ud83c\udf75 \\ud800 \ud800 \"]"}'
    assert Decoder(dict[str, str]).decode(raw, Malformed()) == {"a": '🍵 \\ud800 \ufffd "]'}


def test_the_last_of_two_equal_keys_counts() -> None:
    raw = b'{"type":"a","type":"b","sender":"@x:y","unsigned":7,"unsigned":[]}'
    event = Decoder(Event).decode(raw, Malformed())
    assert event.type == "b"


# ------------------------------------------------------------ other answers


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_state_event_costs_itself_alone(odd: object) -> None:
    kinds = ("m.room.create", "m.room.name", "m.room.member")
    for kind, part in product(kinds, state("", {})):
        events = [
            state("m.room.create", {"room_version": "12"}),
            state("m.room.tombstone", {"replacement_room": "!new"}),
            state(kind, {}, "@x:y") | {part: odd},
        ]
        raws = [msgspec.Raw(json.dumps(event).encode()) for event in events]
        seen = reading_of_state(RoomId("!one"), raws, ME).snapshot
        assert (seen.creator, seen.replacement) == (ME, "!new")


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_entry_of_a_page_costs_itself_alone(odd: object) -> None:
    raws = [msgspec.Raw(json.dumps(each).encode()) for each in (message(1), odd, message(2))]
    assert [it.body for it in messages_of(RoomId("!one"), raws, ME).messages] == [
        "text 1",
        "text 2",
    ]
    asks = state("m.room.member", {"membership": "invite"}, ME, ALICE)
    raws = [msgspec.Raw(json.dumps(each).encode()) for each in (odd, asks)]
    assert inviter_in(raws, ME) == ALICE


def test_no_rooms_may_be_null_and_odd_ids_cost_themselves_alone() -> None:
    decoder = Decoder(JoinedRooms)
    assert not decoder.decode(b'{"joined_rooms":null}', Malformed()).joined_rooms
    left_out = Malformed()
    answer = decoder.decode(b'{"joined_rooms":["!a",null,7,"",{},"!b"]}', left_out)
    assert (answer.joined_rooms, left_out.count) == (["!a", "!b"], 4)
    for body in (b"{}", b"[]", b'{"joined_rooms":7}', b"null"):
        with pytest.raises(UNDECODABLE):
            decoder.decode(body, Malformed())


def test_an_empty_page_may_be_null() -> None:
    page = Decoder(Page).decode(b'{"chunk":null,"end":null}', Malformed())
    assert (page.chunk, page.end) == (None, None)
    with pytest.raises(UNDECODABLE):
        Decoder(Page).decode(b'{"chunk":7}', Malformed())


@pytest.mark.parametrize("end", [None, ""])
def test_the_last_page_names_no_earlier_one(end: object) -> None:
    page = Decoder(Page).decode(json.dumps({"chunk": [], "end": end}).encode(), Malformed())
    assert page.earlier is None


def windowed(room: object) -> FirstReading:
    created = state("m.room.create", {"room_version": "12"}, "", ALICE)
    whole = {"required_state": [created], "joined_count": 2}
    body = {"rooms": {"!one": whole, "!odd": room}}
    window = Decoder(Window).decode(json.dumps(body).encode(), Malformed())
    joined = [RoomId("!one"), RoomId("!odd")]
    gathered = Gathered(ME)
    gathered.add_window(window)
    return gathered.outcome("s1", joined)


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_room_of_a_window_is_read_again_and_the_others_stand(odd: object) -> None:
    first = windowed(odd)
    assert "!one" in {seen.room_id for seen in first.hydration.snapshots}
    assert first.read_again == {"!odd"}


@pytest.mark.parametrize("odd", [None, [], {}, 7, "x", [None], [7]])
def test_an_odd_invite_of_a_window_counts(odd: object) -> None:
    hydration = windowed({"invite_state": odd}).hydration
    assert hydration.invites == (Invite(RoomId("!odd"), ME),)
    assert hydration.malformed == (0 if odd in (None, []) else 1)


@pytest.mark.parametrize("count", [None, "2", 1.5, [], {}])
def test_a_room_whose_members_are_not_counted_is_read_again(count: object) -> None:
    created = state("m.room.create", {"room_version": "12"}, "", ALICE)
    assert windowed({"required_state": [created], "joined_count": count}).read_again == {"!odd"}
    for summary in ({"m.joined_member_count": count}, count):
        room = {"state": {"events": [created]}, "summary": summary}
        body = {"next_batch": "s1", "rooms": {"join": {"!odd": room}}}
        answer = Decoder(SyncResponse).decode(json.dumps(body).encode(), Malformed())
        read_again = first_reading(answer, [RoomId("!odd")], ME).read_again
        assert read_again == (set() if summary in EMPTY[1:] else {"!odd"})


# ------------------------------------------------------------ anything at all

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["events", "type", "content", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
all_paths = st.sampled_from([path for path in paths(SYNC) if path != ("next_batch",)])


@given(st.lists(st.tuples(all_paths, json_values), min_size=1, max_size=4))
def test_no_odd_parts_stop_the_sync(changes: list[tuple[Path, object]]) -> None:
    body = SYNC
    for path, value in changes:
        try:
            body = changed(body, path, value)
        except (KeyError, IndexError, TypeError):
            continue
    delta = synced(body)
    found = {message.event_id for room in delta.rooms for message in room.messages}
    touched = [path for path, _ in changes]
    untouched = {
        event for at, event in MESSAGES.items() if not any(concerns(path, at) for path in touched)
    }
    assert untouched <= found


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_what_decoding_raises(raw: bytes) -> None:
    for kind in (SyncResponse, Page, Window, JoinedRooms, Event):
        with suppress(*UNDECODABLE):
            Decoder(kind).decode(raw, Malformed())
