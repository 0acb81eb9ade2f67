"""The homeserver's JSON becomes the core's values, whatever is wrong with single events."""

import json
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import (
    MARKER_TYPE,
    SETTINGS_TYPE,
    ChatId,
    ChatSettings,
    Instance,
    Invite,
    Marker,
    RoomId,
    RoomKind,
    SpaceSettings,
    UserId,
)
from actors.port_errors import HomeserverRefused, HomeserverUnavailable
from actors.ports import SyncDelta
from actors.rules.marker import marker_content
from actors.rules.setting_values import settings_content
from actors.snapshots import RoomSnapshot
from adapter.matrix.bodies import SyncResponse, Window
from adapter.matrix.hydrate import (
    FirstReading,
    Gathered,
    complete,
    first_reading,
    hydration_filter,
    live_filter,
    messages_filter,
    position_filter,
    window_request,
)
from adapter.matrix.timeline import messages_of
from adapter.matrix.wire import (
    SNAPSHOT_TYPES,
    Reading,
    delta_of,
    membership_in,
    reading_of_joined,
    reading_of_state,
)

Json: TypeAlias = dict[str, object]

ME = UserId("@bot:example.org")
ALICE = UserId("@alice:example.org")
MALLORY = "@mallory:example.org"
ROOM = RoomId("!room")
SPACE = RoomId("!space:example.org")
SETTINGS = ChatSettings(model="small", temperature=0.3)
MARKER = Marker(RoomKind.CHAT, ALICE, chat_id=ChatId("C4"), space_id=SPACE)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def state(
    kind: str, content: object, state_key: str = "", sender: str = ME, **fields: object
) -> Json:
    return {
        "type": kind,
        "content": content,
        "state_key": state_key,
        "sender": sender,
        "event_id": "$state",
        "origin_server_ts": 1000,
        **fields,
    }


def message(body: object = "hello", sender: str = ALICE, **content: object) -> Json:
    return {
        "type": "m.room.message",
        "content": {"msgtype": "m.text", "body": body, **content},
        "sender": sender,
        "event_id": "$message",
        "origin_server_ts": 2000,
    }


CREATE = state("m.room.create", {"room_version": "12"})


def read(*events: object) -> Reading:
    return reading_of_state(ROOM, map(raw, events), ME)


def snapshot(*events: object) -> RoomSnapshot:
    return read(CREATE, *events).snapshot


def test_a_room_is_what_its_state_says() -> None:
    predecessor = {"room_id": "!old:example.org", "event_id": "$last"}
    create = {"room_version": "11", "type": "m.space", "predecessor": predecessor}
    reading = read(
        state("m.room.create", create),
        state("m.room.name", {"name": "Alice's chats"}),
        state("m.space.child", {"via": ["example.org"]}, "!chat"),
        state("m.room.tombstone", {"replacement_room": "!new"}),
        state("m.room.member", {"membership": "join"}, ME),
        state("m.room.member", {"membership": "invite"}, ALICE),
        state("m.room.member", {"membership": "leave"}, MALLORY),
    )
    assert reading.malformed.count == 0
    assert reading.snapshot == RoomSnapshot(
        room_id=ROOM,
        creator=ME,
        created_ts=1000,
        room_version="11",
        is_space=True,
        predecessor=RoomId("!old:example.org"),
        name="Alice's chats",
        own_name=True,
        tombstoned=True,
        replacement=RoomId("!new"),
        children=frozenset({RoomId("!chat")}),
        is_ordered=False,
        others=(ALICE,),
        member_count=2,
    )


def test_names_and_their_givers_are_read_from_the_whole_state() -> None:
    seen = snapshot(
        state("m.room.member", {"membership": "join", "displayname": "Alice"}, ALICE),
        state("m.room.member", {"membership": "join"}, MALLORY),
        state("m.room.member", {"membership": "invite", "displayname": "Carol"}, "@carol:x"),
        state("m.room.name", {"name": "Mine"}, sender=ALICE),
    )
    assert seen.names == {ALICE: "Alice", MALLORY: ""}
    assert not seen.own_name
    assert seen.space_settings is None


@pytest.mark.parametrize(
    ("sender", "kind", "expected"),
    [
        (ME, "m.space", SpaceSettings(language="ru")),
        (ALICE, "m.space", None),
        (ME, None, None),
    ],
)
def test_only_what_the_bot_wrote_into_a_space_are_its_settings(
    sender: str, kind: str | None, expected: SpaceSettings | None
) -> None:
    seen = snapshot(
        state("m.room.create", {"type": kind} if kind else {}),
        state("io.surfaces.settings", {"version": 1, "language": "ru"}, ME, sender=sender),
    )
    assert seen.space_settings == expected


def test_who_gets_in_is_read_from_the_whole_state() -> None:
    seen = snapshot(
        state("m.room.member", {"membership": "invite"}, ALICE),
        state("m.room.member", {"membership": "ban"}, MALLORY),
        state("m.room.member", {"membership": "knock"}, "@carol:example.org"),
        state("m.room.join_rules", {"allow": [{"room_id": "!door"}, {"room_id": 7}, "!x"]}),
        state("m.room.encryption", {}),
    )
    assert seen.invited == {ALICE}
    assert seen.banned == {MALLORY}
    assert seen.knocking == {"@carol:example.org"}
    assert seen.admits == {"!door"}
    assert seen.own_entry
    assert seen.encrypted


@pytest.mark.parametrize("content", [{}, {"allow": None}, {"allow": 7}, {"allow": {"a": 1}}])
def test_join_rules_that_let_no_room_in(content: dict[str, object]) -> None:
    seen = snapshot(state("m.room.join_rules", content))
    assert (seen.admits, seen.own_entry) == (frozenset(), True)


def test_join_rules_of_another_account_are_not_ours() -> None:
    rules = {"allow": [{"room_id": "!door"}]}
    seen = snapshot(state("m.room.join_rules", rules, sender=ALICE))
    assert (seen.admits, seen.own_entry) == (frozenset(), False)


def test_the_creator_is_the_sender_and_nobody_the_content_names() -> None:
    seen = read(state("m.room.create", {"creator": ME}, sender=MALLORY)).snapshot
    assert (seen.creator, seen.room_version) == (MALLORY, "1")


def test_our_own_marker_counts() -> None:
    assert snapshot(state(MARKER_TYPE, marker_content(MARKER), ME)).marker == MARKER


@pytest.mark.parametrize(
    ("state_key", "sender"), [(ME, MALLORY), (MALLORY, ME), ("", ME), (MALLORY, MALLORY)]
)
def test_nobody_else_s_marker_counts(state_key: str, sender: str) -> None:
    seen = snapshot(state(MARKER_TYPE, marker_content(MARKER), state_key, sender))
    assert (seen.marker, seen.marker_fault) == (None, None)


def test_a_redacted_marker_is_none() -> None:
    seen = snapshot(state(MARKER_TYPE, {}, ME))
    assert (seen.marker, seen.marker_fault) == (None, None)


def test_our_own_settings_count() -> None:
    assert snapshot(state(SETTINGS_TYPE, settings_content(SETTINGS), ME)).settings == SETTINGS


@pytest.mark.parametrize(
    ("state_key", "sender"), [(ME, MALLORY), (MALLORY, ME), ("", ME), (MALLORY, MALLORY)]
)
def test_settings_of_another_account_do_not_count(state_key: str, sender: str) -> None:
    seen = snapshot(state(SETTINGS_TYPE, settings_content(SETTINGS), state_key, sender))
    assert seen.settings is None


def test_redacted_settings_are_none_and_odd_ones_are_the_defaults() -> None:
    assert snapshot(state(SETTINGS_TYPE, {}, ME)).settings is None
    assert snapshot(state(SETTINGS_TYPE, {"model": 7}, ME)).settings == ChatSettings()


def test_a_change_of_the_settings_is_a_change_of_the_state() -> None:
    room = {"timeline": {"events": [state(SETTINGS_TYPE, {"version": 1}, ME)]}}
    told = delta_of(decoded({"next_batch": "s2", "rooms": {"join": {ROOM: room}}}), ME)
    assert told.rooms[0].state_changed


def test_an_unreadable_marker_is_a_fault() -> None:
    seen = snapshot(state(MARKER_TYPE, marker_content(MARKER) | {"chat_id": "C0"}, ME))
    assert (seen.marker, seen.marker_fault) == (None, "chat_id is not valid")


@pytest.mark.parametrize("name", ["", None, 7, ["x"], {"a": "b"}])
def test_a_name_that_is_no_text_is_none(name: object) -> None:
    assert snapshot(state("m.room.name", {"name": name})).name is None


@pytest.mark.parametrize("content", [{}, {"via": []}, {"via": "example.org"}, {"via": None}])
def test_a_link_without_a_way_is_none(content: Mapping[str, object]) -> None:
    seen = snapshot(
        state("m.space.child", content, "!chat"), state("m.space.parent", content, SPACE)
    )
    assert (seen.children, seen.parents) == (frozenset(), frozenset())


def test_only_a_parent_that_we_sent_counts() -> None:
    via = {"via": ["example.org"]}
    seen = snapshot(
        state("m.space.parent", via, SPACE),
        state("m.space.parent", via, "!theirs", sender=MALLORY),
        state("m.space.child", via, "!not ours", sender=MALLORY),
    )
    assert seen.parents == {SPACE}
    assert seen.children == {"!not ours"}


@pytest.mark.parametrize(
    "bad",
    [
        7,
        [],
        {"type": "m.room.name"},
        state("m.room.name", "no object"),
        state("m.room.name", {"name": "x"}, sender=7),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_event_costs_itself_alone(bad: object) -> None:
    reading = read(CREATE, bad, state("m.room.tombstone", {}))
    assert reading.malformed.count == 1
    assert reading.snapshot.creator == ME
    assert reading.snapshot.tombstoned
    assert reading.snapshot.name is None


@pytest.mark.parametrize("content", [b"[" * 50_000, b'{"a":1e999}', b'{"a":"\xff"}'])
def test_json_made_to_hurt_costs_itself_alone(content: bytes) -> None:
    event = msgspec.Raw(b'{"type":"m.room.name","sender":"@m:x","content":' + content + b"}")
    assert reading_of_state(ROOM, [raw(CREATE), event], ME).malformed.count == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["room_version", "type", "predecessor", "name", "via", "replacement_room"])


@given(
    st.lists(
        st.builds(
            state,
            st.sampled_from([*SNAPSHOT_TYPES, "m.room.member"]),
            st.dictionaries(fields, json_values) | json_values,
            st.sampled_from(["", ME, ALICE, "!chat"]),
        )
    )
)
def test_no_content_of_any_state_stops_the_reading(events: list[Json]) -> None:
    reading = read(CREATE, *events)
    assert reading.malformed.count <= len(events)
    assert reading.snapshot.room_id == ROOM


def test_the_timeline_comes_after_the_state() -> None:
    room = {
        "state": {"events": [CREATE, state("m.room.name", {"name": "old"})]},
        "timeline": {"events": [state("m.room.name", {"name": "new"})]},
    }
    assert reading_of_joined(ROOM, raw(room), ME).snapshot.name == "new"


@pytest.mark.parametrize(
    ("summary", "count", "others"),
    [
        ({}, 1, ()),
        ({"m.joined_member_count": 1, "m.invited_member_count": 1}, 2, ()),
        ({"m.heroes": [ALICE], "m.joined_member_count": 2}, 2, (ALICE,)),
        ({"m.heroes": [ALICE], "m.joined_member_count": 1}, 1, ()),
        ({"m.heroes": [ME, ALICE, "not an id"]}, 2, (ALICE,)),
    ],
)
def test_a_summary_counts_who_is_there(
    summary: Json, count: int, others: tuple[UserId, ...]
) -> None:
    seen = reading_of_joined(ROOM, raw({"summary": summary}), ME).snapshot
    assert (seen.member_count, seen.others) == (count, others)


def test_everybody_in_a_room_is_named_up_to_a_bound() -> None:
    members = [state("m.room.member", {"membership": "join"}, f"@u{n}:x") for n in range(1100)]
    assert len(snapshot(*members[:9]).others) == 9
    seen = snapshot(*members)
    assert (len(seen.others), seen.member_count) == (1000, 1101)


def test_a_membership_is_looked_up() -> None:
    events = [raw(state("m.room.member", {"membership": "leave"}, ME))]
    assert membership_in(events, ME) == "leave"
    assert membership_in(events, ALICE) == ""


def decoded(body: object) -> SyncResponse:
    return msgspec.json.decode(msgspec.json.encode(body), type=SyncResponse)


def live(*timeline: object, **extra: object) -> SyncDelta:
    room = {"timeline": {"events": timeline, **extra}}
    return delta_of(decoded({"next_batch": "s2", "rooms": {"join": {ROOM: room}}}), ME)


def test_messages_of_others_are_handed_on_in_order() -> None:
    (room,) = live(message("one"), message("mine", sender=ME), message("two")).rooms
    assert [it.body for it in room.messages] == ["one", "two"]
    assert room.messages[0].sent_ts == 2000
    assert not room.state_changed


def membership(now: str, before: str | None, user_id: UserId = ME) -> Json:
    unsigned = {"prev_content": {"membership": before}} if before else {}
    return state("m.room.member", {"membership": now}, user_id, sender=ALICE, unsigned=unsigned)


@pytest.mark.parametrize("before", ["invite", "leave", "ban", None])
def test_a_timeline_that_shows_our_own_join_is_a_gap_as_a_whole(before: str | None) -> None:
    joins = membership("join", before)
    (room,) = live(message("old"), joins, message("new"), limited=True, prev_batch="t7").rooms
    assert (room.messages, room.gap_from, room.state_changed) == ((), "s2", True)


def test_a_new_name_of_ours_and_others_coming_and_going_is_no_join_of_ours() -> None:
    theirs = membership("leave", "join", ALICE), membership("join", "leave", ALICE)
    (room,) = live(message("one"), membership("join", "join"), *theirs, message("two")).rooms
    assert ([it.body for it in room.messages], room.gap_from) == (["one", "two"], None)


@pytest.mark.parametrize("before", ["invite", "leave", "ban", None])
def test_a_page_counts_from_our_own_join_on(before: str | None) -> None:
    joins = membership("join", before)
    page = [message("new"), membership("join", "join"), message("newer"), joins, message("old")]
    messages, joined, departed, *_ = messages_of(ROOM, map(raw, page), ME)
    assert ([it.body for it in messages], joined, departed) == (["new", "newer"], True, False)
    messages, joined, *_ = messages_of(ROOM, map(raw, page[:3]), ME)
    assert (len(messages), joined) == (2, False)


@pytest.mark.parametrize("how", ["leave", "ban"])
def test_a_page_tells_that_we_left(how: str) -> None:
    leaves = membership(how, "join")
    page = [message("new"), membership("join", how), message("between"), leaves, message("old")]
    assert messages_of(ROOM, map(raw, page), ME)[1:3] == (True, True)
    assert messages_of(ROOM, map(raw, page[:3]), ME)[1:3] == (True, False)
    assert messages_of(ROOM, [raw(membership(how, "join", ALICE))], ME)[1:3] == (False, False)


@pytest.mark.parametrize("kind", ["m.room.encrypted", "m.sticker", "m.poll.start"])
def test_what_is_said_in_other_ways_is_handed_on_with_its_type(kind: str) -> None:
    said = message() | {"type": kind, "content": {"body": "a cat", "msgtype": "m.text"}}
    ((it,), *_) = messages_of(ROOM, [raw(said)], ME)
    assert (it.msgtype, it.body) == (kind, "a cat")
    for ask in (json.loads(live_filter())["room"]["timeline"], json.loads(messages_filter())):
        assert kind in ask["types"]


def instance_told(*contents: object) -> Instance | None:
    events = [{"type": "io.surfaces.instance", "content": content} for content in contents]
    told = {"next_batch": "s2", "account_data": {"events": events}}
    return delta_of(decoded(told), ME).instance


def test_who_announced_itself_last_is_told() -> None:
    assert instance_told() is None
    one, two = ({"boot": name, "where": f"at {name}"} for name in ("b1", "b2"))
    assert instance_told(one, two) == Instance("b2", "at b2")
    assert json.loads(live_filter())["account_data"] == {"types": ["io.surfaces.instance"]}


@pytest.mark.parametrize("content", [{}, {"boot": "b1"}, {"boot": 1, "where": "x"}, None, "text"])
def test_an_announcement_that_says_nothing_is_none(content: object) -> None:
    assert instance_told(content) is None


def test_an_edit_is_marked_as_one() -> None:
    relation = {"rel_type": "m.replace", "event_id": "$x"}
    content = {"msgtype": "m.text", "body": "* hello", "m.relates_to": relation}
    edit, plain = messages_of(ROOM, map(raw, [message() | {"content": content}, message()]), ME)[0]
    assert (edit.is_edit, plain.is_edit) == (True, False)


@pytest.mark.parametrize(
    "event",
    [
        message() | {"content": {}},
        message() | {"state_key": ""},
        message() | {"event_id": ""},
        message() | {"type": "m.reaction"},
        message() | {"content": "text"},
    ],
)
def test_what_says_nothing_is_no_message(event: Json) -> None:
    assert messages_of(ROOM, [raw(event)], ME) == ((), False, False, frozenset(), (), frozenset())


@pytest.mark.parametrize("body", [None, 7, ["x"]])
def test_a_body_that_is_no_text_is_empty(body: object) -> None:
    ((it,), *_) = messages_of(ROOM, [raw(message(body, msgtype=body))], ME)
    assert (it.msgtype, it.body) == ("", "")


@pytest.mark.parametrize("kind", SNAPSHOT_TYPES)
def test_our_state_types_are_a_change(kind: str) -> None:
    assert live(state(kind, {})).rooms[0].state_changed


@pytest.mark.parametrize(
    ("event", "changed"),
    [
        (state("m.room.topic", {}), False),
        (message() | {"type": "m.room.name"}, False),
        (message() | {"type": "m.room.redaction"}, True),
        (state("m.room.member", {"membership": "join"}, ALICE), True),
        (
            state(
                "m.room.member",
                {"membership": "join", "displayname": "A."},
                ALICE,
                unsigned={"prev_content": {"membership": "join"}},
            ),
            False,
        ),
        (
            state(
                "m.room.member",
                {"membership": "leave"},
                ALICE,
                unsigned={"prev_content": {"membership": "join"}},
            ),
            True,
        ),
        (
            state(
                "m.room.member", {"membership": "join"}, ALICE, unsigned={"prev_content": "what"}
            ),
            True,
        ),
    ],
)
def test_a_change_is_one_of_what_a_snapshot_is_made_of(event: Json, changed: bool) -> None:  # noqa: FBT001
    assert live(event).rooms[0].state_changed is changed


def test_a_limited_timeline_is_a_gap_and_a_change() -> None:
    (room,) = live(limited=True, prev_batch="t1").rooms
    assert (room.gap_from, room.state_changed) == ("t1", True)
    assert live(prev_batch="t1").rooms[0].gap_from is None


def test_invites_and_departures_are_told() -> None:
    asks = state("m.room.member", {"membership": "invite"}, ME, sender=ALICE)
    joins = state("m.room.member", {"membership": "join"}, ME, sender=ALICE)
    rooms = {
        "join": {"!broken": 7},
        "invite": {
            "!asked": {"invite_state": {"events": [asks]}},
            "!joined": {"invite_state": {"events": [joins]}},
            "!nobody": {"invite_state": {"events": []}},
            "!nameless": {"invite_state": {"events": [asks | {"sender": "alice"}]}},
            "!broken": [],
        },
        "leave": {"!gone": {"timeline": {}}},
    }
    got = delta_of(decoded({"next_batch": "s2", "rooms": rooms}), ME)
    assert got.left == (RoomId("!gone"),)
    assert {invite.room_id: invite.inviter for invite in got.invites} == {
        "!asked": ALICE,
        "!joined": ME,
        "!nobody": ME,
        "!nameless": ME,
        "!broken": ME,
    }
    (broken,) = got.rooms
    assert (broken.room_id, broken.state_changed, broken.gap_from) == ("!broken", True, "s2")
    assert (got.malformed, got.malformed_at) == (2, ("!broken invite", "!broken room"))


LEGACY_SPACE = {
    "state": {"events": [state("m.room.create", {"type": "m.space"})]},
    "summary": {"m.joined_member_count": 2},
}
KNOWN = {"state": {"events": [CREATE]}}
HERS = state("m.room.member", {"membership": "invite"}, ME, sender=ALICE)


def first_sync() -> FirstReading:
    join = {"!legacy": LEGACY_SPACE, "!known": KNOWN, "!broken": 7}
    invite = {"!asked": {"invite_state": {"events": [HERS]}}}
    body = {"next_batch": "s1", "rooms": {"join": join, "invite": invite}}
    joined = map(RoomId, ["!known", "!legacy", "!broken", "!untold"])
    return first_reading(decoded(body), joined, ME)


def first_window() -> FirstReading:
    rooms = {
        "!legacy": {"required_state": LEGACY_SPACE["state"]["events"], "joined_count": 2},  # type: ignore[index]
        "!known": {"required_state": [CREATE], "joined_count": 1, "heroes": [{"user_id": ALICE}]},
        "!broken": 7,
        "!asked": {"invite_state": [HERS]},
        "!nobody": {"invite_state": []},
    }
    window = msgspec.json.decode(msgspec.json.encode({"rooms": rooms}), type=Window)
    joined = map(RoomId, ["!known", "!legacy", "!broken", "!untold"])
    gathered = Gathered(ME)
    gathered.add_window(window)
    return gathered.outcome("s1", joined)


@pytest.mark.parametrize("first", [first_sync(), first_window()], ids=["sync", "window"])
def test_what_the_first_reading_leaves_open_is_read_again(first: FirstReading) -> None:
    assert first.read_again == {"!legacy", "!broken", "!untold"}
    assert first.hydration.position == "s1"
    assert Invite(RoomId("!asked"), ALICE) in first.hydration.invites


def test_an_invite_that_names_nobody_is_counted() -> None:
    assert first_window().hydration.malformed == 1


def test_second_readings_complete_the_first() -> None:
    legacy = RoomSnapshot(RoomId("!legacy"), ME, 1000, is_space=True, others=(ALICE,))
    whole = complete(
        first_sync(),
        {
            RoomId("!legacy"): legacy,
            RoomId("!broken"): HomeserverUnavailable("500 M_UNKNOWN: oh"),
            RoomId("!untold"): HomeserverRefused(403, "M_FORBIDDEN", "left"),
            RoomId("!closed"): HomeserverRefused(403, "M_FORBIDDEN", "no"),
        },
        joined=[*map(RoomId, ["!known", "!legacy", "!broken", "!closed"])],
    )
    assert {it.room_id for it in whole.snapshots} == {"!known", "!legacy"}
    assert legacy in whole.snapshots
    assert whole.unreadable == {"!broken": "500 M_UNKNOWN: oh", "!closed": "403 M_FORBIDDEN: no"}


def test_every_hydration_asks_with_words_of_its_own() -> None:
    assert hydration_filter("a") != hydration_filter("b")
    assert position_filter("a") != position_filter("b")


@pytest.mark.parametrize("kind", [MARKER_TYPE, SETTINGS_TYPE])
def test_the_window_asks_for_our_own_marker_and_settings_alone(kind: str) -> None:
    body = msgspec.json.encode(window_request(ME))
    assert f'["{kind}","{ME}"]'.encode() in body
