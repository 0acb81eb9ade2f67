"""Every state and every trigger of one room, against what is meant, written out anew."""

from itertools import product

import pytest

from actors.rules.room_states import ROOM_LIFECYCLE, RoomState, RoomTrigger

MEANT = """
unchecked                             | checked           | ready
unchecked ready                       | drift_found       | repairing
repairing                             | repaired          | ready
unchecked repairing ready             | failed_repeatedly | quarantined
quarantined                           | probed            | unchecked
unchecked repairing ready quarantined | left              | left
left                                  | joined            | unchecked
"""

EXPECTED = {
    (src, trigger.strip()): dst.strip()
    for sources, trigger, dst in (line.split("|") for line in MEANT.strip().splitlines())
    for src in sources.split()
}


@pytest.mark.parametrize(("state", "trigger"), [*product(RoomState, RoomTrigger)])
def test_each_trigger_leads_where_it_must_or_is_denied(
    state: RoomState, trigger: RoomTrigger
) -> None:
    assert ROOM_LIFECYCLE.next(state, trigger) == EXPECTED.get((state.value, trigger.value))


def test_a_room_begins_unchecked() -> None:
    assert ROOM_LIFECYCLE.initial is RoomState.UNCHECKED


def test_a_quarantined_room_is_checked_again_before_it_is_ready() -> None:
    ways = {ROOM_LIFECYCLE.next(RoomState.QUARANTINED, trigger) for trigger in RoomTrigger}
    assert ways == {None, RoomState.UNCHECKED, RoomState.LEFT}


def test_a_room_that_we_come_back_to_is_checked_again() -> None:
    ways = {ROOM_LIFECYCLE.next(RoomState.LEFT, trigger) for trigger in RoomTrigger}
    assert ways == {None, RoomState.UNCHECKED}


@pytest.mark.parametrize("state", RoomState)
def test_every_state_can_be_reached_and_left(state: RoomState) -> None:
    assert any(row.dst is state for row in ROOM_LIFECYCLE.rows)
    assert any(row.src is state for row in ROOM_LIFECYCLE.rows)
