"""What actors share in memory: small collections with methods that say what they mean.

Nothing here must outlive the process. The store has the gaps and the dirty rooms, and a reading of
the dirty rooms finds the rest again: a room stays dirty while something about it is kept only here
(`Services.is_open`). Questions and invites may be forgotten.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from actors.creation_queue import CreationQueue
from actors.creations import Creations, Invites, PutOff
from actors.dirty import DirtyRooms
from actors.gaps import Gaps
from actors.model import EventId, Nonce, RoomId, UserId
from actors.rules.classify import PossibleOwners


class Upgrades:
    """Replacements that room upgrades have made: expected ones, and joined ones."""

    def __init__(self) -> None:
        self._expected: dict[RoomId, RoomId] = {}
        self._predecessors: dict[RoomId, RoomId] = {}
        self.all_known = False
        """Whether all rooms that may have been replaced were read since the start, or will be."""

    def expect(self, replacement: RoomId, of: RoomId) -> None:
        """Note the replacement of a room: the bot accepts an invite to it from any person."""
        self._expected[replacement] = of

    def waits(self, room_id: RoomId) -> bool:
        """Whether a room was replaced, and the bot still expects the invite to its replacement."""
        return room_id in self._expected.values()

    def is_expected(self, room_id: RoomId) -> bool:
        """Whether a room is an expected replacement."""
        return room_id in self._expected

    def note_joined(self, room_id: RoomId) -> None:
        """Note that the bot has joined a room: it is not expected any more."""
        self._expected.pop(room_id, None)

    def note_replaced(self, room_id: RoomId, by: RoomId) -> bool:
        """Note that the joined room `by` replaces a room; True if this is news."""
        is_news = self._predecessors.get(by) != room_id
        self._predecessors[by] = room_id
        return is_news

    def note_left(self, room_id: RoomId) -> RoomId | None:
        """Note that the bot has left a room; the room that it replaced, if any."""
        return self._predecessors.pop(room_id, None)


class UndecidedRooms:
    """Rooms in a conflict that leaves their owner open, with their possible owners."""

    def __init__(self) -> None:
        self._possible: dict[RoomId, PossibleOwners] = {}

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._possible

    def __iter__(self) -> Iterator[RoomId]:
        return iter(tuple(self._possible))

    def get(self, room_id: RoomId) -> PossibleOwners | None:
        """The possible owners of a room; None for a decided room."""
        return self._possible.get(room_id)

    def note(self, room_id: RoomId, possible: PossibleOwners | None) -> PossibleOwners | None:
        """Note a room's possible owners, None if it is decided; the earlier possible owners."""
        before = self._possible.pop(room_id, None)
        if possible is not None:
            self._possible[room_id] = possible
        return before

    def clear(self) -> None:
        """Forget all rooms, because a round is about to check all of them."""
        self._possible.clear()


class AwaitedRooms:
    """Rooms that may be the very room that an intent is to create. Creation waits for their check.

    The bot was invited back into them, or a new Space lists them.
    """

    def __init__(self) -> None:
        self._rooms: set[RoomId] = set()

    def __iter__(self) -> Iterator[RoomId]:
        return iter(sorted(self._rooms))

    def add(self, rooms: Iterable[RoomId]) -> None:
        """Wait for the check of some rooms."""
        self._rooms.update(rooms)

    def discard(self, room_id: RoomId) -> None:
        """Stop waiting for the check of a room."""
        self._rooms.discard(room_id)


class SpaceLinks:
    """Links between a room and a Space of which only one is managed."""

    def __init__(self) -> None:
        self._listed_in: dict[RoomId, set[RoomId]] = {}
        self._naming: dict[RoomId, set[RoomId]] = {}

    def rooms_naming(self, room_id: RoomId) -> list[RoomId]:
        """The rooms that were noted to name a room, for example as their Space."""
        return sorted(self._naming.get(room_id, ()))

    def note_listed(self, space_id: RoomId, room_id: RoomId) -> None:
        """Note that a Space lists a room that is not a chat of its owner yet."""
        self._listed_in.setdefault(room_id, set()).add(space_id)

    def spaces_listing(self, room_id: RoomId) -> list[RoomId]:
        """The Spaces that were noted to list a room."""
        return sorted(self._listed_in.get(room_id, ()))

    def note_named(self, room_id: RoomId, space_id: RoomId) -> None:
        """Note that a room names a Space that the bot does not manage, is not in, or can't read."""
        self._naming.setdefault(space_id, set()).add(room_id)

    def take_rooms_naming(self, space_id: RoomId) -> set[RoomId]:
        """The rooms that name a Space, which has just become known. They are forgotten."""
        return self._naming.pop(space_id, set())


class Hearsay:
    """What rooms that were read say about the owners of rooms that were not.

    It is evidence only while a room can't be read: a reading of the room itself counts for more.
    """

    def __init__(self) -> None:
        self._spaces: dict[RoomId, tuple[UserId, frozenset[RoomId]]] = {}
        self._half_read: dict[RoomId, frozenset[UserId]] = {}
        self._unmanaged: set[RoomId] = set()

    def note_space(self, space_id: RoomId, owner: UserId, children: frozenset[RoomId]) -> None:
        """Note the rooms that an owner's Space lists."""
        self._spaces[space_id] = (owner, children)

    def note_half_read(self, room_id: RoomId, owners: frozenset[UserId]) -> None:
        """Note the possible owners of a room that was read, though a related room was not."""
        self._half_read[room_id] = owners

    def note_read(self, room_id: RoomId, *, managed: bool) -> None:
        """Note that a room and all its related rooms were read."""
        self._half_read.pop(room_id, None)
        (self._unmanaged.discard if managed else self._unmanaged.add)(room_id)

    def forget(self, room_id: RoomId) -> None:
        """Forget what is known from a room: the bot has left it."""
        self._spaces.pop(room_id, None)
        self._half_read.pop(room_id, None)
        self._unmanaged.discard(room_id)

    @property
    def half_read(self) -> dict[RoomId, frozenset[UserId]]:
        """The possible owners of rooms that were read, though a related room was not."""
        return dict(self._half_read)

    def owners_of(self, room_id: RoomId) -> frozenset[UserId]:
        """The owners whose Spaces list a room, and those that its own latest reading allows."""
        listing = {owner for owner, children in self._spaces.values() if room_id in children}
        return self._half_read.get(room_id, frozenset()) | listing

    def is_unmanaged(self, room_id: RoomId) -> bool:
        """Whether a room belonged to no owner when it was last read."""
        return room_id in self._unmanaged


class UnattendedRooms:
    """Rooms where something has to be done that only a live bot may do."""

    def __init__(self) -> None:
        self._rooms: set[RoomId] = set()

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._rooms

    def add(self, room_id: RoomId) -> None:
        """Note a room."""
        self._rooms.add(room_id)

    def take(self) -> list[RoomId]:
        """The rooms, which are forgotten: each of them is read again."""
        rooms, self._rooms = sorted(self._rooms), set()
        return rooms


class SaidInRooms:
    """When something was last said in a room that is not to be said at every message there."""

    def __init__(self) -> None:
        self._latest: dict[RoomId, tuple[EventId, float]] = {}

    def may_answer(self, room_id: RoomId, event_id: EventId, now: float, again_s: float) -> bool:
        """Whether to say it because of a message. For the same message, the answer stays."""
        latest = self._latest.get(room_id)
        if latest is not None and latest[0] != event_id and now - latest[1] < again_s:
            return False
        if latest is None or latest[0] != event_id:
            self._latest[room_id] = (event_id, now)
        return True


class News:
    """The last sentence that was said in a room about something that seldom changes."""

    def __init__(self) -> None:
        self._latest: dict[RoomId, tuple[Nonce, str, float]] = {}

    def is_new(self, room_id: RoomId, nonce: Nonce, body: str, now: float, again_s: float) -> bool:
        """Whether to say it because of an intent. For the same intent, the answer stays."""
        latest = self._latest.get(room_id)
        if latest is not None and latest[0] != nonce:
            _, said, at = latest
            if said == body and now - at < again_s:
                return False
        if latest is None or latest[0] != nonce:
            self._latest[room_id] = (nonce, body, now)
        return True


@dataclass(slots=True)
class Question:
    """A question that `!yes` or `!no` answers, until the time `until` of anyio's clock.

    The first answer closes the question. The same answer is accepted again at any time, because its
    handling may be repeated.
    """

    until: float
    answer: EventId | None = None

    def takes(self, answer: EventId, now: float) -> bool:
        """Whether a message answers the question."""
        if self.answer is None and now <= self.until:
            self.answer = answer
        return self.answer == answer


class Questions:
    """The latest question of each room. It outlives a crash of the room's actor."""

    def __init__(self) -> None:
        self._questions: dict[RoomId, Question] = {}

    def ask(self, room_id: RoomId, until: float) -> None:
        """Note a question in a room; it replaces an earlier question there."""
        self._questions[room_id] = Question(until)

    def takes(self, room_id: RoomId, answer: EventId, now: float) -> bool:
        """Whether a message answers the room's question."""
        question = self._questions.get(room_id)
        return question is not None and question.takes(answer, now)


class StalledRooms:
    """Rooms whose messages wait for something else than their turn, such as an unreadable room."""

    def __init__(self) -> None:
        self._rooms: set[RoomId] = set()

    def __contains__(self, room_id: RoomId) -> bool:
        return room_id in self._rooms

    def note(self, room_id: RoomId, *, stalled: bool) -> None:
        """Note whether the messages of a room wait for something else than their turn."""
        (self._rooms.add if stalled else self._rooms.discard)(room_id)


class Registry:
    """Every shared collection, once."""

    def __init__(self) -> None:
        self.gaps = Gaps()
        self.stalled = StalledRooms()
        self.upgrades = Upgrades()
        self.undecided = UndecidedRooms()
        self.awaited = AwaitedRooms()
        self.links = SpaceLinks()
        self.hearsay = Hearsay()
        self.creations = Creations()
        self.put_off = PutOff()
        self.invites = Invites()
        self.unattended = UnattendedRooms()
        self.ways = SaidInRooms()
        self.welcomes = News()
        self.unreadable_messages = SaidInRooms()
        self.queue = CreationQueue()
        self.questions = Questions()
        self.dirty = DirtyRooms()
