"""The state of every room. `RoomStates.fire` is the only way to change one."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from actors.model import RoomId
from actors.rules.room_states import ROOM_LIFECYCLE, ROUTINE, RoomState, RoomTrigger
from actors.runtime.transition_log import TransitionLog


@dataclass(frozen=True, slots=True)
class StateSince:
    """A room's state, and the time of the clock, in seconds, at which the room entered it."""

    state: RoomState
    since: float


class RoomStates:
    """Moves rooms from state to state, and notes every transition, denied ones included.

    `flush_later` makes noted transitions durable soon. `probes_of` counts the probes of a room
    since it was quarantined.
    """

    def __init__(
        self,
        transitions: TransitionLog,
        clock: Callable[[], float],
        *,
        flush_later: Callable[[], None],
        probes_of: Callable[[RoomId], int],
    ) -> None:
        self._transitions = transitions
        self._clock = clock
        self._flush_later = flush_later
        self._probes_of = probes_of
        self._rooms: dict[RoomId, StateSince] = {}
        self.counts = Counter[RoomState]()
        """The number of known rooms in each state."""

    def __len__(self) -> int:
        """The number of known rooms."""
        return len(self._rooms)

    def __iter__(self) -> Iterator[RoomId]:
        """Every known room, in the order in which they became known. No room is forgotten."""
        return iter(self._rooms)

    def add(self, room_id: RoomId) -> None:
        """Add a room as unchecked; a known room keeps its state."""
        if room_id not in self._rooms:
            self._rooms[room_id] = StateSince(RoomState.UNCHECKED, self._clock())
            self.counts[RoomState.UNCHECKED] += 1

    def of(self, room_id: RoomId) -> RoomState:
        """A room's state; an unknown room is unchecked."""
        entry = self._rooms.get(room_id)
        return entry.state if entry else RoomState.UNCHECKED

    def since(self, room_id: RoomId) -> float:
        """When the room entered its state; now for an unknown room."""
        entry = self._rooms.get(room_id)
        return entry.since if entry else self._clock()

    def fire(self, room_id: RoomId, trigger: RoomTrigger, reason: str) -> None:
        """Move a room to its next state, or note that the table denies the trigger."""
        now = self._clock()
        self.add(room_id)
        src, since = self._rooms[room_id].state, self._rooms[room_id].since
        dst = ROOM_LIFECYCLE.next(src, trigger)
        if dst is not None:
            self._rooms[room_id] = StateSince(dst, now)
            self.counts[src] -= 1
            self.counts[dst] += 1
        must_flush = self._transitions.note(
            self._transitions.decided(
                f"room:{room_id}",
                src,
                trigger,
                dst,
                reason,
                attempt=max(1, self._probes_of(room_id)),
                dwell_s=now - since,
            ),
            is_routine=trigger in ROUTINE,
        )
        if must_flush:
            self._flush_later()
