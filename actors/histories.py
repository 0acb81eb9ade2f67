"""The histories of conversations: read from the rooms when they are needed, kept in memory."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from actors.bounds import Bounds
from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    RoomId,
    TokensUsed,
    UserId,
)
from actors.port_errors import HomeserverUnavailable
from actors.ports import Homeserver, RoomDelta, StateStore
from actors.rules.history import (
    Budget,
    Drafts,
    Limits,
    Talk,
    asked_by,
    drafts_for,
    last_question,
    texts_in,
    tokens_in,
)
from actors.rules.queued import said_later
from actors.rules.timeline import Timeline, messages_in
from actors.said import Said, TimelineEvent

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Room:
    """One room's history, as far as it was read. `earlier` is where the next page ends."""

    timeline: Timeline
    names: dict[UserId, str] = field(default_factory=dict)
    earlier: str | None = None
    pages: int = 0
    knows_unsent: bool = False
    is_dropped: bool = False
    read_upto_ts: int = 0
    """The time of the newest message on the first page."""
    counted_bytes: int = 0
    read_bytes: int = 0
    """The memory that the room took when a page was read last."""
    reading: anyio.Lock = field(default_factory=anyio.Lock)


class Histories:
    """What was said in each room with a conversation that is in use.

    A room is read backwards when a question in it needs that, as far as the question needs, and
    kept current by what `note` is told. Nothing here is the only copy of anything. `words` are
    those of the bot's commands.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        store: StateStore,
        bounds: Bounds,
        words: Collection[str] = (),
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._bounds = bounds
        self._words = words
        self._limits = Limits(
            quote_chars=bounds.quote_chars,
            pictures=bounds.history_pictures,
            file_bytes=bounds.history_file_bytes,
        )
        self._rooms: OrderedDict[RoomId, _Room] = OrderedDict()
        """The room that was not used for the longest time comes first."""
        self._bytes = 0

    @property
    def rooms(self) -> int:
        """How many rooms are in memory."""
        return len(self._rooms)

    @property
    def size_bytes(self) -> int:
        """About the memory that they take."""
        return self._bytes

    def note(self, delta: RoomDelta) -> None:
        """Note what a sync response says about a room, its gap included. Call it in their order.

        A gap, a person whose name is not known, and news that are older than what was read make
        the room be read again.
        """
        room = self._rooms.get(delta.room_id)
        if room is None:
            return
        is_late = _are_late(delta.said, room)
        room.names.update(delta.names)
        for event in delta.said:
            room.timeline.apply(event)
        people = {event.sender for event in delta.said if isinstance(event, Said)}
        unnamed = people - room.names.keys() - {self._homeserver.me}
        if delta.gap_from is not None or is_late or (room.pages and unnamed):
            self.drop(delta.room_id)
        else:
            self._changed(delta.room_id, room)

    def note_queued(self, message: OutboundMessage) -> None:
        """Note a message of the bot's own that the outbox has, before the homeserver shows it."""
        room = self._rooms.get(message.room_id)
        if room is not None:
            self._queue(room, message)
            self._changed(message.room_id, room)

    def drop(self, room_id: RoomId) -> None:
        """Forget what is in memory about a room: it is read again when it is needed."""
        room = self._rooms.pop(room_id, None)
        if room is not None:
            room.is_dropped = True
            self._bytes -= room.counted_bytes

    def drop_all(self) -> None:
        """Forget what is in memory about all rooms."""
        for room_id in tuple(self._rooms):
            self.drop(room_id)

    async def drafts(self, question: InboundMessage, budget: Budget) -> Drafts | None:
        """The conversation up to a question; None if the question was redacted.

        The whole conversation of the question's thread, or of the room outside of threads, cut
        to the budget. The question may be a `!retry` or an edit, see `question_of`. Raises the
        errors of the homeserver, and StoreUnavailable.
        """
        return await self._read(question.room_id, lambda talk: drafts_for(talk, question, budget))

    async def question_of(self, message: InboundMessage) -> InboundMessage | None:
        """The question that a message asks, as it is now; None if it was redacted or forgotten.

        For a `!retry`, that is the last question of its sender, or the last one with an answer if
        that is later; for an edit, the message that it changes. Raises as `drafts` does.
        """
        said = await self._read(message.room_id, lambda talk: asked_by(talk, message))
        return _inbound(message.room_id, said)

    async def last_question(self, room_id: RoomId, thread: EventId | None) -> InboundMessage | None:
        """The last question in a thread, or in the room outside of threads. Raises as `drafts`."""
        said = await self._read(room_id, lambda talk: last_question(talk, thread))
        return _inbound(room_id, said)

    async def texts_of(self, room_id: RoomId, parts: Collection[EventId]) -> tuple[str, ...]:
        """The texts of an answer's parts, in order, as its newest attempt has shown them.

        Nothing of a redacted one. Raises as `drafts` does.
        """
        return await self._read(room_id, lambda talk: texts_in(talk.timeline, parts))

    async def usage(self, room_id: RoomId) -> tuple[TokensUsed, ...]:
        """The tokens of each answer in a room, as far back as histories are read, oldest first.

        Threads are included. Raises as `drafts` does.
        """
        return await self._read(room_id, lambda talk: (tokens_in(talk.timeline), False))

    async def _read(self, room_id: RoomId, find: Callable[[Talk], tuple[T, bool]]) -> T:
        """Read a room as far back as `find` needs; it returns a value, and whether that is certain.

        Reading begins anew if the room is dropped meanwhile.
        """
        for _ in range(self._bounds.history_restarts):
            room = self._rooms.setdefault(room_id, _Room(Timeline(self._homeserver.me)))
            self._rooms.move_to_end(room_id)
            async with room.reading:
                while not room.is_dropped:
                    if room.pages:
                        value, is_certain = find(self._talk(room))
                        if is_certain or room.timeline.begins or room.timeline.is_limited:
                            return value
                    await self._read_page(room_id, room)
        raise HomeserverUnavailable("the room changes faster than its history can be read")

    def _talk(self, room: _Room) -> Talk:
        return Talk(
            timeline=room.timeline, words=self._words, names=room.names, limits=self._limits
        )

    async def _read_page(self, room_id: RoomId, room: _Room) -> None:
        """Read what was said before what is known.

        The outbox is read first: a message that leaves it meanwhile is on the page.
        """
        if not room.knows_unsent:
            for message in await self._store.unsent(room_id, self._bounds.history_unsent):
                self._queue(room, message)
            room.knows_unsent = True
        page = await self._homeserver.contents.history(room_id, room.earlier)
        if room.is_dropped:
            return
        is_apart = not room.pages and not room.timeline.follows(page.said)
        if not room.pages:
            room.read_upto_ts = max((it.sent_ts for it in messages_in(page.said)), default=0)
        room.pages += 1
        room.earlier = page.earlier
        room.timeline.add_page(page.said)
        room.timeline.begins = page.earlier is None
        room.timeline.is_limited = room.pages >= self._bounds.history_pages
        people = {event.sender for event in page.said if isinstance(event, Said)}
        room.names = dict.fromkeys(people, "") | dict(page.names) | room.names
        room.read_bytes = room.timeline.size_bytes
        if is_apart or not room.names.keys() >= room.timeline.people():
            self.drop(room_id)
        else:
            self._changed(room_id, room)

    def _queue(self, room: _Room, message: OutboundMessage) -> None:
        """Take in a message of the outbox. A redaction counts when the homeserver shows it."""
        if message.kind is not OutboundKind.REDACTION:
            room.timeline.queue(said_later(message, self._homeserver.me))

    def _changed(self, room_id: RoomId, room: _Room) -> None:
        """Count the memory of a room, and make space. A room that must be read again goes."""
        self._bytes += room.timeline.size_bytes - room.counted_bytes
        room.counted_bytes = room.timeline.size_bytes
        grown_bytes = room.counted_bytes - room.read_bytes
        if room.timeline.is_stale or grown_bytes > self._bounds.history_room_bytes:
            self.drop(room_id)
        while len(self._rooms) > 1 and (
            len(self._rooms) > self._bounds.history_rooms
            or self._bytes > self._bounds.history_bytes
        ):
            self.drop(next(iter(self._rooms)))


def _are_late(events: Iterable[TimelineEvent], room: _Room) -> bool:
    """Whether a message is older than what was read of the room: its place there is not known."""
    return any(
        said.sent_ts < room.read_upto_ts and not room.timeline.knows(said.event_id)
        for said in messages_in(events)
    )


def _inbound(room_id: RoomId, said: Said | None) -> InboundMessage | None:
    """A message of the timeline as the inbox has it."""
    if said is None:
        return None
    return InboundMessage(
        event_id=said.event_id,
        room_id=room_id,
        sender=said.sender,
        sent_ts=said.sent_ts,
        msgtype=said.msgtype,
        body=said.text,
        thread=said.thread,
        reply_to=said.reply_to,
        quoted=said.quoted,
        file=said.file,
    )
