"""Shows an answer while it grows: opens its anchors, and edits them. The answer never waits."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import anyio
import structlog

from actors.anchors import Anchor
from actors.model import EventId, HomeserverTraits, OutboundKind, OutboundMessage, ReplyState
from actors.port_errors import (
    HomeserverUnavailable,
    PortError,
    RateLimited,
    RefusedForNow,
    RequestNotSent,
    StoreUnavailable,
)
from actors.replies.growing import Growing
from actors.replies.tools import Tools
from actors.replies.values import Question, reply_message
from actors.rules.formatting import Formatted
from actors.rules.showing import (
    NOTHING_SHOWN,
    Shown,
    first_text,
    leaves_room,
    next_text,
    pause_before,
    shown_by,
    shown_with,
)
from actors.said import Said
from actors.writes import MarkTried, OpenAnchor

_log = structlog.get_logger()

AGAIN_S: Final = 1.0
"""What can't be shown now may be shown after this time, with what has come by then."""


class Showing:
    """Shows the answer to one question, in all attempts of one reply.

    A *step* is a commit of an anchor or a live edit. One is made at a time, and a step that was
    begun is never left in doubt: the reply has not ended before `settled` returns. `shown` is what
    an earlier reply to the same question has shown.
    """

    def __init__(self, question: Question, tools: Tools, shown: Shown = NOTHING_SHOWN) -> None:
        self.shown = shown
        self.has_opened = False
        """Whether the store may have an anchor since this reply began."""
        self._question = question
        self._tools = tools
        self._scope = anyio.CancelScope()
        self._step: anyio.CancelScope | None = None
        """The step that is made now."""
        self._settled = anyio.Event()
        """Set when a step has ended; replaced by a new event each time."""
        self._is_off = False
        """Whether nothing more of this answer is shown before its end."""
        self._probes = False
        """Whether the next live edit finds out if the homeserver deduplicates."""
        self._bodies: dict[str, str] = {}
        """What the parts show, as far as that is known, by the transaction ids of their anchors."""

    # ------------------------------------------------------------ for the reply

    def begin(self, growing: Growing) -> None:
        """Show an answer from now on. The platform has been asked for it just now."""
        self._scope = anyio.CancelScope()
        self._tools.background.run(self._run, growing, self._scope, anyio.current_time())

    def end(self) -> None:
        """Begin no further step. The present one ends within `Bounds.settle_s`."""
        self._scope.cancel()
        if self._step is not None:
            latest = anyio.current_time() + self._tools.bounds.settle_s
            self._step.deadline = min(self._step.deadline, latest)

    def drop(self) -> None:
        """End at once: nothing of the answer is to be shown any more."""
        self.end()
        if self._step is not None:
            self._step.cancel()

    @property
    def is_settled(self) -> bool:
        """Whether no step is made now."""
        return self._step is None

    async def settled(self) -> None:
        """Wait until no step is made."""
        while self._step is not None:
            await self._settled.wait()

    # ------------------------------------------------------------ one answer

    async def _run(self, growing: Growing, scope: anyio.CancelScope, began: float) -> None:
        with scope:
            await self.settled()
            self.shown = replace(self.shown, whole=0)
            await anyio.sleep_until(began + self._tools.bounds.stream_after_s)
            traits = await self._traits()
            self._probes = traits.deduplicates is None
            self._is_off |= traits.bundles is False or not await self._knows_earlier()
            late_at = await self._late_at(growing, began)
            while not self._is_off:
                text = await self._text(growing, late_at)
                pause_s = AGAIN_S
                if await self._show(text, scope):
                    pauses_s = self._tools.bounds.edit_pauses_s
                    pause_s = pause_before(self.shown.edits, pauses_s)
                await anyio.sleep(pause_s)

    async def _traits(self) -> HomeserverTraits:
        try:
            return await self._tools.traits.known()
        except PortError:
            return HomeserverTraits()

    async def _knows_earlier(self) -> bool:
        """Learn from the room what an earlier reply has shown; False if it does not say that.

        The end of an answer that was given up does not say how many edits there were before it.
        """
        if self.shown != NOTHING_SHOWN or self.has_opened:
            return True
        try:
            parts = await _parts_as_shown(self._question, self._tools)
        except PortError:
            return False
        self.shown = shown_by(parts.values())
        self._bodies = {txn_id: part.text for txn_id, part in parts.items()}
        return all(part.is_live for part in parts.values())

    async def _late_at(self, growing: Growing, began: float) -> float:
        """Wait for the first word: the time from which any words are shown, not only sentences."""
        bounds = self._tools.bounds
        await growing.reaches(1)
        return max(began + bounds.stream_words_s, anyio.current_time() + bounds.stream_after_s)

    async def _text(self, growing: Growing, late_at: float) -> str:
        """Wait for something worth showing: the text up to there."""
        least = self.shown.chars + self._tools.bounds.edit_chars if self.shown.chars else 1
        while True:
            await growing.reaches(least)
            late_in_s = late_at - anyio.current_time()
            text = self._worth(growing.text, is_late=late_in_s <= 0)
            if text:
                return text
            with anyio.move_on_after(late_in_s if late_in_s > 0 else math.inf):
                await growing.reaches(growing.chars + 1)

    def _worth(self, text: str, *, is_late: bool) -> str:
        bounds = self._tools.bounds
        if self.shown.chars:
            return next_text(text, self.shown, chars=bounds.edit_chars)
        return first_text(text, chars=bounds.stream_chars, is_late=is_late)

    async def _show(self, text: str, scope: anyio.CancelScope) -> bool:
        """Show the next part of a text; whether that could be tried now.

        A part that shows its text already, to its end, is not edited again.
        """
        key = self._question.key
        parts, whole = self._tools.formatted(text), self.shown.whole
        while whole < len(parts) - 1 and self._bodies.get(f"{key}.{whole}") == parts[whole].body:
            whole += 1
        self.shown, txn_id = replace(self.shown, whole=whole), f"{key}.{whole}"
        try:
            anchors = await self._tools.store.anchors(key)
        except StoreUnavailable:
            return False
        anchor = next((each for each in anchors if each.txn_id == txn_id), None)
        if not self._may_go_on(anchor, len(anchors)):
            self._is_off = True
            return False
        # An anchor that is sent after a later attempt's edit would seem to be of that attempt.
        is_unsent = any(each.event_id is None and not each.is_void for each in anchors)
        in_doubt = self._tools.gaps.doubt(self._question.room_id) is not None
        if is_unsent or in_doubt or scope.cancel_called or not self._tools.governor.allows():
            return False
        part = parts[min(whole, len(parts) - 1)]
        if whole >= len(parts) or not part.body.strip():
            return False
        after = shown_with(self.shown, text, [each.body for each in parts])
        if anchor is None:
            await self._open(self._message(txn_id, part, OutboundKind.ANCHOR), after)
            return True
        try:
            await self._edit(anchor, part, after)
        except RequestNotSent:
            await self._tools.outage.is_over()
            return False
        return True

    def _may_go_on(self, anchor: Anchor | None, anchors: int) -> bool:
        """Whether more may be shown of a part, given how many parts have an anchor."""
        if anchor is not None and anchor.is_void:
            return False
        return leaves_room(self.shown, anchors + (anchor is None), self._tools.bounds.edits)

    def _message(self, txn_id: str, part: Formatted, kind: OutboundKind) -> OutboundMessage:
        """What grows has no HTML: its end has, and all edits are in the pages that clients read."""
        said = reply_message(self._question.message, txn_id, Formatted(part.body))
        return replace(said, kind=kind, state=ReplyState.LIVE)

    # ------------------------------------------------------------ one step

    @contextmanager
    def _making_step(self) -> Iterator[None]:
        """Shield a step from the end of the reply, and let `settled` wait for it."""
        try:
            with anyio.CancelScope(shield=True) as self._step:
                yield
        finally:
            self._step = None
            self._settled.set()
            self._settled = anyio.Event()

    async def _open(self, anchor: OutboundMessage, after: Shown) -> None:
        """Commit an anchor, for the outbox to send. The store refuses that of a done question."""
        self.has_opened = True
        tried = MarkTried(anchor.txn_id, self._tools.homeserver.session)
        with self._making_step():
            try:
                await self._tools.store.commit([OpenAnchor(anchor, self._question.key), tried])
            except StoreUnavailable:
                self._is_off = True
                return
            self.shown, self._bodies[anchor.txn_id] = after, anchor.body
            self._tools.deliver(anchor.room_id)

    async def _edit(self, anchor: Anchor, part: Formatted, after: Shown) -> None:
        """Send a live edit, and repeat it until it has an answer.

        Raises RequestNotSent while the bot is not live.
        """
        txn_id = f"{anchor.txn_id}~{self._tools.boot}.{self.shown.edits}"
        message = self._message(txn_id, part, OutboundKind.LIVE)
        message = replace(message, edits=anchor.txn_id, target=anchor.event_id)
        with self._making_step():
            # An edit without an answer may be shown, so it counts as shown until it has one. Its
            # number is not used again, also if it is refused.
            before, edits = self.shown, self.shown.edits + 1
            self.shown = replace(after, edits=edits)
            self._bodies.pop(anchor.txn_id, None)
            try:
                event_id = await self._sent(message)
            except RequestNotSent:
                self.shown = before
                raise
            if event_id is None:
                self.shown = replace(before, edits=edits)
                return
            self._bodies[anchor.txn_id] = part.body
            if self._probes:
                self._probes = False
                await self._probe(message, event_id)

    async def _sent(self, message: OutboundMessage) -> EventId | None:
        """Send an edit until the homeserver has answered; None if it has refused.

        Raises RequestNotSent while the bot is not live.
        """
        failures = 0
        while True:
            try:
                return await self._tools.homeserver.send(message)
            except RateLimited as limit:
                if not failures:
                    return None
                await anyio.sleep(limit.retry_after_s)
            except HomeserverUnavailable as error:
                if isinstance(error, RefusedForNow):
                    return None
                if isinstance(error, RequestNotSent) and not failures:
                    raise
                failures += 1
                wait_s = self._tools.bounds.send.delay_s(failures, self._tools.random)
                with anyio.move_on_after(wait_s):
                    await self._tools.outage.is_over()
            except PortError as error:
                _log.info("live_edit_refused", room_id=message.room_id, reason=str(error))
                self._is_off = True
                return None

    async def _probe(self, message: OutboundMessage, event_id: EventId) -> None:
        """Repeat an edit once: a homeserver that deduplicates answers with the same event."""
        try:
            again = await self._tools.homeserver.send(message)
        except PortError:
            return
        note = partial(self._tools.traits.note, deduplicates=again == event_id)
        self._tools.background.run(note)


async def _parts_as_shown(question: Question, tools: Tools) -> dict[str, Said]:
    """The newest edit of each anchor, or the anchor itself, by the anchors' transaction ids.

    Raises the errors of both ports.
    """
    found: dict[str, Said] = {}
    for anchor in await tools.store.anchors(question.key):
        if anchor.event_id is not None and not anchor.is_void:
            edited = await tools.homeserver.contents.edited(question.room_id, anchor.event_id)
            said = edited.newest or edited.original
            if said is not None:
                found[anchor.txn_id] = said
    return found
