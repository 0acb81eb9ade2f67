"""Follows /sync: each response is committed in one transaction before actors are notified."""

import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import anyio
import structlog

from actors.anchors import LiveAnchor
from actors.late_edits import LateEdits
from actors.messages import GapOpened, InboxWaiting, IntentsWaiting, RoomChanged, RoomLeft
from actors.meter import Meter
from actors.model import (
    EventId,
    Intent,
    IntentKind,
    IntentStep,
    Invite,
    Nonce,
    RoomId,
    RoomKind,
    RoomMeta,
)
from actors.port_errors import HomeserverUnavailable, OutdatedWrite, RateLimited, StoreUnavailable
from actors.ports import Gap, RoomDelta, SyncDelta
from actors.reading import accepting, fetch_gap, taking_back, worth_accepting
from actors.rows import from_row, room_key
from actors.rules.unfinished import anchor_in
from actors.said import Redacted, Said
from actors.services import Services
from actors.writes import (
    OpenGap,
    PutIntent,
    RedactAbandoned,
    RepeatFinal,
    SavePosition,
    Write,
    drop_queued,
)
from supervisor.serving.backlog import Backlog
from supervisor.serving.outbox import Outbox
from supervisor.serving.second_instance import SecondInstanceDetector

_NEXT_S: Final = 1e-6
"""The time between two invites of one response, which come without times of their own."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Filled:
    """What a response says about a room, with the messages of its gap if they could be fetched.

    `rejoined`: the bot left the room within the gap and came back. `live` are the anchors in all of
    it. `missed` are the events that were redacted within the gap. `had_gap`: it was fetched.
    `left_open`: what was said, or the gap, is left to the room's actor.
    """

    room: RoomDelta
    rejoined: bool = False
    live: tuple[LiveAnchor, ...] = ()
    missed: frozenset[EventId] = frozenset()
    had_gap: bool = False
    left_open: bool = False

    @property
    def redacted(self) -> list[EventId]:
        """The events that were redacted in all of it."""
        shown = [each.event_id for each in self.room.said if isinstance(each, Redacted)]
        return [*sorted(self.missed), *shown]


@dataclass(frozen=True, slots=True)
class Pump:
    """Reads the homeserver's news for the actors."""

    services: Services
    outbox: Outbox
    backlog: Backlog
    detector: SecondInstanceDetector
    meter: Meter
    late_edits: LateEdits

    async def run(self, since: str, regularly: Callable[[], Awaitable[None]]) -> None:
        """Follow /sync from a position. Raises what `sync` raises, or StoreUnavailable.

        `regularly` is awaited about every `Bounds.regularly_s`, even if the server is busy.
        """
        last = anyio.current_time()
        await self._pause_while_inbox_full(regularly)
        while True:
            self.meter.beat()
            asked_at = anyio.current_time()
            delta = await self.services.homeserver.sync(since, self.services.bounds.poll_s)
            if (
                delta.next_batch == since
                and anyio.current_time() - asked_at < self.services.bounds.nothing_new_s
            ):
                # A proxy in front of the homeserver does not wait for news.
                await anyio.sleep(self.services.bounds.nothing_new_s)
            await self.accept(delta, since)
            since = delta.next_batch
            if delta.instance is not None:
                self.services.system.background.run(self.detector.announce)
            if anyio.current_time() - last >= self.services.bounds.regularly_s:
                last = anyio.current_time()
                await regularly()
            if any(room.messages or room.gap_from for room in delta.rooms):
                await self._let_replies_go_first()
            await self._pause_while_inbox_full(regularly)

    async def catch_up(self, since: str) -> str:
        """Accept the news since a position without waiting; return the new position."""
        delta = await self.services.homeserver.sync(since, 0)
        await self.accept(delta, since)
        return delta.next_batch

    async def _let_replies_go_first(self) -> None:
        """Wait briefly for fast replies before reading further; slow ones are not waited for."""
        within_s = self.services.bounds.answers_first_s
        with anyio.move_on_after(within_s):
            await self.services.system.handled()
            await self.services.replies.new_ended(within_s)
            await self.services.system.handled()
            await self.outbox.wait_until_tried()

    async def _pause_while_inbox_full(self, regularly: Callable[[], Awaitable[None]]) -> None:
        """Wait while too many messages are in the inbox.

        The pump probes the homeserver meanwhile: without a session the actors never empty the
        inbox, and only a request of the pump reveals that.
        """
        logged_at = -math.inf
        try:
            while await self.backlog.is_full():
                if anyio.current_time() - logged_at >= self.services.bounds.regularly_s:
                    self.backlog.pause()
                    logged_at = anyio.current_time()
                    await self.services.homeserver.probe()
                    await regularly()
                self.meter.beat()
                await anyio.sleep(self.services.bounds.paused_s)
        finally:
            self.backlog.resume()

    async def accept(
        self, delta: SyncDelta, since: str, already_read: Collection[RoomId] = ()
    ) -> None:
        """Commit a response, then notify the actors, except of changes in `already_read` rooms."""
        if delta.malformed:
            self.meter.malformed += delta.malformed
            _log.warning("malformed_events", count=delta.malformed, places=delta.malformed_at)
        for room_id in (*delta.left, *(invite.room_id for invite in delta.invites)):
            self.services.registry.gaps.void(room_id)
        filled = await self._without_gaps(delta, since)
        asked = invites_at(delta.invites, self.services.wall_clock())
        repeated = {room.room_id: self.late_edits.repeats(room) for room in delta.rooms}
        writes: list[Write] = [*_writes_for(delta, filled), *chain(*repeated.values())]
        writes += invite_writes(asked)
        changed = self._note_changes(delta, already_read)
        changed += await self._spaces_to_rename(delta, {*changed, *already_read})
        writes += self.services.registry.dirty.mark(changed)
        opened = self._opened(filled, since, delta.next_batch)
        writes += opened
        try:
            await self._commit(writes, SavePosition(delta.next_batch, since))
        except BaseException:
            # The news may be stored all the same, and then it does not come again.
            self.services.histories.drop_all()
            raise
        if delta.instance is not None:
            self.detector.observe(delta.instance)
        self._note_said(delta, filled)
        self._tell_rooms([each.room for each in filled], frozenset(changed))
        self._deliver_repeated(repeated)
        for each in filled:
            if each.redacted or each.had_gap:
                self.outbox.wake(each.room.room_id)  # an answer may be taken back
        for gap in opened:
            self.services.tell_room(gap.room_id, GapOpened())
        for invite, asked_at in asked:
            self.services.registry.queue.enter(invite.inviter, asked_at, anyio.current_time())
        for invite in delta.invites:
            self.services.tell_owner(invite.inviter, IntentsWaiting())
        for room_id in delta.left:
            self.services.tell_room(room_id, RoomLeft())

    async def _commit(self, writes: Sequence[Write], position: SavePosition) -> None:
        """Commit the writes that move the position; what came before is lost if it is another."""
        try:
            await self.services.store.commit([*writes, position])
        except OutdatedWrite as error:
            lost = "the database has lost its newest commits: it has another sync position"
            raise StoreUnavailable(lost) from error

    def _note_said(self, delta: SyncDelta, filled: Sequence[_Filled]) -> None:
        """Bring the histories up to date; a reply to a redacted question ends."""
        histories, replies = self.services.histories, self.services.replies
        for room_id in delta.left:
            histories.drop(room_id)
        for room in delta.rooms:
            histories.note(room)
        for each in filled:
            for event_id in each.redacted:
                replies.redacted(each.room.room_id, event_id)

    def _note_changes(self, delta: SyncDelta, already_read: Collection[RoomId]) -> list[RoomId]:
        """The rooms to read again. Replacements are expected before any invite to one."""
        for room in delta.rooms:
            if room.replacement:
                self.services.registry.upgrades.expect(room.replacement, of=room.room_id)
        changed = (room.room_id for room in delta.rooms if room.state_changed)
        return [room_id for room_id in changed if room_id not in already_read]

    async def _spaces_to_rename(self, delta: SyncDelta, others: set[RoomId]) -> list[RoomId]:
        """The Spaces whose owner has another display name now: they are named after it."""
        named = [room for room in delta.rooms if room.names and room.room_id not in others]
        spaces = []
        for room in named:
            row = from_row(await self.services.store.row(room_key(room.room_id)), RoomMeta)
            if row is not None and row.room_type is RoomKind.SPACE:
                spaces += [room.room_id] if row.matrix_user_id in room.names else []
        return spaces

    def _tell_rooms(self, rooms: Sequence[RoomDelta], changed: frozenset[RoomId]) -> None:
        """Notify the actors of joined rooms."""
        for room in rooms:
            if room.room_id in changed:
                self.services.tell_room(room.room_id, RoomChanged())
            if any(map(worth_accepting, room.messages)):
                self.services.tell_room(room.room_id, InboxWaiting())

    def _deliver_repeated(self, repeated: Mapping[RoomId, Sequence[RepeatFinal]]) -> None:
        """Send the ends of answers again that late edits cover."""
        for room_id, ends in repeated.items():
            self.meter.finals_repeated += sum(not end.only_if_tried for end in ends)
            if ends:
                _log.info("late_edits_covered", room_id=room_id, count=len(ends))
                self.outbox.wake(room_id)

    async def _without_gaps(self, delta: SyncDelta, since: str) -> list[_Filled]:
        """Each room with its gap filled or left open. All rooms share one time limit."""
        if not any(room.messages or room.gap_from for room in delta.rooms):
            return [_Filled(room, live=_anchors_of(room)) for room in delta.rooms]
        self.services.registry.gaps.turns.note_talk()
        deadline = anyio.current_time() + self.services.bounds.gaps_within_s
        space = await self.backlog.space()
        return [
            await self._without_gap(room, since, space.left(room.room_id), deadline)
            for room in delta.rooms
        ]

    async def _without_gap(
        self, room: RoomDelta, since: str, space: int, deadline: float
    ) -> _Filled:
        """Fetch the messages of a gap.

        A room that can't be read, or has no space in the inbox, does not stop the pump: its actor
        fills the gap, which then also covers all later messages of the room.
        """
        is_known = room.room_id in self.services.registry.gaps
        live = _anchors_of(room)
        left_open = _Filled(replace(room, messages=()), left_open=True)
        if room.gap_from is None:
            new = sum(map(worth_accepting, room.messages))
            if room.messages and (is_known or new > space):
                return left_open
            return _Filled(room, live=live)
        if is_known:
            return left_open
        gap = await self._gap_before(room.room_id, room.gap_from, since, space, deadline)
        if gap is None:
            return left_open
        messages = (*gap.messages, *room.messages)
        if sum(map(worth_accepting, messages)) > space:
            return left_open
        answered = room.answered | gap.answered
        whole = replace(room, messages=messages, gap_from=None, answered=answered)
        return _Filled(whole, gap.rejoined, gap.live + live, gap.redacted, had_gap=True)

    async def _gap_before(
        self, room_id: RoomId, token: str, stop_at: str, space: int, deadline: float
    ) -> Gap | None:
        """A gap that fits into the space; None if there is more, or no answer."""
        self.meter.beat()
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                gap = await fetch_gap(
                    self.services.homeserver,
                    room_id,
                    token,
                    stop_at=stop_at,
                    limit=min(space + 1, self.services.bounds.gap_messages),
                )
        except (HomeserverUnavailable, RateLimited, TimeoutError) as error:
            _log.warning("gap_left_open", room_id=room_id, reason=str(error) or "no answer")
            return None
        return gap if gap.start is None else None

    def _opened(self, filled: Sequence[_Filled], since: str, upto: str) -> list[OpenGap]:
        """Open the gaps that are left open.

        Their commit must be submitted at once: an actor that sees the end of a gap may close it.
        """
        gaps = self.services.registry.gaps
        return [
            gaps.extend(room.room_id, since, upto, in_doubt=room.gap_from is not None)
            for room in (each.room for each in filled if each.left_open)
        ]


def _writes_for(delta: SyncDelta, filled: Sequence[_Filled]) -> list[Write]:
    """The writes of a response whose rooms are whole."""
    returned = [each.room.room_id for each in filled if each.rejoined]
    writes: list[Write] = [
        dropped for room_id in (*delta.left, *returned) for dropped in drop_queued(room_id)
    ]
    for each in filled:
        room = each.room
        writes += accepting(room.room_id, room.messages, room.answered, each.live)
        # The bot may be back in a room that it was taken out of while an answer grew there.
        writes += [RedactAbandoned(room.room_id)] * each.had_gap
    writes += taking_back(event_id for each in filled for event_id in each.redacted)
    return writes


def _anchors_of(room: RoomDelta) -> tuple[LiveAnchor, ...]:
    """The anchors in the timeline of a sync response."""
    found = (anchor_in(said) for said in room.said if isinstance(said, Said))
    return tuple(anchor for anchor in found if anchor is not None)


def invites_at(invites: Iterable[Invite], now: float) -> list[tuple[Invite, float]]:
    """Invites that were seen at one time, with the times that keep them in their order."""
    return [(invite, now + number * _NEXT_S) for number, invite in enumerate(invites)]


def invite_writes(asked: Iterable[tuple[Invite, float]]) -> list[Write]:
    """The writes that promise to answer invites. A later invite to a room renews the promise.

    The bot is not in the rooms, so messages that are queued for them are dropped.
    """
    return [write for invite, asked_at in asked for write in _promise(invite, asked_at)]


def _promise(invite: Invite, asked_at: float) -> tuple[Write, ...]:
    intent = Intent(
        Nonce(f"invite.{invite.room_id}"),
        invite.inviter,
        IntentKind.INVITED,
        IntentStep.WANTED,
        reply_room=invite.room_id,
        asked_at=asked_at,
    )
    return (*drop_queued(invite.room_id), PutIntent(intent))
