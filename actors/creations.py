"""What is known about rooms that are being created, and about invites to them.

Nothing here must outlive the process, see `actors.registry`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from actors.model import Marker, Nonce, RoomId, UserId
from actors.rules.access import Outcome


class Creations:
    """Creations under way, the rooms that intents made, and numbers that no Space records."""

    def __init__(self) -> None:
        self._under_way: set[Nonce] = set()
        self._made: dict[Nonce, RoomId] = {}
        self._read: set[RoomId] = set()
        self._told: dict[Nonce, str] = {}
        self._unfinished: set[RoomId] = set()
        self._taken: dict[UserId, int] = {}
        self._until: dict[Nonce, float] = {}

    def wait(self, nonce: Nonce, until: float) -> None:
        """Note that an intent must wait until a time of anyio's clock."""
        self._until[nonce] = until

    def waits_until(self, nonce: Nonce) -> float | None:
        """Until when an intent must wait, in anyio's time; None if that was not noted."""
        return self._until.get(nonce)

    def go_on(self, nonce: Nonce) -> None:
        """Forget that an intent must wait."""
        self._until.pop(nonce, None)

    @contextmanager
    def under_way(self, nonce: Nonce) -> Iterator[None]:
        """Mark a creation as under way, until it is decided whether the room is kept.

        A sync may show the room before its whole state, and before that decision.
        """
        self._under_way.add(nonce)
        try:
            yield
        finally:
            self._under_way.discard(nonce)

    def is_making(self, marker: Marker | None) -> bool:
        """Whether a room of the bot's with this marker may still be under way.

        A room without a marker may be any of those under way.
        """
        return bool(self._under_way) if marker is None else marker.intent in self._under_way

    def note_unfinished(self, room_id: RoomId) -> None:
        """Note a new room that its creation still links, and invites the owner to."""
        self._unfinished.add(room_id)

    def note_finished(self, room_id: RoomId | None) -> None:
        """Note that the creation of a room has done all of that, or was given up."""
        self._unfinished.discard(room_id or RoomId(""))

    def is_unfinished(self, room_id: RoomId) -> bool:
        """Whether the creation of a room goes on: upkeep leaves the room alone."""
        return room_id in self._unfinished

    def note_read(self, room_id: RoomId, nonce: Nonce | None) -> None:
        """Note that a room was read, and that its marker carries the nonce of an intent, if any."""
        self._read.add(room_id)
        if nonce is not None:
            self._made[nonce] = room_id

    def was_read(self, room_id: RoomId) -> bool:
        """Whether a room was read since the start, so that `made` knows it."""
        return room_id in self._read

    def forget_made(self, nonce: Nonce) -> None:
        """Forget the room that an intent made: the bot has given it up."""
        self._made.pop(nonce, None)

    def made(self, nonce: Nonce) -> RoomId | None:
        """The room that an intent made, if the bot has read that room since its start."""
        return self._made.get(nonce)

    def note_told(self, nonce: Nonce, occasion: str) -> None:
        """Note for which reason this run has told an owner that an intent waits."""
        self._told[nonce] = occasion

    def told(self, nonce: Nonce) -> str | None:
        """The reason that this run has told last; None if it has told none."""
        return self._told.get(nonce)

    def forget_told(self, nonce: Nonce) -> None:
        """Forget the reason: the intent is done."""
        self._told.pop(nonce, None)

    def note_taken(self, owner: UserId, index: int) -> None:
        """Note that an owner without a Space has used the numbers below an index."""
        self._taken[owner] = max(self._taken.get(owner, 1), index)

    def first_free(self, owner: UserId) -> int:
        """The first index that was not noted as used, for an owner without a Space."""
        return self._taken.get(owner, 1)

    def forget_taken(self, owner: UserId) -> None:
        """Forget an owner's used numbers: the owner has a Space again, and its marker has them."""
        self._taken.pop(owner, None)


class PutOff:
    """Intents that a refusal has put off, each with its attempts and the time of the next one."""

    def __init__(self) -> None:
        self._until: dict[Nonce, tuple[int, float]] = {}

    def is_due(self, nonce: Nonce, now: float) -> bool:
        """Whether an intent may be tried at `now`, in anyio's time."""
        return self.wait_s(nonce, now) == 0.0

    def wait_s(self, nonce: Nonce, now: float) -> float:
        """The seconds until an intent may be tried; 0 if it may be tried now."""
        return max(0.0, self._until[nonce][1] - now) if nonce in self._until else 0.0

    def note(self, nonce: Nonce, now: float, *, first_s: float, cap_s: float) -> float:
        """Put an intent off, twice as long each time; the seconds until its next attempt."""
        attempts = self._until.get(nonce, (0, now))[0]
        wait_s = min(cap_s, first_s * 2.0 ** min(attempts, 16))
        self._until[nonce] = attempts + 1, now + wait_s
        return wait_s

    def forget(self, nonce: Nonce) -> None:
        """Forget an intent that is done."""
        self._until.pop(nonce, None)

    def clear(self) -> None:
        """Let every intent be tried again now."""
        self._until.clear()


class Invites:
    """What came of invites to an owner's rooms, while an intent of the owner is open."""

    def __init__(self) -> None:
        self._outcomes: dict[UserId, dict[RoomId, Outcome]] = {}

    def get(self, owner: UserId, room_id: RoomId) -> Outcome | None:
        """What came of an invite; None if none was sent."""
        return self._outcomes.get(owner, {}).get(room_id)

    def note(self, owner: UserId, room_id: RoomId, outcome: Outcome) -> None:
        """Note what came of inviting an owner to a room."""
        self._outcomes.setdefault(owner, {})[room_id] = outcome

    def forget(self, owner: UserId) -> None:
        """Forget the invites of an owner: the next intent tries refused ones again."""
        self._outcomes.pop(owner, None)
