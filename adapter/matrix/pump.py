"""Following /sync: a response goes into one transaction, and only then is anybody told."""

import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import anyio
import structlog

from actors.gaps import fetch_gap, worth_accepting
from actors.messages import GapOpened, InboxWaiting, IntentsWaiting, RoomChanged, RoomLeft
from actors.model import Intent, IntentKind, IntentStep, Invite, Nonce, RoomId
from actors.ports import (
    Homeserver,
    HomeserverUnavailable,
    RateLimited,
    RoomDelta,
    StateStore,
    SyncDelta,
)
from actors.runtime.system import ActorSystem
from actors.writes import AcceptMessage, OpenGap, PutIntent, SavePosition, Write, goodbye
from adapter.matrix.instances import Instances
from adapter.matrix.outbox import Outbox

_log = structlog.get_logger()

POLL_S: Final = 30.0
NOTHING_NEW_S: Final = 1.0
"""The pause after an answer that says nothing and was not waited for."""
REGULARLY_S: Final = 20.0
INBOX_LIMIT: Final = 1_000
CATCH_UP_S: Final = 0.5
ANSWERS_FIRST_S: Final = 0.05
"""So long, at most, reading waits for the answers to what was read last. A homeserver that is asked
for news as well meanwhile looks for those before it takes the answers."""
GAP_WITHIN_S: Final = 10.0
"""So long everybody waits for what timelines left out; then each room's own actor fetches it."""


@dataclass(frozen=True, slots=True)
class Pump:
    """Reads the homeserver for the actors."""

    homeserver: Homeserver
    store: StateStore
    system: ActorSystem
    outbox: Outbox
    instances: Instances
    replacements: set[RoomId]
    """Gets the rooms that ours were upgraded to, before anybody looks at an invite to one."""
    gaps: dict[RoomId, OpenGap]
    """Those not filled yet: what is said after one waits until its room's actor has filled it."""

    async def run(self, since: str, regularly: Callable[[], Awaitable[None]]) -> None:
        """Go on from a position until something raises: what `sync` raises, or StoreUnavailable.

        `regularly` is awaited about every half minute, however much the server has to say.
        """
        last = anyio.current_time()
        await self._let_actors_catch_up(regularly)
        while True:
            self.system.meter.beat()
            asked_at = anyio.current_time()
            delta = await self.homeserver.sync(since, POLL_S)
            if delta.next_batch == since and anyio.current_time() - asked_at < NOTHING_NEW_S:
                await anyio.sleep(NOTHING_NEW_S)  # something in front of it does not wait for news
            await self.accept(delta, since)
            since = delta.next_batch
            if delta.instance is not None:
                self.system.background(self.instances.announce)
            if anyio.current_time() - last >= REGULARLY_S:
                last = anyio.current_time()
                await regularly()
            if any(room.messages or room.gap_from for room in delta.rooms):
                await self._let_answers_out()
            await self._let_actors_catch_up(regularly)

    async def catch_up(self, since: str) -> str:
        """Accept what has happened since a position, without waiting; the position after it."""
        delta = await self.homeserver.sync(since, 0)
        await self.accept(delta, since)
        return delta.next_batch

    async def _let_answers_out(self) -> None:
        """Give answers that come at once the right of way."""
        with anyio.move_on_after(ANSWERS_FIRST_S):
            await self.system.handled()
            await self.outbox.tried()

    async def _let_actors_catch_up(self, regularly: Callable[[], Awaitable[None]]) -> None:
        """Read no further while more messages wait than may.

        The homeserver is probed meanwhile: without a session the actors never catch up, and only
        who reads hears of that.
        """
        said_at = -math.inf
        while await self.store.waiting_count() > INBOX_LIMIT:
            if anyio.current_time() - said_at >= REGULARLY_S:
                _log.warning("reading_paused", limit=INBOX_LIMIT)
                said_at = anyio.current_time()
                await self.homeserver.probe()
                await regularly()
            self.system.meter.beat()
            await anyio.sleep(CATCH_UP_S)

    async def accept(
        self, delta: SyncDelta, since: str, looked_at: Collection[RoomId] = ()
    ) -> None:
        """Make a response durable, then tell the actors; rooms `looked_at` need no second look."""
        if delta.malformed:
            _log.warning("malformed_events", count=delta.malformed)
        for room_id in (*delta.left, *(invite.room_id for invite in delta.invites)):
            self.gaps.pop(room_id, None)
        filled = await self._without_gaps(delta, since)
        rooms = [room for room, _ in filled]
        returned = [room.room_id for room, rejoined in filled if rejoined]
        writes: list[Write] = [
            dropped for room_id in (*delta.left, *returned) for dropped in goodbye(room_id)
        ]
        writes += [
            AcceptMessage(message)
            for room in rooms
            for message in room.messages
            if worth_accepting(message)
        ]
        writes += [write for invite in delta.invites for write in invited(invite)]
        opened = [gap for gap in self.gaps.values() if gap.upto == delta.next_batch]
        writes += opened
        await self.store.commit([*writes, SavePosition(delta.next_batch)])
        if delta.instance is not None:
            self.instances.heard(delta.instance)
        self.replacements.update(room.replacement for room in rooms if room.replacement)
        for room in rooms:
            if room.state_changed and room.room_id not in looked_at:
                self.system.tell(room.room_id, RoomChanged())
            if any(map(worth_accepting, room.messages)):
                self.system.tell(room.room_id, InboxWaiting())
        for gap in opened:
            self.system.tell(gap.room_id, GapOpened())
        for invite in delta.invites:
            self.system.tell(invite.inviter, IntentsWaiting())
        for room_id in delta.left:
            self.system.tell(room_id, RoomLeft())

    async def _without_gaps(self, delta: SyncDelta, since: str) -> list[tuple[RoomDelta, bool]]:
        """Every room whole, or its gap left open. A stalled room uses up the time of all."""
        deadline = anyio.current_time() + GAP_WITHIN_S
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
        if room.room_id in self.gaps and (room.messages or room.gap_from):
            return self._left_open(room, since, upto), False
        if room.gap_from is None:
            return room, False
        self.system.meter.beat()
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                gap = await fetch_gap(self.homeserver, room.room_id, room.gap_from, stop_at=since)
        except (HomeserverUnavailable, RateLimited, TimeoutError) as error:
            _log.warning("gap_left_open", room_id=room.room_id, reason=str(error) or "no answer")
            return self._left_open(room, since, upto), False
        messages = (*gap.messages, *room.messages)
        return replace(room, messages=messages, gap_from=None), gap.rejoined

    def _left_open(self, room: RoomDelta, since: str, upto: str) -> RoomDelta:
        known = self.gaps.get(room.room_id)
        gap = OpenGap(room.room_id, known.since if known else since, upto)
        self.gaps[room.room_id] = gap
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
    return (*goodbye(invite.room_id), PutIntent(intent))
