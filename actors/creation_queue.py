"""The order in which people get their rooms. No I/O, and the time is passed in.

Homeservers limit how much one account may do. If all people were served side by side, all of them
would wait until the end. So one owner has the turn, and the others wait, the oldest request first.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actors.model import UserId


@dataclass(slots=True)
class _Place:
    """One owner in the queue. All times but `asked_at` are of anyio's clock.

    An owner with a finished chat and a wish for another one begins a further `rounds`.
    """

    asked_at: float
    rounds: int
    entered_at: float
    ready_at: float
    """When the owner came or will come; infinite for an owner that has to wait for something."""
    not_before: float = -math.inf
    """The end of the wait that the homeserver asked for."""
    look_at: float = -math.inf
    """When the owner is told to look again; in the past if it is not."""
    waits: bool = False
    """Whether the owner has come and did not get the turn."""
    told_at: float | None = None
    """When the owner was last told the place."""
    told_place: int = 0

    @property
    def rank(self) -> tuple[int, float]:
        """The order of the owners: those with fewer rounds first, then the oldest request."""
        return (self.rounds, self.asked_at)

    @property
    def must_be_told(self) -> bool:
        """Whether the owner waits and does not know its place."""
        return self.waits and self.told_at is None

    def is_expected(self, now: float, grace_s: float, freed_at: float) -> bool:
        """Whether the owner could take a turn about now that has been free since `freed_at`."""
        return self.ready_at <= now + grace_s and now <= max(self.ready_at, freed_at) + grace_s


class CreationQueue:
    """The owners that want rooms, and the one that has the turn.

    While its holder rests, the turn ends at a time that the holder renews, so a holder that never
    comes back blocks no one. An older owner is waited for only while it is expected: until
    `grace_s` after it could come.
    """

    def __init__(self) -> None:
        self._places: dict[UserId, _Place] = {}
        self._holder: UserId | None = None
        self._held_until = -math.inf
        self._freed_at = -math.inf
        self._told_at = -math.inf
        """When any owner was last told a place."""

    # ------------------------------------------------------------ coming and going

    def enter(self, owner: UserId, asked_at: float, now: float) -> None:
        """Add an owner that asked at `asked_at`, in seconds since the epoch; a known one stays."""
        if owner not in self._places:
            rounds = min((place.rounds for place in self._places.values()), default=0)
            self._places[owner] = _Place(asked_at, rounds, entered_at=now, ready_at=now)

    def leave(self, owner: UserId, now: float) -> None:
        """Remove an owner that wants nothing more."""
        self._free(owner, now)
        self._places.pop(owner, None)

    def keep(self, wanting: Mapping[UserId, float], now: float) -> None:
        """Make the queue what the store says: the owners that want rooms, and when they asked."""
        for owner in self._places.keys() - wanting.keys():
            self.leave(owner, now)
        for owner, asked_at in wanting.items():
            self.enter(owner, asked_at, now)

    # ------------------------------------------------------------ the turn

    def takes_turn(self, owner: UserId, now: float, *, grace_s: float) -> bool:
        """Whether an owner has the turn now: it has it already, or it is free and the owner's.

        The turn is the owner's until the owner rests or gives it up.
        """
        place = self._places[owner]
        if now < place.not_before:
            return False
        place.ready_at = now
        if not self._is_free_for(owner, now, grace_s):
            place.waits = True
            return False
        self._holder, self._held_until = owner, math.inf
        return True

    def pause(self, owner: UserId, now: float, for_s: float, *, grace_s: float) -> None:
        """Let an owner that has the turn keep it while the homeserver makes it wait."""
        place = self._places.get(owner)
        if place is not None:
            place.ready_at = place.not_before = now + for_s
            if self._holder == owner:
                self._held_until = now + for_s + grace_s

    def rest(self, owner: UserId, now: float, for_s: float) -> None:
        """Let an owner that has the turn keep it so long while it does nothing."""
        if self._holder == owner and self._held_until == math.inf:
            self._held_until = now + for_s

    def step_back(self, owner: UserId, now: float, until: float = math.inf) -> None:
        """Let others go first: the owner must wait, for the homeserver if `until` is given."""
        self._free(owner, now)
        place = self._places.get(owner)
        if place is not None:
            place.ready_at = until
            place.not_before = until if until < math.inf else -math.inf

    def finish_round(self, owner: UserId, now: float) -> None:
        """End the turn of an owner that has got a chat; if it wants another, others come first."""
        self._free(owner, now)
        place = self._places.get(owner)
        if place is not None:
            place.rounds, place.ready_at = place.rounds + 1, now

    def limited_for_s(self, owner: UserId, now: float) -> float:
        """How long the homeserver still makes an owner wait; 0 if it does not."""
        return max(0.0, self._places[owner].not_before - now)

    def next_owner(self, now: float) -> UserId | None:
        """The owner to call, if the turn is free: the first of those that are ready."""
        if self._holder is not None and now < self._held_until:
            return None
        ready = (owner for owner in self._in_order() if self._places[owner].ready_at <= now)
        return next(ready, None)

    def _is_free_for(self, owner: UserId, now: float, grace_s: float) -> bool:
        if self._holder is not None and self._holder != owner and now >= self._held_until:
            self._holder, self._freed_at = None, self._held_until
        if self._holder is not None:
            return self._holder == owner
        mine = self._places[owner].rank
        older = (place for place in self._places.values() if place.rank < mine)
        return not any(place.is_expected(now, grace_s, self._freed_at) for place in older)

    def _free(self, owner: UserId, now: float) -> None:
        if self._holder == owner:
            self._holder, self._freed_at = None, now

    def _in_order(self) -> list[UserId]:
        """The owners, the one with the turn first."""
        return sorted(
            self._places, key=lambda owner: (owner != self._holder, self._places[owner].rank)
        )

    # ------------------------------------------------------------ looking again

    def looks_again(self, owner: UserId, now: float, delay_s: float) -> bool:
        """Whether an owner must be told to look again after a delay. False: it will be anyway."""
        place = self._places.get(owner)
        if place is None or now < place.look_at <= now + delay_s:
            return place is None
        place.look_at = now + delay_s
        return True

    # ------------------------------------------------------------ telling the place

    def place_of(self, owner: UserId) -> int:
        """The owner's place; the owner that has the turn is number 1."""
        return 1 + self._in_order().index(owner)

    def place_to_tell(
        self, owner: UserId, now: float, *, after_s: float, every_s: float, again_s: float
    ) -> int | None:
        """The place, if the owner is to be told now.

        Telling takes from the same limit as creating, so it is rare: after a wait of `after_s`, one
        owner every `every_s`. While the owner with the turn has to wait anyway, telling delays no
        one. The last in the queue, which waits longest, is told first. When all know their places,
        an owner whose place has changed is told again after `again_s`.
        """
        place, number = self._places[owner], self.place_of(owner)
        pause_s = 0.0 if self._is_turn_idle(now + after_s) else every_s
        if now < max(self._told_at + pause_s, place.entered_at + after_s):
            return None
        waiting = [it for it in self._in_order() if it != self._holder]
        untold = [it for it in waiting if self._places[it].must_be_told]
        if untold:
            return number if untold[-1] == owner else None
        is_news = place.told_at is not None and now >= place.told_at + again_s
        return number if is_news and number < place.told_place else None

    def _is_turn_idle(self, until: float) -> bool:
        """Whether the homeserver makes the owner with the turn wait until then, or longer."""
        return self._holder is not None and self._places[self._holder].not_before >= until

    def note_told(self, owner: UserId, now: float, number: int | None = None) -> None:
        """Note that an owner was told its place. No `number`: it knows, or can't be told."""
        place = self._places.get(owner)
        if place is None or (number is None and place.told_at is not None):
            return
        place.told_at, place.told_place = now, number or self.place_of(owner)
        self._told_at = self._told_at if number is None else now
