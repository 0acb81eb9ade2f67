"""What was said in one room, with edits and redactions applied. Pure.

A timeline is read backwards in pages and kept current by deltas, in any order: an event that it has
already changes nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from actors.model import EventId, ReplyState, UserId
from actors.rules.queued import id_to_come
from actors.said import Redacted, ReplyMark, Said, TimelineEvent

_EVENT_BYTES = 700
"""About the memory that one message takes besides its text."""
_ID_BYTES = 200
"""About the memory that an event takes of which only the id is kept."""


class Timeline:
    """The messages of one room, oldest first, as far as they are known.

    `begins`: nothing was said before. `is_limited`: what was said before is not read. `is_stale`:
    an event changed that hides earlier ones, so the timeline must be read again. `size_bytes` is
    about the memory that it takes.

    An edit counts only if it is by the author of the message. Of several, the newest counts, and
    no other is kept. The final of an answer that the homeserver has not shown yet counts before any
    edit.
    """

    __slots__ = (
        "_echoes",
        "_edits",
        "_originals",
        "_queued",
        "_redacted",
        "_said",
        "begins",
        "is_limited",
        "is_stale",
        "me",
        "size_bytes",
    )

    def __init__(self, me: UserId) -> None:
        self.me = me
        self.begins = False
        self.is_limited = False
        self.is_stale = False
        self.size_bytes = 0
        self._said: dict[EventId, Said | None] = {}
        """In order; None for a message that was redacted."""
        self._redacted: set[EventId] = set()
        """Redacted events that are no message known so far."""
        self._edits: dict[tuple[EventId, UserId], Said] = {}
        """The newest edit of each message by each sender."""
        self._originals: dict[EventId, tuple[EventId, UserId]] = {}
        """The message that each edit of a person changes, and the person."""
        self._queued: dict[EventId, Said] = {}
        """The bot's own messages and finals that the homeserver has not shown yet, by the ids that
        stand for theirs."""
        self._echoes: set[EventId] = set()
        """The same ids of those that it has shown."""

    # ------------------------------------------------------------ changing it

    def apply(self, event: TimelineEvent) -> None:
        """Take in the next event of the room."""
        if isinstance(event, Redacted):
            self._redact(event)
        elif event.edits is not None:
            self._edit(event, event.edits)
        elif event.event_id not in self._said:
            self._said[event.event_id] = self._taken(event)

    def add_page(self, newest_first: Iterable[TimelineEvent]) -> None:
        """Take in a page of what was said.

        It ends before what is known, or overlaps with it: it may know more than the deltas so far.
        """
        earlier: dict[EventId, Said | None] = {}
        later: dict[EventId, dict[EventId, Said | None]] = {}
        """What follows on a known message, by that message."""
        found = earlier
        for event in reversed(tuple(newest_first)):
            if isinstance(event, Said) and event.edits is not None:
                self._edit(event, event.edits)
                continue
            if event.event_id in self._said:
                found = later.setdefault(event.event_id, {})
            else:
                found[event.event_id] = None if isinstance(event, Redacted) else self._taken(event)
            if isinstance(event, Redacted):
                self._redact(event)
        known = self._said
        self._said = earlier
        for event_id, said in known.items():
            self._said[event_id] = said
            self._said |= later.get(event_id, {})

    def queue(self, said: Said) -> None:
        """Take in a message, or a final, of the bot's own that the homeserver will show later."""
        if said.event_id not in self._echoes:
            self._forget_queued(said.event_id)
            self._queued[said.event_id] = said
            self.size_bytes += _size(said)

    # ------------------------------------------------------------ reading it

    def messages(self) -> Iterator[Said]:
        """Every message as it is now. Those that the homeserver has not shown yet come last."""
        for said in self._said.values():
            if said is not None:
                yield self._edited(said)
        yield from (self._edited(said) for said in self._queued.values() if said.edits is None)
        own = (it for it in self._said.values() if it is not None and it.sender == self.me)
        yield from _finals_alone(self._queued.values(), own)

    def people(self) -> set[UserId]:
        """The people who said something."""
        known = (said for said in self._said.values() if said is not None)
        return {said.sender for said in known} - {self.me}

    def follows(self, page: Iterable[TimelineEvent]) -> bool:
        """Whether what is known overlaps with a page or came after it, as far as can be told.

        A page that is read up to now may also end behind what is known, and leave out events.
        """
        said = messages_in(page)
        if any(event.event_id in self._said for event in said):
            return True
        newest = max((event.sent_ts for event in said), default=0)
        return all(known.sent_ts >= newest for known in self._said.values() if known is not None)

    def positions(self) -> dict[EventId, int]:
        """The place of each message among all, redacted ones included."""
        return {event_id: place for place, event_id in enumerate(self._said)}

    def message(self, event_id: EventId) -> Said | None:
        """A message as it is now; None if it was redacted or is unknown."""
        said = self._said.get(event_id)
        return None if said is None else self._edited(said)

    def knows(self, event_id: EventId) -> bool:
        """Whether a message was seen, redacted since or not."""
        return event_id in self._said

    def is_redacted(self, event_id: EventId) -> bool:
        """Whether an event was redacted, as far as is known."""
        return event_id in self._redacted or self._said.get(event_id, self) is None

    def original_of(self, event_id: EventId) -> EventId:
        """The message that a person's edit changes; for any other event, the event itself."""
        original, editor = self._originals.get(event_id, (event_id, None))
        said = self._said.get(original)
        return original if said is None or said.sender == editor else event_id

    # ------------------------------------------------------------ details

    def _taken(self, said: Said) -> Said | None:
        if said.sender == self.me and said.mark is not None:
            self._note_message(said.mark)
        if said.event_id in self._redacted:
            return None
        self.size_bytes += _size(said)
        return said

    def _redact(self, redacted: Redacted) -> None:
        event_id = redacted.event_id
        if redacted.txn is not None:
            self._note_echo(id_to_come(redacted.txn))
        said = self._said.get(event_id)
        if said is not None:
            self.is_stale |= self._edited(said).forgets
            self._said[event_id] = None
            self.size_bytes += _ID_BYTES - _size(said)
        elif event_id not in self._said and event_id not in self._redacted:
            self.size_bytes += _ID_BYTES
            self._redacted.add(event_id)
            self._originals.pop(event_id, None)
            self.is_stale |= any(edit.event_id == event_id for edit in self._edits.values())

    def _edit(self, edit: Said, original: EventId) -> None:
        mark = edit.mark
        if edit.sender == self.me and mark is not None and mark.state is not ReplyState.LIVE:
            self._note_echo(id_to_come(mark.txn))
        if edit.event_id in self._redacted or self.is_redacted(original):
            return
        if edit.sender != self.me and edit.event_id not in self._originals:
            self._originals[edit.event_id] = original, edit.sender
            self.size_bytes += _ID_BYTES
        key = original, edit.sender
        kept = self._edits.get(key)
        if kept is None or age_of(kept) < age_of(edit):
            self._edits[key] = edit
            self.size_bytes += _size(edit) - (0 if kept is None else _size(kept))

    def _edited(self, said: Said) -> Said:
        edit = self._final_of(said) or self._edits.get((said.event_id, said.sender))
        if edit is None:
            return said
        return replace(
            said,
            msgtype=edit.msgtype,
            text=edit.text,
            file=edit.file,
            mark=edit.mark or said.mark,
            forgets=edit.forgets,
            tokens=edit.tokens or said.tokens,
            edited_ts=edit.sent_ts,
        )

    def _final_of(self, said: Said) -> Said | None:
        """The final of one of the bot's own messages, if the homeserver has not shown it yet."""
        if said.sender != self.me or said.mark is None:
            return None
        anchor = id_to_come(said.mark.txn)
        return next((it for it in self._queued.values() if it.edits == anchor), None)

    def _note_message(self, mark: ReplyMark) -> None:
        """Note that the homeserver shows a message. An anchor that waits for its part was refused.

        Two messages never show the same part.
        """
        part = mark.to, mark.part
        marks = [it.mark for it in self._queued.values() if it.mark is not None]
        for each in marks:
            if each.state is ReplyState.LIVE and (each.to, each.part) == part:
                self._forget_queued(id_to_come(each.txn))
        self._forget_queued(id_to_come(mark.txn))
        self._echoes.add(id_to_come(mark.txn))

    def _note_echo(self, event_id: EventId) -> None:
        """Note that the homeserver has shown an edit, or a message that is gone."""
        if event_id not in self._echoes:
            self.size_bytes += _ID_BYTES
            self._echoes.add(event_id)
        self._forget_queued(event_id)

    def _forget_queued(self, event_id: EventId) -> None:
        queued = self._queued.pop(event_id, None)
        if queued is not None:
            self.size_bytes -= _size(queued)


def messages_in(events: Iterable[TimelineEvent]) -> list[Said]:
    """The messages among some events, without edits."""
    return [event for event in events if isinstance(event, Said) and event.edits is None]


def _finals_alone(queued: Iterable[Said], own: Iterable[Said]) -> Iterator[Said]:
    """The finals whose anchor is gone, or was not read: each is a message of its own."""
    finals = [said for said in queued if said.edits is not None]
    if finals:
        marks = [said.mark for said in (*queued, *own) if said.mark is not None]
        anchors = {id_to_come(mark.txn) for mark in marks}
        yield from (replace(it, edits=None) for it in finals if it.edits not in anchors)


def age_of(edit: Said) -> tuple[int, EventId]:
    """Orders the edits of a message, the newest last: homeservers order them in the same way."""
    return edit.sent_ts, edit.event_id


def _size(said: Said) -> int:
    text = said.text + said.quoted
    return _EVENT_BYTES + len(text) * (1 if text.isascii() else 2)
