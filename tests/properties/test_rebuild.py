"""Whatever is on the server and whatever has become of the cache: one and the same result.

An example costs about 10 ms. More of them: `pytest tests/properties --hypothesis-profile=thorough`.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.model import RoomKind
from actors.rules.numbering import chat_number
from tests.loops import BOTH_LOOPS
from tests.properties.building import Built, build
from tests.properties.damage import Cache, Damager, about, decoded, read_cache, rooms_in
from tests.properties.recovery import Backwards, Recovery, recover
from tests.properties.worlds import World, worlds


def left_alone(built: Built, recovery: Recovery, cache: Cache) -> Cache:
    """The rows of rooms in conflict and of rooms that we are not in."""
    managed = about(cache, built.joined() - recovery.undecided())
    return {
        key: value
        for key, value in cache.items()
        if key not in managed and not key.startswith("matrix_user:")
    }


def settled(built: Built, recovery: Recovery) -> dict[str, object]:
    """All other rows: what they say must not depend on what was there."""
    others = left_alone(built, recovery, recovery.cache)
    return {key: decoded(recovery.cache[key]) for key in recovery.cache.keys() - others}


def damaged(built: Built, rebuilt: Recovery, data: st.DataObject) -> Cache:
    return data.draw(Damager(built, rebuilt.cache).caches(), label="cache")


@given(worlds, st.data())
def test_any_damaged_cache_ends_in_the_rows_of_a_full_rebuild(
    world: World, data: st.DataObject
) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    recovery = recover(built, damaged(built, rebuilt, data))
    assert settled(built, recovery) == settled(built, rebuilt)
    assert recovery.undecided() == rebuilt.undecided()


@given(worlds, st.data())
def test_the_rows_of_rooms_that_are_left_alone_stay_unless_another_room_has_the_key(
    world: World, data: st.DataObject
) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    cache = damaged(built, rebuilt, data)
    recovery = recover(built, cache)
    expected = about(cache, rooms_in(cache) - built.joined() | recovery.undecided())
    taken = settled(built, rebuilt).keys()
    assert left_alone(built, recovery, recovery.cache) == {
        key: value for key, value in expected.items() if key not in taken
    }


@pytest.mark.parametrize("backend", BOTH_LOOPS)
@given(worlds, st.data())
def test_a_second_run_reports_no_changes_and_writes_nothing(
    backend: str, world: World, data: st.DataObject
) -> None:
    built = build(world)
    rebuilt = recover(built, {}, backend=backend)
    for recovery in (rebuilt, recover(built, damaged(built, rebuilt, data), backend=backend)):
        assert recovery.again["changes"] == 0
        assert recovery.rewritten == 0


@given(worlds, st.data())
def test_the_report_counts_the_rows_that_have_changed(world: World, data: st.DataObject) -> None:
    built = build(world)
    rebuilt = recover(built, {})
    cache = damaged(built, rebuilt, data)
    recovery = recover(built, cache)
    changed = {key for key in cache | recovery.cache if cache.get(key) != recovery.cache.get(key)}
    assert recovery.report["changes"] == len(changed)


@given(worlds)
def test_recovery_writes_nothing_on_the_server(world: World) -> None:
    built = build(world)
    server = built.server
    events, creations = len(server.events), dict(server.creations)
    recover(built, {})
    assert len(server.events) == events
    assert dict(server.creations) == creations
    assert (server.writes, server.receipts, server.typing) == ([], {}, {})


@given(worlds)
def test_the_order_in_which_the_server_names_its_rooms_does_not_matter(world: World) -> None:
    built = build(world)
    assert recover(built, {}, homeserver=Backwards).cache == recover(built, {}).cache


@given(worlds)
def test_no_chat_id_is_shared_or_given_out_again(world: World) -> None:
    built = build(world)
    found = read_cache(recover(built, {}).cache)
    markers = built.joined_markers()
    for owner in {room.matrix_user_id for room in found.rooms.values()}:
        chats = {
            room_id: room.chat_id
            for room_id, room in found.rooms.items()
            if room.matrix_user_id == owner and room.room_type is RoomKind.CHAT
        }
        assert len({*chats.values()}) == len(chats)
        theirs = [marker for marker in markers if marker.owner == owner]
        claimed = [chat_number(marker.chat_id or "") or 0 for marker in theirs]
        taken = max([0, *claimed, *((marker.next_chat_index or 1) - 1 for marker in theirs)])
        for room_id, chat_id in chats.items():
            if chat_id != built.implied_chat_id(room_id):
                assert (chat_number(chat_id or "") or 0) > taken
        if owner in found.users:
            highest = max([taken, *(chat_number(chat_id or "") or 0 for chat_id in chats.values())])
            assert found.users[owner].next_chat_index == highest + 1
