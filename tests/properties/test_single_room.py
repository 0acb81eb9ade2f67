"""One room repaired alone ends in the rows that a full rebuild gives it."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from actors.model import RoomId
from tests.properties.building import Built, build
from tests.properties.damage import Cache, about, decoded, read_cache
from tests.properties.recovery import Recovery, recover, repair
from tests.properties.worlds import World, worlds


def a_marked_chat(built: Built, rebuilt: Recovery, data: st.DataObject) -> RoomId:
    """A chat that has the id its own marker claims."""
    rooms = read_cache(rebuilt.cache).rooms
    chats = [
        room_id
        for room_id in sorted(rooms.keys() & built.markers.keys())
        if rooms[room_id].chat_id and rooms[room_id].chat_id == built.markers[room_id].chat_id
    ]
    assume(chats)
    return data.draw(st.sampled_from(chats), label="room")


def repaired(built: Built, cache: Cache, room_id: RoomId, rebuilt: Recovery) -> Cache:
    owner = read_cache(rebuilt.cache).rooms[room_id].matrix_user_id
    return repair(built, cache, room_id, owner).cache


def values(cache: Cache) -> dict[str, object]:
    return {key: decoded(value) for key, value in cache.items()}


@given(worlds, st.data())
def test_rows_that_are_lost_come_back(world: World, data: st.DataObject) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    room_id = a_marked_chat(built, rebuilt, data)
    lost = about(rebuilt.cache, {room_id}).keys()
    cache = {key: value for key, value in rebuilt.cache.items() if key not in lost}
    assert values(repaired(built, cache, room_id, rebuilt)) == values(rebuilt.cache)


@given(worlds, st.data())
def test_a_chat_row_that_names_another_room_is_repaired(world: World, data: st.DataObject) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    room_id = a_marked_chat(built, rebuilt, data)
    others = st.sampled_from([RoomId("!nowhere"), *sorted(built.joined())])
    cache = dict(rebuilt.cache)
    for key, value in about(cache, {room_id}).items():
        if key.startswith("chat:"):
            cache[key] = json.dumps(json.loads(value) | {"surface_ref": data.draw(others)})
    assert values(repaired(built, cache, room_id, rebuilt)) == values(rebuilt.cache)


@given(worlds, st.data())
def test_rows_that_are_right_stay_as_they_are(world: World, data: st.DataObject) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    rooms = sorted(read_cache(rebuilt.cache).rooms)
    assume(rooms)
    room_id = data.draw(st.sampled_from(rooms), label="room")
    owner = read_cache(rebuilt.cache).rooms[room_id].matrix_user_id
    recovery = repair(built, rebuilt.cache, room_id, owner)
    assert recovery.report["changes"] == 0
    assert recovery.cache == rebuilt.cache
