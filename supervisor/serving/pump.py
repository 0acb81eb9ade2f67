"""Following /sync: a response goes into one transaction, and only then is anybody told."""

import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace

import anyio
import structlog

from actors.messages import GapOpened, InboxWaiting, IntentsWaiting, RoomChanged, RoomLeft
from actors.meter import Meter
from actors.model import Intent, IntentKind, IntentStep, Invite, Nonce, RoomId
from actors.ports import HomeserverUnavailable, RateLimited, RoomDelta, SyncDelta
from actors.reading import fetch_gap, worth_accepting
from actors.services import Services
from actors.writes import AcceptMessage, OpenGap, PutIntent, SavePosition, Write, drop_queued
from supervisor.serving.outbox import Outbox
from supervisor.serving.second_instance import SecondInstanceDetector

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pump:
    """Reads the homeserver for the actors."""

    services: Services
    outbox: Outbox
    detector: SecondInstanceDetector
    meter: Meter

    async def run(self, since: str, regularly: Callable[[], Awaitable[None]]) -> None:
        """Go on from a position until something raises: what `sync` raises, or StoreUnavailable.

        `regularly` is awaited about every half minute, however much the server has to say.
        """
        last = anyio.current_time()
        await self._let_actors_catch_up(regularly)
        while True:
            self.meter.beat()
            asked_at = anyio.current_time()
            delta = await self.services.homeserver.sync(since, self.services.bounds.poll_s)
            if (
                delta.next_batch == since
                and anyio.current_time() - asked_at < self.services.bounds.nothing_new_s
            ):
                await anyio.sleep(
                    self.services.bounds.nothing_new_s
                )  # something in front of it does not wait for news
            await self.accept(delta, since)
            since = delta.next_batch
            if delta.instance is not None:
                self.services.system.background.run(self.detector.announce)
            if anyio.current_time() - last >= self.services.bounds.regularly_s:
                last = anyio.current_time()
                await regularly()
            if any(room.messages or room.gap_from for room in delta.rooms):
                await self._let_answers_out()
            await self._let_actors_catch_up(regularly)

    async def catch_up(self, since: str) -> str:
        """Accept what has happened since a position, without waiting; the position after it."""
        delta = await self.services.homeserver.sync(since, 0)
        await self.accept(delta, since)
        return delta.next_batch

    async def _let_answers_out(self) -> None:
        """Give answers that come at once the right of way."""
        with anyio.move_on_after(self.services.bounds.answers_first_s):
            await self.services.system.handled()
            await self.outbox.all_tried()

    async def _let_actors_catch_up(self, regularly: Callable[[], Awaitable[None]]) -> None:
        """Read no further while more messages wait than may.

        The homeserver is probed meanwhile: without a session the actors never catch up, and only
        who reads hears of that.
        """
        said_at = -math.inf
        while await self.services.store.waiting_count() > self.services.bounds.inbox_limit:
            if anyio.current_time() - said_at >= self.services.bounds.regularly_s:
                _log.warning("reading_paused", limit=self.services.bounds.inbox_limit)
                said_at = anyio.current_time()
                await self.services.homeserver.probe()
                await regularly()
            self.meter.beat()
            await anyio.sleep(self.services.bounds.paused_s)

    async def accept(
        self, delta: SyncDelta, since: str, looked_at: Collection[RoomId] = ()
    ) -> None:
        """Make a response durable, then tell the actors; rooms `looked_at` need no second look."""
        if delta.malformed:
            _log.warning("malformed_events", count=delta.malformed)
        for room_id in (*delta.left, *(invite.room_id for invite in delta.invites)):
            self.services.registry.gaps.void(room_id)
        filled = await self._without_gaps(delta, since)
        rooms = [room for room, _ in filled]
        returned = [room.room_id for room, rejoined in filled if rejoined]
        writes: list[Write] = [
            dropped for room_id in (*delta.left, *returned) for dropped in drop_queued(room_id)
        ]
        writes += [
            AcceptMessage(message)
            for room in rooms
            for message in room.messages
            if worth_accepting(message)
        ]
        writes += [write for invite in delta.invites for write in invited(invite)]
        opened = self.services.registry.gaps.ending_at(delta.next_batch)
        writes += opened
        await self.services.store.commit([*writes, SavePosition(delta.next_batch)])
        if delta.instance is not None:
            self.detector.heard(delta.instance)
        replacements = (room.replacement for room in rooms if room.replacement)
        self.services.registry.upgrades.expect(replacements)
        for room in rooms:
            if room.state_changed and room.room_id not in looked_at:
                self.services.tell_room(room.room_id, RoomChanged())
            if any(map(worth_accepting, room.messages)):
                self.services.tell_room(room.room_id, InboxWaiting())
        for gap in opened:
            self.services.tell_room(gap.room_id, GapOpened())
        for invite in delta.invites:
            self.services.tell_owner(invite.inviter, IntentsWaiting())
        for room_id in delta.left:
            self.services.tell_room(room_id, RoomLeft())

    async def _without_gaps(self, delta: SyncDelta, since: str) -> list[tuple[RoomDelta, bool]]:
        """Every room whole, or its gap left open. A stalled room uses up the time of all."""
        deadline = anyio.current_time() + self.services.bounds.gaps_within_s
        return [
            await self._without_gap(room, since, delta.next_batch, deadline) for room in delta.rooms
        ]

    async def _without_gap(
        self, room: RoomDelta, since: str, upto: str, deadline: float
    ) -> tuple[RoomDelta, bool]:
        """Fetch what a limited timeline left out; whether we left and joined again meanwhile.

        One room that can't be read stops nobody: its gap is left to its actor, and with it all that
        comes after.
        """
        if room.room_id in self.services.registry.gaps and (room.messages or room.gap_from):
            return self._left_open(room, since, upto), False
        if room.gap_from is None:
            return room, False
        self.meter.beat()
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                gap = await fetch_gap(
                    self.services.homeserver,
                    room.room_id,
                    room.gap_from,
                    stop_at=since,
                    limit=self.services.bounds.gap_messages,
                )
        except (HomeserverUnavailable, RateLimited, TimeoutError) as error:
            _log.warning("gap_left_open", room_id=room.room_id, reason=str(error) or "no answer")
            return self._left_open(room, since, upto), False
        messages = (*gap.messages, *room.messages)
        return replace(room, messages=messages, gap_from=None), gap.rejoined

    def _left_open(self, room: RoomDelta, since: str, upto: str) -> RoomDelta:
        gaps = self.services.registry.gaps
        known = gaps.get(room.room_id)
        gaps.open(OpenGap(room.room_id, known.since if known else since, upto))
        return replace(room, messages=(), gap_from=None)


def invited(invite: Invite) -> tuple[Write, ...]:
    """The promise to answer an invite; a later invite to the same room renews it.

    Who is invited is not in the room, or not any more.
    """
    intent = Intent(
        Nonce(f"invite.{invite.room_id}"),
        invite.inviter,
        IntentKind.INVITED,
        IntentStep.WANTED,
        reply_room=invite.room_id,
    )
    return (*drop_queued(invite.room_id), PutIntent(intent))
