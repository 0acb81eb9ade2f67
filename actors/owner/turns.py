"""One owner's turn to get rooms: taking it, keeping it, giving it up, and saying who waits."""

from dataclasses import dataclass

import anyio
import structlog

from actors.creation_queue import CreationQueue
from actors.messages import IntentsWaiting
from actors.model import Intent
from actors.owner.work import OwnerWork
from actors.port_errors import RateLimited
from actors.rules.wording import worded

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Turns:
    """The queue, as one owner's actor uses it. Once the turn is free, the next owner is told."""

    work: OwnerWork

    @property
    def queue(self) -> CreationQueue:
        """The queue of all owners."""
        return self.work.services.registry.queue

    async def take(self, intent: Intent) -> bool:
        """Whether it is the owner's turn. If not, the owner's actor is told to look again."""
        bounds, now = self.work.services.bounds, anyio.current_time()
        self.queue.enter(self.work.owner, intent.asked_at or 0.0, now)
        if self.queue.takes_turn(self.work.owner, now, grace_s=bounds.turn_grace_s):
            return True
        await self._tell_place(intent)
        self.work.look_again(self.queue.limited_for_s(self.work.owner, now) or bounds.turn_again_s)
        return False

    def limited(self, limit: RateLimited) -> None:
        """Keep the turn during a short wait for the homeserver; give it up for a long one."""
        bounds, now = self.work.services.bounds, anyio.current_time()
        if limit.retry_after_s > bounds.turn_s:
            self.queue.step_back(self.work.owner, now, until=now + limit.retry_after_s)
            self._call_next()
            return
        self.queue.pause(self.work.owner, now, limit.retry_after_s, grace_s=bounds.turn_grace_s)

    def keep(self) -> None:
        """Keep the turn while the owner's actor handles other messages."""
        grace_s = self.work.services.bounds.turn_grace_s
        self.queue.rest(self.work.owner, anyio.current_time(), grace_s)

    def rest(self) -> None:
        """Keep the turn for as long as an owner may keep it without a sign of life."""
        self.queue.rest(self.work.owner, anyio.current_time(), self.work.services.bounds.turn_s)

    def step_back(self) -> None:
        """Let others go first, until this owner comes again."""
        self.queue.step_back(self.work.owner, anyio.current_time())
        self._call_next()

    def finish_round(self) -> None:
        """Let others go first, because this owner has got what it wanted most."""
        self.queue.finish_round(self.work.owner, anyio.current_time())
        self._call_next()

    def leave(self) -> None:
        """Leave the queue: the owner wants nothing more."""
        self.queue.leave(self.work.owner, anyio.current_time())
        self._call_next()

    def _call_next(self) -> None:
        owner = self.queue.next_owner(anyio.current_time())
        if owner is not None and owner != self.work.owner:
            self.work.services.tell_owner(owner, IntentsWaiting())

    async def _tell_place(self, intent: Intent) -> None:
        """Tell the owner the place in the queue, if it is time for that."""
        owner, queue, bounds = self.work.owner, self.queue, self.work.services.bounds
        if intent.reply_room is None or intent.told_queued:
            queue.note_told(owner, anyio.current_time())
        number = queue.place_to_tell(
            owner,
            anyio.current_time(),
            after_s=bounds.place_after_s,
            every_s=bounds.place_every_s,
            again_s=bounds.place_again_s,
        )
        if number is not None and intent.reply_room is not None:
            await self.say_place(intent, number)

    async def say_place(self, intent: Intent, number: int | None = None) -> None:
        """Say in the room where the owner asked that rooms are limited, and the owner's place."""
        owner, queue = self.work.owner, self.queue
        number = number or queue.place_of(owner)
        if not intent.told_queued:
            _log.info("creation_queued", owner=owner, nonce=intent.nonce, place=number)
        queue.note_told(owner, anyio.current_time(), number)
        said = worded((await self.work.texts()).creation_queued, place=number)
        occasion = f"queued.{number}" if intent.told_queued else "queued"
        await self.work.say_queued(intent, said, occasion)
