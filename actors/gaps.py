"""The gaps of all rooms: messages that are left on the homeserver, and what is known about them.

A gap opens when a timeline leaves messages out, or when a room has as many messages in the inbox as
it may have. The store keeps both ends of a gap. The rest is only in memory: after a restart, a gap
is surveyed again, and the inbox ignores the messages that it knows.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import anyio

from actors.model import EventId, RoomId
from actors.writes import OpenGap

UNHURRIED_ROOMS: Final = 4
"""While nobody talks, so many rooms without news read at a time what they may have missed."""
TALKING_S: Final = 2.0
"""After a message, only one room without news reads at a time for so long.

The homeserver may do everything in one thread, and then each of these rooms delays the answer.
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """The arguments of `Homeserver.messages_before` that give some messages, and their number."""

    token: str
    stop_at: str
    count: int


@dataclass(frozen=True, slots=True)
class Survey:
    """The pieces of a gap up to `upto` that are still to be fetched, the newest piece first."""

    upto: str
    pieces: tuple[Piece, ...] = ()
    answered: frozenset[EventId] = frozenset()
    """The messages that have an answer in the gap."""

    @property
    def is_done(self) -> bool:
        """Whether every piece has been fetched."""
        return not self.pieces

    def without_oldest(self) -> "Survey":
        """The survey after its oldest piece has been fetched."""
        return replace(self, pieces=self.pieces[:-1])


class Turns:
    """Limits how many rooms read at a time what they may have missed.

    `needs_turn` says whether a room still has to read that, and has no news. `clock` gives seconds.
    """

    def __init__(self, needs_turn: Callable[[RoomId], bool], clock: Callable[[], float]) -> None:
        self._needs_turn = needs_turn
        self._clock = clock
        self._talked_at = -math.inf
        self._reading: set[RoomId] = set()
        self._waiting: dict[RoomId, None] = {}

    def note_talk(self) -> None:
        """Note that a person has said something."""
        self._talked_at = self._clock()

    @property
    def _limit(self) -> int:
        return 1 if self._clock() - self._talked_at < TALKING_S else UNHURRIED_ROOMS

    def __contains__(self, room_id: RoomId) -> bool:
        """Whether a room waits for a turn that it needs."""
        return room_id in self._waiting and self._needs_turn(room_id)

    def take(self, room_id: RoomId) -> bool:
        """Take a turn, and give it back later; False: the room has to wait for one."""
        self._waiting.pop(room_id, None)
        if len(self._reading) >= self._limit:
            self._waiting[room_id] = None
            return False
        self._reading.add(room_id)
        return True

    def give_back(self, room_id: RoomId) -> list[RoomId]:
        """Give a turn back. Returns the rooms that can take the free turns."""
        self._reading.discard(room_id)
        return self.offer()

    def offer(self) -> list[RoomId]:
        """Rooms that can take the free turns. They do not wait any more.

        A room that has read meanwhile, or can read at once, would leave its turn unused.
        """
        following: list[RoomId] = []
        while self._waiting and len(self._reading) + len(following) < self._limit:
            waiting = next(iter(self._waiting))
            del self._waiting[waiting]
            if self._needs_turn(waiting):
                following.append(waiting)
        return following


class Gaps:
    """The gaps that are not filled yet, at most one in each room.

    A gap is in doubt while the bot may have left the room within it and come back. Messages that
    were queued before are void then, so nothing of the room is handled or sent until a survey has
    settled the doubt. A gap that opened only because the room had enough messages is never in
    doubt, because its timelines were whole.
    """

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._gaps: dict[RoomId, OpenGap] = {}
        self._doubts: dict[RoomId, OpenGap] = {}
        """The gaps as they were when they were last in doubt."""
        self._surveys: dict[RoomId, Survey] = {}
        self._with_news: set[RoomId] = set()
        """The rooms whose gap has grown since it was restored."""
        self.turns = Turns(self.needs_turn, clock)

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._gaps

    def __iter__(self) -> Iterator[RoomId]:
        return iter(tuple(self._gaps))

    def __len__(self) -> int:
        return len(self._gaps)

    def to_wake(self) -> list[RoomId]:
        """The rooms whose gaps can be read now: all but those that wait for a turn."""
        return [*(each for each in self._gaps if each not in self.turns), *self.turns.offer()]

    def get(self, room_id: RoomId) -> OpenGap | None:
        """A room's gap, if it has one."""
        return self._gaps.get(room_id)

    def restore(self, gaps: Iterable[OpenGap]) -> None:
        """Start with the gaps that the store holds; all of them are in doubt."""
        self._gaps = {gap.room_id: gap for gap in gaps}
        self._doubts = dict(self._gaps)
        self._surveys.clear()
        self._with_news.clear()

    def needs_turn(self, room_id: RoomId) -> bool:
        """Whether a room's gap is in doubt, and nothing was said in the room since the start."""
        return room_id in self._doubts and room_id not in self._with_news

    def extend(self, room_id: RoomId, since: str, upto: str, *, in_doubt: bool) -> OpenGap:
        """Open a gap between two sync positions; a gap that is open already gets a later end.

        Returns the gap, which is to be stored.
        """
        known = self._gaps.get(room_id)
        gap = OpenGap(room_id, known.since if known else since, upto)
        self._gaps[room_id] = gap
        self._with_news.add(room_id)
        if in_doubt:
            self._doubts[room_id] = gap
        return gap

    def void(self, room_id: RoomId) -> None:
        """Forget a room's gap: the bot is not in the room any more."""
        for known in (self._gaps, self._doubts, self._surveys):
            known.pop(room_id, None)
        self._with_news.discard(room_id)

    def doubt(self, room_id: RoomId) -> OpenGap | None:
        """The gap as it was when it was last in doubt; None if there is no doubt."""
        return self._doubts.get(room_id)

    def survey(self, room_id: RoomId) -> Survey | None:
        """What is known about the room's gap, if it was surveyed."""
        return self._surveys.get(room_id)

    def is_same(self, gap: OpenGap) -> bool:
        """Whether a gap is still open; it may have got a later end."""
        known = self._gaps.get(gap.room_id)
        return known is not None and known.since == gap.since

    def note(self, gap: OpenGap, survey: Survey) -> None:
        """Note what is known about a gap, if it is still open."""
        if self.is_same(gap):
            self._surveys[gap.room_id] = survey

    def surveyed(self, gap: OpenGap, survey: Survey, *, settles: OpenGap | None) -> bool:
        """Note a survey that settles a doubt. Returns False if the gap was closed meanwhile.

        A later doubt stays: the gap has grown meanwhile, and is surveyed again.
        """
        if not self.is_same(gap):
            return False
        self._surveys[gap.room_id] = survey
        self.settle(gap.room_id, settles)
        return True

    def settle(self, room_id: RoomId, doubt: OpenGap | None) -> None:
        """End a doubt, unless a later one has taken its place."""
        if self._doubts.get(room_id) is doubt:
            self._doubts.pop(room_id, None)

    def begin_at(self, room_id: RoomId, since: str) -> None:
        """Note that all messages up to a position are fetched, or are no messages to the bot."""
        known = self._gaps.get(room_id)
        if known is not None:
            self._gaps[room_id] = OpenGap(room_id, since, known.upto)

    def close(self, gap: OpenGap) -> bool:
        """Forget a filled gap. Returns False if the room's gap has grown meanwhile."""
        known = self._gaps.get(gap.room_id)
        if known is None or known.upto != gap.upto:
            return False
        self.void(gap.room_id)
        return True
