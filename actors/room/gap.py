"""Fills the gap of one room: piece by piece, oldest first, as the inbox has space for it."""

from dataclasses import dataclass

from actors.gaps import Piece, Survey
from actors.messages import GapOpened, InboxWaiting
from actors.model import EventId, RoomId
from actors.ports import Gap
from actors.reading import accepting, fetch_gap, fetch_recent, note_given_up, worth_accepting
from actors.services import Services
from actors.writes import (
    SINCE_KNOWN,
    SINCE_OWN,
    CloseGap,
    DropInbox,
    DropOutbox,
    OpenGap,
    ShortenGap,
    Write,
)


@dataclass(frozen=True, slots=True)
class _Found:
    """The pieces of a gap, the newest first. `begins`: the bot came back to the room there."""

    pieces: tuple[Piece, ...]
    begins: str | None = None
    answered: frozenset[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class RoomGap:
    """The gap of one room. Only the room's actor uses it. It is stateless."""

    room_id: RoomId
    services: Services

    async def fill(self) -> bool:
        """Survey the gap, or fetch its oldest piece. False: the room must handle messages first.

        A gap is read from its newest message back, but its oldest messages are handled first, so a
        survey finds the pieces before any of them is fetched.
        """
        gaps = self.services.registry.gaps
        gap = gaps.get(self.room_id)
        if gap is None or not self.services.gate.live:
            return False
        if gap.since in {SINCE_OWN, SINCE_KNOWN}:
            return await self._fetch_recent(gap)
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

    async def _fetch_recent(self, gap: OpenGap) -> bool:
        """Fetch the oldest messages of a gap that begins at no position, as `fill` does.

        The inbox knows them then, so the rest of the gap begins with the newest message that it
        knows. What waits already and was answered, or is from before the bot's join, is settled.
        """
        services, gaps = self.services, self.services.registry.gaps
        doubt = gaps.doubt(self.room_id)
        has_space = gap.since == SINCE_OWN or await self._has_space()
        if doubt is None and not has_space:
            return False
        async with services.homeserver_slots:
            found = await fetch_recent(
                services.homeserver,
                services.store,
                gap,
                limit=services.bounds.gap_messages,
                kept_since=services.wall_clock() - services.bounds.keep_s + services.bounds.skew_s,
            )
        if gaps.is_same(gap):
            await self._take_recent(gap, found, self._page if has_space else 0)
            gaps.settle(self.room_id, doubt)
            services.deliver(self.room_id)
            if self.room_id in gaps:
                services.tell_room(self.room_id, GapOpened())
            services.tell_room(self.room_id, InboxWaiting())
        return True

    async def _take_recent(self, gap: OpenGap, found: Gap, limit: int) -> None:
        """Put the oldest messages into the inbox. With the last ones, the gap is closed.

        If it has grown meanwhile, it begins where it ended before.
        """
        gaps, room_id = self.services.registry.gaps, self.room_id
        worth = tuple(filter(worth_accepting, found.messages))
        is_void = found.rejoined and gap.since == SINCE_KNOWN
        writes: list[Write] = [DropInbox(room_id)] if is_void else []
        writes += accepting(worth[:limit], found.answered)
        if len(worth) > limit:
            since = SINCE_KNOWN
            await self.services.store.commit([*writes, ShortenGap(room_id, since)])
        else:
            since = gap.upto
            writes += CloseGap(room_id, gap.upto), ShortenGap(room_id, since)
            await self.services.store.commit(writes)
            gaps.close(gap)
        gaps.begin_at(room_id, since)

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
        if writes:
            await self.services.store.commit(writes)
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
            if gap.messages:
                pieces.append(Piece(token, stop_at, len(gap.messages)))
            if gap.start is None or sum(it.count for it in pieces) > limit:
                return _Found(tuple(pieces), gap.begins, answered)
            token = gap.start
        return _Found(tuple(pieces), answered=answered)

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
            writes += accepting(found.messages, survey.answered)
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
