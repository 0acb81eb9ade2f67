"""What actors share in memory: small collections, each with one owner and methods that say why.

Everything here is found again by a full look at all rooms. What a look at the changed rooms alone
would miss says so with `is_pending`: a shutdown is clean only when nothing is pending.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from actors.model import EventId, Nonce, RoomId, UserId
from actors.rules.classify import PossibleOwners
from actors.writes import OpenGap


class Gaps:
    """Rooms with messages that are still to be fetched; nothing later is handled there before."""

    def __init__(self) -> None:
        self._gaps: dict[RoomId, OpenGap] = {}

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._gaps

    def __iter__(self) -> Iterator[RoomId]:
        return iter(tuple(self._gaps))

    def get(self, room_id: RoomId) -> OpenGap | None:
        """A room's gap."""
        return self._gaps.get(room_id)

    def restore(self, gaps: Iterable[OpenGap]) -> None:
        """Start from what the store knows."""
        self._gaps = {gap.room_id: gap for gap in gaps}

    def open(self, gap: OpenGap) -> None:
        """Note a gap; it takes the place of an earlier one of its room."""
        self._gaps[gap.room_id] = gap

    def ending_at(self, upto: str) -> list[OpenGap]:
        """The gaps that end at a sync position."""
        return [gap for gap in self._gaps.values() if gap.upto == upto]

    def void(self, room_id: RoomId) -> None:
        """Forget a room's gap: the bot is not in the room any more."""
        self._gaps.pop(room_id, None)

    def close(self, gap: OpenGap) -> bool:
        """Forget a gap that was filled. False: it has grown meanwhile."""
        if self._gaps.get(gap.room_id) != gap:
            return False
        del self._gaps[gap.room_id]
        return True


class Upgrades:
    """Rooms that were replaced by a room upgrade, and rooms that replace one."""

    def __init__(self) -> None:
        self._expected: set[RoomId] = set()
        self._predecessors: dict[RoomId, RoomId] = {}

    @property
    def is_pending(self) -> bool:
        """Whether the invite to a replacement is still to come."""
        return bool(self._expected)

    def expect(self, replacements: Iterable[RoomId]) -> None:
        """Note replacements of managed rooms: an invite to one of them is no stranger's."""
        self._expected.update(replacements)

    def is_expected(self, room_id: RoomId) -> bool:
        """Whether a room is such a replacement."""
        return room_id in self._expected

    def note_joined(self, room_id: RoomId) -> None:
        """The bot has joined a replacement."""
        self._expected.discard(room_id)

    def note_replaced(self, room_id: RoomId, by: RoomId) -> bool:
        """Note that a joined room replaces another one; whether this is news."""
        is_news = self._predecessors.get(by) != room_id
        self._predecessors[by] = room_id
        return is_news

    def note_left(self, room_id: RoomId) -> RoomId | None:
        """The bot has left a room: the room that it replaced carries on again."""
        return self._predecessors.pop(room_id, None)


class UndecidedRooms:
    """Rooms in a conflict that leaves open whose they are, with their possible owners."""

    def __init__(self) -> None:
        self._possible: dict[RoomId, PossibleOwners] = {}

    @property
    def is_pending(self) -> bool:
        """Whether any room is undecided."""
        return bool(self._possible)

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._possible

    def __iter__(self) -> Iterator[RoomId]:
        return iter(tuple(self._possible))

    def get(self, room_id: RoomId) -> PossibleOwners | None:
        """The possible owners of a room; None where it is decided."""
        return self._possible.get(room_id)

    def note(self, room_id: RoomId, possible: PossibleOwners | None) -> PossibleOwners | None:
        """Note that a room is undecided, or decided (None); answer what was known before."""
        before = self._possible.pop(room_id, None)
        if possible is not None:
            self._possible[room_id] = possible
        return before

    def clear(self) -> None:
        """Every room is about to be looked at."""
        self._possible.clear()


class AwaitedRooms:
    """Rooms that may be just what a promise asks for; nothing is created before their check.

    The bot was asked back into them, or a new Space lists them.
    """

    def __init__(self) -> None:
        self._rooms: set[RoomId] = set()

    def __iter__(self) -> Iterator[RoomId]:
        return iter(sorted(self._rooms))

    def add(self, rooms: Iterable[RoomId]) -> None:
        """Wait for some rooms."""
        self._rooms.update(rooms)

    def discard(self, room_id: RoomId) -> None:
        """Wait for a room no longer."""
        self._rooms.discard(room_id)


class SpaceLinks:
    """Rooms and Spaces that name each other while only one of the two is managed."""

    def __init__(self) -> None:
        self._listed_in: dict[RoomId, set[RoomId]] = {}
        self._naming: dict[RoomId, set[RoomId]] = {}

    def note_listed(self, space_id: RoomId, room_id: RoomId) -> None:
        """A Space lists a room that is no chat of its owner yet."""
        self._listed_in.setdefault(room_id, set()).add(space_id)

    def spaces_listing(self, room_id: RoomId) -> list[RoomId]:
        """The Spaces that list such a room."""
        return sorted(self._listed_in.get(room_id, ()))

    def note_named(self, room_id: RoomId, space_id: RoomId) -> None:
        """A room names a Space that is none of ours, or that the bot is not in."""
        self._naming.setdefault(space_id, set()).add(room_id)

    def take_rooms_naming(self, space_id: RoomId) -> set[RoomId]:
        """The rooms that name a Space, which has become known just now."""
        return self._naming.pop(space_id, set())


class Creations:
    """Rooms being created, rooms that came of intents, and numbers that no Space remembers."""

    def __init__(self) -> None:
        self._under_way: set[Nonce] = set()
        self._made: dict[Nonce, RoomId] = {}
        self._taken: dict[UserId, int] = {}

    @property
    def is_pending(self) -> bool:
        """Whether numbers are remembered here alone."""
        return bool(self._taken)

    @contextmanager
    def under_way(self, nonce: Nonce) -> Iterator[None]:
        """A createRoom is on its way: the homeserver tells of the room before its state."""
        self._under_way.add(nonce)
        try:
            yield
        finally:
            self._under_way.discard(nonce)

    @property
    def any_under_way(self) -> bool:
        """Whether any createRoom is on its way."""
        return bool(self._under_way)

    def note_made(self, nonce: Nonce, room_id: RoomId) -> None:
        """A room says that it came of an intent."""
        self._made[nonce] = room_id

    def made(self, nonce: Nonce) -> RoomId | None:
        """The room that came of an intent, as far as rooms were looked at since the start."""
        return self._made.get(nonce)

    def note_taken(self, owner: UserId, index: int) -> None:
        """An owner without a Space has used every number below an index."""
        self._taken[owner] = max(self._taken.get(owner, 1), index)

    def first_free(self, owner: UserId) -> int:
        """The first index that an owner without a Space has not used."""
        return self._taken.get(owner, 1)

    def forget_taken(self, owner: UserId) -> None:
        """The owner has a Space again, whose marker remembers the numbers."""
        self._taken.pop(owner, None)


class RefusedInvites:
    """Rooms that an owner could not be invited to while an intent is carried out."""

    def __init__(self) -> None:
        self._rooms: dict[UserId, set[RoomId]] = {}

    def __contains__(self, invite: tuple[UserId, RoomId]) -> bool:
        owner, room_id = invite
        return room_id in self._rooms.get(owner, ())

    def note(self, owner: UserId, room_id: RoomId) -> None:
        """The homeserver refused to invite the owner to a room."""
        self._rooms.setdefault(owner, set()).add(room_id)

    def forget(self, owner: UserId) -> None:
        """The owner's intent is done: the next one tries again."""
        self._rooms.pop(owner, None)


@dataclass(slots=True)
class Question:
    """A question that waits for a yes or a no, `until` a time of anyio's clock.

    The first answer closes it. The same answer is taken again, however late: its handling may have
    to be repeated.
    """

    until: float
    answer: EventId | None = None

    def takes(self, answer: EventId, now: float) -> bool:
        """Whether this message answers the question."""
        if self.answer is None and now <= self.until:
            self.answer = answer
        return self.answer == answer


class Questions:
    """The question that each room has asked last; it outlives a crash of the room's actor."""

    def __init__(self) -> None:
        self._questions: dict[RoomId, Question] = {}

    def ask(self, room_id: RoomId, until: float) -> None:
        """A room asks for a yes or a no; an earlier question of the room is void."""
        self._questions[room_id] = Question(until)

    def takes(self, room_id: RoomId, answer: EventId, now: float) -> bool:
        """Whether a message answers the room's question."""
        question = self._questions.get(room_id)
        return question is not None and question.takes(answer, now)


class Registry:
    """One of each."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self.upgrades = Upgrades()
        self.undecided = UndecidedRooms()
        self.awaited = AwaitedRooms()
        self.links = SpaceLinks()
        self.creations = Creations()
        self.refused_invites = RefusedInvites()
        self.questions = Questions()

    @property
    def is_pending(self) -> bool:
        """Whether anything is known here that only a full look at all rooms finds again."""
        return self.upgrades.is_pending or self.undecided.is_pending or self.creations.is_pending
