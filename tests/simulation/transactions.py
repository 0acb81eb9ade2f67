"""The transaction ids that the simulated server remembers, for a day and for each device."""

from dataclasses import dataclass, field
from typing import Final

from actors.model import EventId, RoomId, UserId

REMEMBERED_S: Final = 86_400.0
"""Synapse forgets a transaction id after this time."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction id, with the room and the device that used it."""

    user_id: UserId
    device_id: str
    room_id: RoomId
    txn_id: str


@dataclass(slots=True)
class Transactions:
    """The event of each transaction id, and when it was sent in seconds since the epoch."""

    _events: dict[Transaction, tuple[EventId, float]] = field(default_factory=dict)

    def event_of(self, transaction: Transaction, now: float) -> EventId | None:
        """The event that was sent with a transaction id; None if none is remembered."""
        event_id, at = self._events.get(transaction, (None, now))
        return event_id if now - at < REMEMBERED_S else None

    def remember(self, transaction: Transaction, event_id: EventId, now: float) -> None:
        """Note the event of a transaction id."""
        self._events[transaction] = event_id, now

    def forget(self, user_id: UserId | None = None) -> None:
        """Forget the transaction ids of a user's devices; without one, all of them."""
        for transaction in tuple(self._events):
            if user_id in {None, transaction.user_id}:
                del self._events[transaction]
