"""Counts the rooms by state, at a cost that does not grow with their number."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from actors.model import RoomId
from actors.room_states import RoomStates
from actors.rules.room_states import RoomState


@dataclass(slots=True)
class Stateless:
    """The stored rooms that have no state: this run has not looked at them.

    No room loses its state, so only the rooms that got one since the last look are looked at,
    unless the stored rooms have been read anew.
    """

    _stored: frozenset[RoomId] = field(default=frozenset(), init=False)
    _rooms: set[RoomId] = field(default_factory=set, init=False)
    _looked_at: int = field(default=0, init=False)
    """The number of rooms with a state that were looked at."""

    def among(self, stored: frozenset[RoomId], states: RoomStates) -> set[RoomId]:
        """The present ones. The caller does not change the set."""
        if stored is not self._stored:
            self._stored, self._rooms = stored, set(stored.difference(states))
        elif len(states) > self._looked_at:
            self._rooms.difference_update(islice(states, self._looked_at, None))
        self._looked_at = len(states)
        return self._rooms


def room_counts(states: RoomStates, stateless: int, *, all_read: bool) -> dict[str, int]:
    """The number of rooms in each state.

    A stored room without a state is unchecked. After a full reconciliation, it counts as left.
    """
    counts = {state.value: states.counts[state] for state in RoomState}
    counts[RoomState.LEFT if all_read else RoomState.UNCHECKED] += stateless
    return counts


def unchanged(
    states: RoomStates,
    stored: frozenset[RoomId],
    stateless: set[RoomId],
    probed: Iterable[RoomId],
) -> int:
    """The number of stored rooms that a run that trusts its rows need not check.

    They have no state or are unchecked, and no probe of them is under way.
    """
    count = len(stateless) - len(stateless.intersection(probed))
    if states.counts[RoomState.UNCHECKED]:
        unchecked = {each for each in states if states.of(each) is RoomState.UNCHECKED}
        count += len(unchecked.intersection(stored).difference(probed))
    return count
