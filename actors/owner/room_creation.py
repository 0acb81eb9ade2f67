"""Creates one Space or chat of an owner, step by step.

`POST /createRoom` is not idempotent, and a timeout does not say whether it was carried out. So the
intent is written first, and the marker of the new room carries the intent's nonce. After an unclear
answer, the joined rooms are searched for the nonce before createRoom is repeated.
"""

from dataclasses import dataclass, replace
from typing import assert_never

import anyio
import structlog

from actors.messages import IntentsWaiting, RoomChanged
from actors.model import Intent, IntentKind, IntentStep, RoomId, RoomMeta
from actors.owner.encrypted import EncryptedRooms
from actors.owner.handover import Handover
from actors.owner.preconditions import Preconditions
from actors.owner.room_making import RoomMaking, adopted
from actors.owner.turns import Turns
from actors.owner.work import OwnerWork, required
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedForNow,
    RefusedUnclearly,
)
from actors.ports import NewRoom
from actors.rows import from_row, room_key
from actors.rules.ages import remaining_s
from actors.rules.wording import worded
from actors.services import Services
from actors.writes import PutIntent

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RoomCreation:
    """Creates the rooms of one owner. Only the owner's actor uses it."""

    work: OwnerWork

    @property
    def making(self) -> RoomMaking:
        """The requests and rows of a new room."""
        return RoomMaking(self.work)

    @property
    def turns(self) -> Turns:
        """The owner's turn to get rooms."""
        return Turns(self.work)

    async def make(self, intent: Intent) -> bool:
        """Take one step of the creation. False: it must wait, and a later message continues it."""
        chat_is_begun = intent.kind is not IntentKind.SPACE and intent.step is not IntentStep.WANTED
        if chat_is_begun and await self.work.user() is None:
            await self._without_space(intent)
            return True
        match intent.step:
            case IntentStep.WANTED:
                return await self._begin(intent)
            case IntentStep.CREATING:
                if intent.started_at is None and await self._must_wait(intent):
                    return False
                return await self._create(intent)
            case IntentStep.CREATED:
                if not await self._is_there(intent):
                    return False
                if not await self.encrypted.gave_up(intent, required(intent.room_id)):
                    await Handover(self.work).hand_over(intent)
            case IntentStep.DONE:
                raise ValueError(intent)
            case _:
                assert_never(intent.step)
        return True

    @property
    def encrypted(self) -> EncryptedRooms:
        """What happens on a homeserver that encrypts new rooms."""
        return EncryptedRooms(self.work)

    async def _must_wait(self, intent: Intent) -> bool:
        """Whether the creation must wait; if so, others go first."""
        if not await Preconditions(self.work).must_wait(intent):
            return False
        self.turns.step_back()
        return True

    async def _begin(self, intent: Intent) -> bool:
        """Reserve a chat id, unless the room exists already. False: the intent must wait."""
        if await self._must_wait(intent):
            return False
        if await self._made_before(intent) or await self._found_meanwhile(intent):
            return True
        if await self.encrypted.must_wait(intent):
            self.turns.step_back()
            return False
        await self._reserve(intent)
        return True

    async def _found_meanwhile(self, intent: Intent) -> bool:
        """Whether the promised room exists after all; if so, the intent is finished or changed."""
        has_space, chats = await self.work.joined_space_and_chats()
        if intent.kind is IntentKind.SPACE and has_space:
            await self.work.finish(intent)
        elif intent.kind is IntentKind.FIRST_CHAT and chats:
            way_back = replace(intent, kind=IntentKind.ONBOARD)
            await self.work.services.store.commit([PutIntent(way_back)])
        else:
            return False
        return True

    async def _made_before(self, intent: Intent) -> bool:
        """Whether a room carries this intent's nonce. If so, the intent adopts the room.

        This happens after the loss of commits: the database has an older step of the intent.
        Raises HomeserverUnavailable if a chat of the owner can't be read.
        """
        await self.making.read_chats()
        room_id = self.work.services.registry.creations.made(intent.nonce)
        if room_id is None:
            return False
        room = from_row(await self.work.services.store.row(room_key(room_id)), RoomMeta)
        if room is None:
            return False
        _log.info("room_adopted", room_id=room_id, owner=self.work.owner, nonce=intent.nonce)
        known = replace(adopted(intent, room_id), chat_id=room.chat_id)
        await self.work.services.store.commit([PutIntent(known)])
        return True

    async def _reserve(self, intent: Intent) -> None:
        """Reserve the next chat id in the store, before the homeserver is asked for anything.

        A Space reserves the id of its first chat as well: the Space's marker notes it from the
        beginning, which saves a write.
        """
        creating = replace(intent, step=IntentStep.CREATING)
        if intent.kind is IntentKind.SPACE:
            await self.work.services.store.commit(
                [PutIntent(creating), *await self.making.first_chat_reserved()]
            )
            return
        if await self.work.user() is None:
            await self._without_space(intent)
            return
        numbered = await self.making.with_chat_id(creating)
        if numbered is None:
            await self.work.give_up(intent, (await self.work.texts()).no_more_chats)
            return
        await self.work.services.store.commit([PutIntent(numbered)])

    async def _without_space(self, intent: Intent) -> None:
        """Give up a chat without a Space; a first chat is replaced by a new onboarding."""
        if intent.kind is IntentKind.CHAT:
            await self.work.give_up(intent, (await self.work.texts()).no_space)
            return
        _log.warning("space_gone_meanwhile", owner=self.work.owner, nonce=intent.nonce)
        await self.work.finish(
            intent, self.work.promise(IntentKind.ONBOARD, intent.reply_room, intent)
        )

    async def _create(self, intent: Intent) -> bool:
        services = self.work.services
        until = _waits_until(intent, services)
        if intent.started_at is not None:
            found = await self.making.find(intent.nonce)
            if found is not None:
                _log.info("room_adopted", room_id=found, owner=self.work.owner, nonce=intent.nonce)
                await self._record(intent, found)
                return True
        if until is not None:
            self._come_back_at(intent, until)
            return False
        if intent.started_at is not None and await self._must_wait(intent):
            return False  # a room that can't be read or decided may have the nonce
        if await self._found_meanwhile(intent):
            return True
        if await self.encrypted.must_wait(intent):
            self.turns.step_back()
            return False
        with services.registry.creations.under_way(intent.nonce):
            made = await self._request(intent)
            if isinstance(made, bool):
                return made
            _log.info("room_created", room_id=made, owner=self.work.owner, kind=str(intent.kind))
            await self._record(replace(intent, started_at=services.wall_clock()), made)
        return True

    async def _record(self, intent: Intent, room_id: RoomId) -> None:
        """Write the rows of a created room, unless it is encrypted and given up."""
        if not await self.encrypted.gave_up(intent, room_id):
            await self.making.record(intent, room_id)

    async def _request(self, intent: Intent) -> RoomId | bool:
        """Ask the homeserver for the room: its id, or what `_advance` returns without it."""
        services = self.work.services
        try:
            new_room = await self.making.new_room(intent)
            began_at, epoch = services.wall_clock(), services.epoch
            intent = replace(intent, started_at=began_at, epoch=epoch)
            await services.store.commit([PutIntent(intent)])
            return await self._create_room(new_room, intent)
        except RateLimited as limit:
            await self._queue(replace(intent, started_at=None), limit)
            return False
        except (RefusedForNow, RefusedUnclearly) as refusal:
            await self._keep(replace(intent, started_at=None), refusal)
            raise
        except HomeserverUnavailable as error:
            if intent.started_at is None:  # createRoom was not sent, so its answer is not unclear
                raise
            _log.warning(
                "create_unclear", owner=self.work.owner, nonce=intent.nonce, error=str(error)
            )
            failed = replace(intent, started_at=services.wall_clock())
            await services.store.commit([PutIntent(failed)])
            self.turns.step_back()
            self._wait(intent, services.bounds.unclear_for_s)
            return False
        except HomeserverRefused as refusal:
            _log.error(
                "create_refused", owner=self.work.owner, nonce=intent.nonce, error=str(refusal)
            )
            await self._refused(intent, (refusal.message or refusal.errcode).rstrip("."))
            return True

    async def _keep(self, intent: Intent, refusal: RefusedForNow | RefusedUnclearly) -> None:
        """Store that nothing was created. Only a bot that may still write tells the owner."""
        self.work.services.registry.creations.go_on(intent.nonce)
        if isinstance(refusal, RefusedForNow):
            await self.work.services.store.commit([PutIntent(intent)])
            return
        _log.warning(
            "create_put_off", owner=self.work.owner, nonce=intent.nonce, error=str(refusal)
        )
        text = (await self.work.texts()).creation_put_off
        reason = (refusal.message or refusal.errcode).rstrip(".")
        await self.work.say_queued(intent, worded(text, reason=reason))

    async def _create_room(self, new_room: NewRoom, intent: Intent) -> RoomId:
        """Create the room. Without an answer, as after an interruption, the intent must wait."""
        creations = self.work.services.registry.creations
        try:
            room_id = await self.making.create_room(new_room)
        finally:
            unclear_for_s = self.work.services.bounds.unclear_for_s
            creations.wait(intent.nonce, anyio.current_time() + unclear_for_s)
        creations.go_on(intent.nonce)
        return room_id

    async def _refused(self, intent: Intent, reason: str) -> None:
        """Give up a refused creation. Its number is free again, unless it was announced.

        Without a Space there is no first chat either: it would only ask for the Space again. A
        Space that was purged shows no leave: its actor is told to look.
        """
        services, sent = self.work.services, intent.started_at is not None
        user = await self.work.user()
        if not sent and user and user.space_id not in await services.homeserver.joined_rooms():
            services.tell_room(user.space_id, RoomChanged())
            await self._without_space(intent)
            return
        texts = await self.work.texts()
        text = texts.creation_refused if sent else texts.number_refused
        given_up = [
            PutIntent(replace(other, step=IntentStep.DONE))
            for other in await services.store.open_intents(self.work.owner)
            if intent.kind is IntentKind.SPACE and other.kind is IntentKind.FIRST_CHAT
        ]
        notice = self.work.told(intent, "done", worded(text, reason=reason))
        await self.work.finish(intent, *given_up, *notice)

    async def _is_there(self, intent: Intent) -> bool:
        """Whether the bot is in the room that the intent made.

        The homeserver may list a new room late. A room that is still missing after a while was
        purged: a new intent takes the place of this one.
        """
        services = self.work.services
        until = _waits_until(intent, services)
        if intent.room_id in await services.homeserver.joined_rooms():
            return True
        if until is not None:
            self._come_back_at(intent, until)
            return False
        _log.warning("created_room_gone", owner=self.work.owner, room_id=intent.room_id)
        again = self.work.promise(intent.kind, intent.reply_room, intent, intent.name)
        await self.work.finish(intent, again)
        services.tell_owner(self.work.owner, IntentsWaiting())
        return False

    async def _queue(self, intent: Intent, limit: RateLimited) -> None:
        """Wait for the rate limit. The owner is told once, unless the wait is short."""
        services = self.work.services
        if intent.told_queued or limit.retry_after_s < services.bounds.limit_told_s:
            await services.store.commit([PutIntent(intent)])
        else:
            await self.turns.say_place(intent)
        self.turns.limited(limit)
        self._wait(intent, limit.retry_after_s)

    def _wait(self, intent: Intent, wait_s: float) -> None:
        """Let the owner's actor come back to an intent after `wait_s`, and not before."""
        services = self.work.services
        services.registry.creations.wait(intent.nonce, anyio.current_time() + wait_s)
        self.work.look_again(wait_s)

    def _come_back_at(self, intent: Intent, until: float) -> None:
        """Let others go first, and come back to an intent at a time, or now if that is over."""
        self.turns.step_back()
        self._wait(intent, max(0.0, until - anyio.current_time()))


def _waits_until(intent: Intent, services: Services) -> float | None:
    """Until when an intent must wait, in anyio's time; None if its wait is over.

    This is asked before a look at the homeserver: what is missing in a look that began earlier
    may have come meanwhile. The first look after a start believes the stored time. A request of
    another process may still be under way, and its wall clock may differ: it is waited for from
    the first look on. The wait is measured by anyio's clock, because the wall clock may be set
    meanwhile.
    """
    now, unclear_for_s = anyio.current_time(), services.bounds.unclear_for_s
    creations = services.registry.creations
    until = creations.waits_until(intent.nonce)
    if until is None and intent.started_at is not None:
        left_s = remaining_s(intent.started_at, unclear_for_s, services.wall_clock())
        until = now + (left_s if intent.epoch == services.epoch else unclear_for_s)
    if until is None:
        return None
    creations.wait(intent.nonce, until)
    return until if until > now else None
