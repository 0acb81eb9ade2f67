"""The rooms that have changed since their rows were brought in line with them.

The store has the same, in the table `dirty`. A room is marked before its actor is told to read it,
in the transaction that makes the change known. The mark is cleared in the transaction that writes
the room's rows, unless the room has changed again since it was read: each change has a number, and
only the number that was seen before the reading is cleared.
"""

from collections.abc import Iterable, Iterator, Mapping

from actors.model import RoomId
from actors.writes import ClearDirty, MarkDirty


class DirtyRooms:
    """The numbers of the latest changes. No two changes have the same number."""

    def __init__(self) -> None:
        self._changes: dict[RoomId, int] = {}
        self._latest = 0

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._changes

    def __iter__(self) -> Iterator[RoomId]:
        return iter(tuple(self._changes))

    def restore(self, stored: Mapping[RoomId, int]) -> None:
        """Take on what the store has: some marks may have been committed unnoticed, or not."""
        self._changes = dict(stored)
        self._latest = max(self._latest, *stored.values(), 0)

    def changes(self) -> dict[RoomId, int]:
        """The number of each room's latest change."""
        return dict(self._changes)

    def change_of(self, room_id: RoomId) -> int | None:
        """The number of a room's latest change; None for a room that is in line."""
        return self._changes.get(room_id)

    def mark(self, rooms: Iterable[RoomId]) -> list[MarkDirty]:
        """Note that rooms have changed; the writes that belong into the same transaction."""
        writes = []
        for room_id in rooms:
            self._latest += 1
            self._changes[room_id] = self._latest
            writes.append(MarkDirty(room_id, self._latest))
        return writes

    def clear(self, room_id: RoomId, seen: int | None) -> list[ClearDirty]:
        """Note that a room's rows are in line, up to the change `seen`; the writes for that."""
        if seen is None:
            return []
        if self._changes.get(room_id) == seen:
            del self._changes[room_id]
        return [ClearDirty(room_id, seen)]
