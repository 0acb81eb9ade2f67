"""Rules about answers that are shown while they grow: checked at each message of the bot."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from actors.bounds import Bounds
from actors.model import EventId, ReplyState
from actors.rules.reply_mark import MENTIONS_TYPE, REPLY_TYPE
from adapter.matrix.contents import LIVE_TYPE
from tests.simulation.edits import edited_by
from tests.simulation.events import Content, Event
from tests.simulation.server import SimulatedServer
from tests.simulation.transcript import Transcript

_TXN: Final = re.compile(
    r"(?P<question>\$[0-9a-f]+)\.(?:(?P<part>[0-9]+)"
    r"(?:~(?P<boot>boot[0-9]+)\.[0-9]+|(?P<final>\.(?:final|dead)(?:\.[0-9]+)?))?|(?P<dead>dead))"
)


class Named(NamedTuple):
    """What the transaction id of a part of an answer says.

    `boot` is set for a live edit, `is_final` for the end of an anchor.
    """

    question: EventId
    part: int
    boot: str | None
    is_final: bool


def named_by(txn_id: str | None) -> Named | None:
    """What a transaction id says; None for one that is not of a part of an answer."""
    found = _TXN.fullmatch(txn_id or "")
    if found is None:
        return None
    is_final = bool(found["final"] or found["dead"])
    return Named(EventId(found["question"]), int(found["part"] or 0), found["boot"], is_final)


def new_content(event: Event) -> Content:
    """What a message says, or for an edit, what its target says from now on."""
    new = event.content.get("m.new_content")
    return new if isinstance(new, dict) else event.content


def state_of(content: Content) -> object:
    """The state in the mark of a content; None without one."""
    mark = content.get(REPLY_TYPE)
    return mark.get("state") if isinstance(mark, dict) else None


class Streaming:
    """Checks each message and edit of the bot as the server gets it."""

    def __init__(
        self, server: SimulatedServer, bounds: Bounds, violated: Callable[[str], None]
    ) -> None:
        self.transcript = Transcript()
        """What the platform has said."""
        self.ended: dict[EventId, Content] = {}
        """What each message said last when no answer grew in it, also if it was redacted since."""
        self._server = server
        self._bounds = bounds
        self._violated = violated
        self._lives: Counter[tuple[EventId, str]] = Counter()
        """The live edits of each answer in each run of the process."""

    def seen(self, event: Event) -> None:
        """Check a message of the bot."""
        self._check_marks(event)
        if edited_by(event.content) is not None:
            self._check_edit(event)
        elif state_of(event.content) == ReplyState.LIVE:
            self._check_anchor(event)
        self._note_end(event)

    def _note_end(self, event: Event) -> None:
        content, target = new_content(event), event
        if edited_by(event.content) is not None:
            found = self._target(event)
            if found is None or found.redacted:
                return
            target = found
        if state_of(content) != ReplyState.LIVE:
            self.ended[target.event_id] = content

    def _check_marks(self, event: Event) -> None:
        """Check that no person is mentioned, and that the mark and its copy are equal."""
        new = new_content(event)
        if not (event.content.get(MENTIONS_TYPE) == new.get(MENTIONS_TYPE) == {}):
            self._violated(f"somebody is mentioned: {event.txn_id}")
        if event.content.get(REPLY_TYPE) != new.get(REPLY_TYPE):
            self._violated(f"two marks: {event.txn_id}")
        is_live = state_of(new) == ReplyState.LIVE
        if (LIVE_TYPE in new, LIVE_TYPE in event.content) != (is_live, is_live):
            self._violated(f"live or not: {event.txn_id}")

    def _check_anchor(self, event: Event) -> None:
        named = named_by(event.txn_id)
        if named is None or named.boot is not None or named.is_final:
            self._violated(f"an anchor with the transaction id {event.txn_id}")
            return
        self._check_words(event, named)

    def _check_edit(self, event: Event) -> None:
        named, target = named_by(event.txn_id), self._target(event)
        if target is None or edited_by(target.content) is not None or target.sender != event.sender:
            self._violated(f"edits no message of its own: {event.txn_id}")
            return
        if named is None or event.txn_id in {None, target.txn_id}:
            self._violated(f"an edit with the transaction id {event.txn_id}")
            return
        original = named_by(target.txn_id)
        if original is None or original[:2] != named[:2]:
            self._violated(f"{event.txn_id} edits {target.txn_id}")
        is_live = state_of(new_content(event)) == ReplyState.LIVE
        if is_live != (named.boot is not None) or is_live == named.is_final:
            self._violated(f"live is {is_live} in {event.txn_id}")
        if named.boot is not None:
            self._check_words(event, named)
            self._count(named, named.boot)

    def _target(self, event: Event) -> Event | None:
        named = edited_by(event.content)
        return self._server.room(event.room_id).find(named) if named else None

    def _check_words(self, event: Event, named: Named) -> None:
        """Check that what is shown of an answer are words of it."""
        body = str(new_content(event).get("body"))
        if not body.strip() or not self.transcript.has_said(named.question, body):
            self._violated(f"no words of the answer: {event.txn_id} says {body!r}")

    def _count(self, named: Named, boot: str) -> None:
        key = named.question, boot
        self._lives[key] += 1
        if self._lives[key] + 1 > self._bounds.edits:  # the end of the answer counts as well
            self._violated(f"{self._lives[key]} live edits of the answer to {named.question}")
