"""Fills the gap of one room: piece by piece, oldest first, as the inbox has space for it."""

from dataclasses import dataclass
from typing import Final

from actors.gaps import Piece, Survey
from actors.messages import GapOpened, InboxWaiting
from actors.model import EventId, RoomId
from actors.reading import (
    accepting,
    fetch_gap,
    fetch_recent,
    note_given_up,
    taking_back,
    worth_accepting,
)
from actors.room.unfinished import Unfinished
from actors.rules.classify import RoomRows
from actors.rules.settlement import DesiredRows
from actors.services import Services
from actors.writes import (
    SINCE_LOST,
    SINCE_OWN,
    AcceptMessage,
    CloseGap,
    DropInbox,
    DropMessage,
    DropOutbox,
    ForgetMessage,
    OpenGap,
    RedactAbandoned,
    ShortenGap,
    Write,
    is_since_known,
    opened_at,
    since_known,
)

_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class _Found:
    """The pieces of a gap, the newest first. `begins`: the bot came back to the room there."""

    pieces: tuple[Piece, ...]
    begins: str | None = None
    answered: frozenset[EventId] = frozenset()
    redacted: frozenset[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class _Recent:
    """What a gap that begins at no position holds: messages, oldest first, and other writes.

    `redacted` are the events that were redacted within it. `is_void`: what waits already is from
    before the bot came to the room.
    """

    accepted: tuple[AcceptMessage, ...]
    writes: tuple[Write, ...]
    redacted: frozenset[EventId]
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class RoomGap:
    """The gap of one room. Only the room's actor uses it. It is stateless."""

    room_id: RoomId
    services: Services

    @property
    def depends_on_room(self) -> bool:
        """Whether what is looked for in the room depends on what the room is."""
        gap = self.services.registry.gaps.get(self.room_id)
        return gap is not None and gap.since in {SINCE_OWN, SINCE_LOST}

    async def fill(self, rows: RoomRows) -> bool:
        """Survey the gap, or fetch its oldest piece. False: the room must handle messages first.

        `rows` are those of the room; a room with none is no chat.

        A gap is read from its newest message back, but its oldest messages are handled first, so a
        survey finds the pieces before any of them is fetched.
        """
        gaps = self.services.registry.gaps
        gap = gaps.get(self.room_id)
        if gap is None or not self.services.gate.live:
            return False
        if gap.since in {SINCE_OWN, SINCE_LOST} or is_since_known(gap.since):
            return await self._take_turn(gap, rows)
        doubt, survey = gaps.doubt(self.room_id), gaps.survey(self.room_id)
        if doubt is None and not await self._has_space():
            return False
        if doubt or survey is None or (survey.is_done and survey.upto != gap.upto):
            await self._survey(gap, doubt, survey)
        else:
            await self._fetch(gap, survey)
        if self.room_id in gaps:
            self.services.tell_room(self.room_id, GapOpened())
        self.services.tell_room(self.room_id, InboxWaiting())
        return True

    async def _take_turn(self, gap: OpenGap, rows: RoomRows) -> bool:
        """Fetch the oldest messages of a gap that begins at no position, as `fill` does.

        After a start there may be such a gap in every room. Where something new was said, it is
        read at once; the other rooms take turns.
        """
        gaps = self.services.registry.gaps
        if not gaps.needs_turn(self.room_id):
            return await self._fetch_recent(gap, rows)
        if not gaps.turns.take(self.room_id):
            return False
        try:
            return await self._fetch_recent(gap, rows)
        finally:
            for following in gaps.turns.give_back(self.room_id):
                self.services.tell_room(following, GapOpened())

    async def _fetch_recent(self, gap: OpenGap, rows: RoomRows) -> bool:
        """Read the room, and take what is found.

        The inbox knows it then, so the rest of the gap begins with the newest message that it
        knows. What waits already and was answered, or is from before the bot's join, is settled.
        """
        services, gaps = self.services, self.services.registry.gaps
        doubt = gaps.doubt(self.room_id)
        has_space = not is_since_known(gap.since) or await self._has_space()
        if doubt is None and not has_space:
            return False
        found = await self._recent(gap, rows)
        if gaps.is_same(gap):
            await self._take_recent(gap, found, self._page if has_space else 0)
            gaps.settle(self.room_id, doubt)
            services.deliver(self.room_id)
            if self.room_id in gaps:
                services.tell_room(self.room_id, GapOpened())
            services.tell_room(self.room_id, InboxWaiting())
        return True

    async def _recent(self, gap: OpenGap, rows: RoomRows) -> _Recent:
        """What the room shows since the beginning of the gap."""
        services = self.services
        if not is_since_known(gap.since) and rows.room is not None:
            chat = DesiredRows(rows.room, next(iter(rows.chats), None))
            waits = await Unfinished(self.room_id, services, chat).search(gap)
            accepted = tuple(AcceptMessage(message, again=True) for message in waits.messages)
            finished = tuple(map(DropMessage, sorted(waits.answered)))
            return _Recent(accepted, (*finished, *waits.writes), waits.redacted)
        async with services.homeserver_slots:
            found = await fetch_recent(
                services.homeserver,
                services.store,
                gap,
                limit=services.bounds.gap_messages,
                kept_since=self._kept_since(gap),
            )
        messages = tuple(filter(worth_accepting, found.messages))
        if gap.since == SINCE_LOST:
            since_s = services.wall_clock() - services.bounds.unanswered_s
            messages = tuple(it for it in messages if it.sent_ts / _MS >= since_s)
        is_void = found.rejoined and is_since_known(gap.since)
        finished = tuple(map(DropMessage, sorted(found.answered)))
        accepted = tuple(map(AcceptMessage, messages))
        return _Recent(accepted, finished, found.redacted, is_void=is_void)

    async def _take_recent(self, gap: OpenGap, found: _Recent, limit: int) -> None:
        """Put the oldest messages into the inbox. With the last ones, the gap is closed.

        If it has grown meanwhile, it begins where it ended before.
        """
        gaps, room_id, worth = self.services.registry.gaps, self.room_id, found.accepted
        writes: list[Write] = [DropInbox(room_id)] if found.is_void else []
        writes += [*worth[:limit], *found.writes, *taking_back(sorted(found.redacted))]
        writes += [RedactAbandoned(room_id)] if found.is_void else []
        if len(worth) > limit:
            # The inbox keeps what it has taken as long as the gap is open, however old it is then.
            since = since_known(0) if limit else gap.since
            # What is to be accepted again must not be what the inbox knows.
            writes += [ForgetMessage(it.message.event_id) for it in worth[limit:] if it.again]
            await self.services.store.commit([*writes, ShortenGap(room_id, since)])
        else:
            since = gap.upto
            writes += CloseGap(room_id, gap.upto), ShortenGap(room_id, since)
            await self.services.store.commit(writes)
            gaps.close(gap)
        gaps.begin_at(room_id, since)
        for event_id in found.redacted:
            self.services.replies.redacted(room_id, event_id)

    def _kept_since(self, gap: OpenGap) -> float:
        """The time since which the inbox knows what it had: while a gap is open, nothing goes."""
        bounds, now = self.services.bounds, self.services.wall_clock()
        at = opened_at(gap.since, now) if is_since_known(gap.since) else now
        return at - bounds.keep_s + bounds.skew_s

    @property
    def _page(self) -> int:
        bounds = self.services.bounds
        return min(bounds.gap_page, bounds.inbox_room_limit, bounds.gap_messages)

    async def _has_space(self) -> bool:
        """Whether the inbox has space for another piece."""
        most = self.services.bounds.inbox_room_limit - self._page
        return len(await self.services.store.waiting(self.room_id, most + 1)) <= most

    async def _survey(self, gap: OpenGap, doubt: OpenGap | None, known: Survey | None) -> None:
        """Find the pieces since the last survey, and settle the doubt."""
        gaps = self.services.registry.gaps
        found = await self._find(gap.upto, known.upto if known else gap.since)
        since, writes = _settled(self.room_id, found, known)
        writes = (*writes, *taking_back(sorted(found.redacted)), RedactAbandoned(self.room_id))
        await self.services.store.commit(writes)
        for event_id in found.redacted:
            self.services.replies.redacted(self.room_id, event_id)
        pieces = found.pieces if found.begins or known is None else found.pieces + known.pieces
        answered = found.answered | (known.answered if known else frozenset())
        survey = Survey(gap.upto, self._newest(pieces), answered)
        if gaps.surveyed(gap, survey, settles=doubt):
            gaps.begin_at(self.room_id, since or gap.since)
            self.services.deliver(self.room_id)

    async def _find(self, token: str, stop_at: str) -> _Found:
        """Find the pieces from `token` back to `stop_at`, without keeping their messages."""
        services, limit = self.services, self.services.bounds.gap_messages
        pieces: list[Piece] = []
        answered: frozenset[EventId] = frozenset()
        redacted: frozenset[EventId] = frozenset()
        for _ in range(limit):
            async with services.homeserver_slots:
                gap = await fetch_gap(
                    services.homeserver,
                    self.room_id,
                    token,
                    stop_at=stop_at,
                    limit=self._page,
                )
            answered |= gap.answered
            redacted |= gap.redacted
            if gap.messages or gap.live:
                pieces.append(Piece(token, stop_at, len(gap.messages)))
            if gap.start is None or sum(it.count for it in pieces) > limit:
                return _Found(tuple(pieces), gap.begins, answered, redacted)
            token = gap.start
        return _Found(tuple(pieces), answered=answered, redacted=redacted)

    def _newest(self, pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
        """The newest pieces, with at most `Bounds.gap_messages` messages."""
        limit = left = self.services.bounds.gap_messages
        for index, piece in enumerate(pieces):
            left -= piece.count
            if left < 0:
                note_given_up(self.room_id, limit)
                return pieces[:index]
        return pieces

    async def _fetch(self, gap: OpenGap, survey: Survey) -> None:
        """Put the oldest piece into the inbox. The last piece closes a gap that has not grown."""
        services, gaps = self.services, self.services.registry.gaps
        writes: list[Write] = []
        if survey.pieces:
            piece = survey.pieces[-1]
            async with services.homeserver_slots:
                found = await fetch_gap(
                    services.homeserver,
                    self.room_id,
                    piece.token,
                    stop_at=piece.stop_at,
                    limit=self._page,
                )
            writes += accepting(self.room_id, found.messages, survey.answered, found.live)
            survey = survey.without_oldest()
        if not gaps.is_same(gap):
            return
        if survey.is_done and survey.upto == gap.upto:
            writes.append(CloseGap(self.room_id, gap.upto))
        await services.store.commit(writes)
        if not survey.is_done or survey.upto != gap.upto or not gaps.close(gap):
            gaps.note(gap, survey)


def _settled(
    room_id: RoomId, found: _Found, known: Survey | None
) -> tuple[str | None, tuple[Write, ...]]:
    """The new start of a surveyed gap, if it moves, and the writes that go with it.

    A return to the room voids what was queued before. A part that was fetched whole is left behind.
    """
    if found.begins is not None:
        dropped = DropInbox(room_id), DropOutbox(room_id)
        return found.begins, (*dropped, ShortenGap(room_id, found.begins))
    if known is not None and known.is_done:
        return known.upto, (ShortenGap(room_id, known.upto),)
    return None, ()
