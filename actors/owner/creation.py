"""Carries out an owner's intents, and creates Spaces and chats.

`POST /createRoom` is not idempotent, and a timeout does not say whether it was carried out. So the
intent is written first, and the marker of the new room carries the intent's nonce. After an unclear
answer, the joined rooms are searched for the nonce before createRoom is repeated.
"""

from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from actors.messages import IntentsWaiting, RoomChanged, owner_address
from actors.model import Intent, IntentKind, IntentStep, RoomMeta
from actors.owner.onboarding import Onboarding
from actors.owner.preconditions import Preconditions
from actors.owner.room_making import RoomMaking, adopted
from actors.owner.work import OwnerWork, required
from actors.ports import HomeserverRefused, HomeserverUnavailable, RateLimited
from actors.rows import from_row, room_key, to_row, user_key
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_id_of, chat_number
from actors.writes import PutIntent, PutRow

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Creation:
    """Carries out one owner's intents. Only the owner's actor uses it: one step at a time."""

    work: OwnerWork

    @property
    def making(self) -> RoomMaking:
        """The requests and rows of a new room."""
        return RoomMaking(self.work)

    async def carry_out(self) -> None:
        """Take every open intent as far as possible in order of rank; stop when one must wait.

        Reports of rooms that come meanwhile are handled first: they may be about the very room that
        is to be created.
        """
        services, gate = self.work.services, self.work.services.gate
        while gate.live and gate.creating:
            if services.system.has_mail_for(owner_address(self.work.owner)):
                services.tell_owner(self.work.owner, IntentsWaiting())
                return
            intents = await self.work.services.store.open_intents(self.work.owner)
            if not intents or not await self._advance(min(intents, key=_rank)):
                return

    async def _advance(self, intent: Intent) -> bool:
        """Take one step. False: the intent must wait, and a later message continues it."""
        match intent.kind:
            case IntentKind.INVITED:
                await Onboarding(self.work).answer_invite(intent)
                return True
            case IntentKind.ONBOARD:
                await Onboarding(self.work).onboard(intent)
                return True
            case IntentKind.SPACE | IntentKind.FIRST_CHAT | IntentKind.CHAT:
                return await self._make(intent)
            case _:
                assert_never(intent.kind)

    # ------------------------------------------------------------ creating a room

    async def _make(self, intent: Intent) -> bool:
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
                await self._finish(intent)
            case IntentStep.DONE:
                raise ValueError(intent)
            case _:
                assert_never(intent.step)
        return True

    async def _must_wait(self, intent: Intent) -> bool:
        return await Preconditions(self.work).must_wait(intent)

    async def _begin(self, intent: Intent) -> bool:
        """Reserve a chat id, unless the room exists already. False: the intent must wait."""
        if await self._must_wait(intent):
            return False
        if not await self._made_before(intent) and not await self._found_meanwhile(intent):
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
        """
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
        """Reserve the next chat id in the store, before the homeserver is asked for anything."""
        creating = replace(intent, step=IntentStep.CREATING)
        if intent.kind is IntentKind.SPACE:
            await self.work.services.store.commit([PutIntent(creating)])
            return
        user = await self.work.user()
        if user is None:
            await self._without_space(intent)
            return
        index = await self.making.next_index()
        if index > MAX_CHAT_NUMBER:
            await self.work.give_up(intent, self.work.services.texts.no_more_chats)
            return
        chat_id = chat_id_of(index)
        creating = replace(
            creating,
            chat_id=chat_id,
            platform_chat_id=self.work.services.ids.platform_chat_id(self.work.owner, chat_id),
        )
        row = to_row(replace(user, next_chat_index=index + 1))
        await self.work.services.store.commit(
            [PutIntent(creating), PutRow(user_key(self.work.owner), row)]
        )

    async def _without_space(self, intent: Intent) -> None:
        """Give up a chat without a Space; a first chat is replaced by a new onboarding."""
        if intent.kind is IntentKind.CHAT:
            await self.work.give_up(intent, self.work.services.texts.no_space)
            return
        _log.warning("space_gone_meanwhile", owner=self.work.owner, nonce=intent.nonce)
        await self.work.finish(intent, self.work.promise(IntentKind.ONBOARD, intent.reply_room))

    async def _create(self, intent: Intent) -> bool:
        services, now = self.work.services, self.work.services.wall_clock()
        if intent.started_at is not None:
            found = await self.making.find(intent.nonce)
            if found is not None:
                _log.info("room_adopted", room_id=found, owner=self.work.owner, nonce=intent.nonce)
                await self.making.record(intent, found)
                return True
            unclear_for_s = services.bounds.unclear_for_s
            wait_s = min(intent.started_at + unclear_for_s - now, unclear_for_s)
            if wait_s > 0:
                services.tell_owner_later(wait_s, self.work.owner, IntentsWaiting())
                return False
            if await self._must_wait(intent):
                return False  # a room that can't be read or decided may have the nonce
        if await self._found_meanwhile(intent):
            return True
        try:
            new_room = await self.making.new_room(intent)
            intent = replace(intent, started_at=now)
            await services.store.commit([PutIntent(intent)])
            room_id = await self.making.create_room(new_room, intent.nonce)
        except RateLimited as limit:
            await self._queue(replace(intent, started_at=None), limit.retry_after_s)
            return False
        except HomeserverUnavailable as error:
            if intent.started_at is None:  # createRoom was not sent, so its answer is not unclear
                raise
            _log.warning(
                "create_unclear", owner=self.work.owner, nonce=intent.nonce, error=str(error)
            )
            failed = replace(intent, started_at=services.wall_clock())
            await services.store.commit([PutIntent(failed)])
            services.tell_owner_later(
                services.bounds.unclear_for_s, self.work.owner, IntentsWaiting()
            )
            return False
        except HomeserverRefused as refusal:
            _log.error(
                "create_refused", owner=self.work.owner, nonce=intent.nonce, error=str(refusal)
            )
            await self._refused(intent, refusal.message or refusal.errcode)
            return True
        _log.info("room_created", room_id=room_id, owner=self.work.owner, kind=str(intent.kind))
        await self.making.record(intent, room_id)
        return True

    async def _refused(self, intent: Intent, reason: str) -> None:
        """Give up a refused creation. A number that the Space's marker never had is free again.

        A Space that was purged shows no leave: its actor is told to look.
        """
        texts = self.work.services.texts
        if intent.started_at is not None:
            await self.work.give_up(intent, texts.creation_refused.format(reason=reason))
            return
        user = required(await self.work.user())
        if user.space_id not in await self.work.services.homeserver.joined_rooms():
            self.work.services.tell_room(user.space_id, RoomChanged())
            await self._without_space(intent)
            return
        if user.next_chat_index - 1 == chat_number(required(intent.chat_id)):
            user = replace(user, next_chat_index=user.next_chat_index - 1)
        body = texts.number_refused.format(reason=reason)
        await self.work.finish(
            intent,
            PutRow(user_key(self.work.owner), to_row(user)),
            *self.work.notice(intent, "done", body),
        )

    async def _is_there(self, intent: Intent) -> bool:
        """Whether the bot is in the room that the intent made.

        The homeserver may list a new room late. A room that is still missing after a while was
        purged: a new intent takes the place of this one.
        """
        services = self.work.services
        if intent.room_id in await services.homeserver.joined_rooms():
            return True
        age_s = services.wall_clock() - (intent.started_at or 0.0)
        if 0 <= age_s < services.bounds.unclear_for_s:
            again_s = services.bounds.unknown_again_s
            services.tell_owner_later(again_s, self.work.owner, IntentsWaiting())
            return False
        _log.warning("created_room_gone", owner=self.work.owner, room_id=intent.room_id)
        again = self.work.promise(intent.kind, intent.reply_room, intent.name)
        await self.work.finish(intent, again)
        services.tell_owner(self.work.owner, IntentsWaiting())
        return False

    async def _finish(self, intent: Intent) -> None:
        """Link the room, invite the owner and tell the owner. Each step may be repeated."""
        room_id = required(intent.room_id)
        if intent.kind is IntentKind.SPACE:
            await self.work.invite(room_id)
            await self.work.finish(intent)
            return
        await self.making.link(await self.making.space_id(), room_id)
        await self.work.invite(room_id)
        texts = self.work.services.texts
        text = texts.welcome if intent.kind is IntentKind.FIRST_CHAT else texts.chat_created
        if intent.reply_room is None:  # the owner asked in no chat: the bot tells in the new one
            intent, text = replace(intent, reply_room=room_id), texts.welcome_here
        body = text.format(
            name=self.making.chat_name(intent),
            chat_id=intent.chat_id or "",
            link=self.work.services.link_to(room_id),
        )
        await self.work.finish(intent, *self.work.notice(intent, "done", body))

    async def _queue(self, intent: Intent, wait_s: float) -> None:
        """Tell the owner once that the intent waits for the rate limit, and come back later."""
        if not intent.told_queued:
            _log.info("creation_queued", owner=self.work.owner, nonce=intent.nonce, wait_s=wait_s)
        await self.work.say_queued(intent, self.work.services.texts.creation_queued)
        self.work.services.tell_owner_later(wait_s, self.work.owner, IntentsWaiting())


def _rank(intent: Intent) -> int:
    """The rank of an intent: the lowest goes first, and among equals the oldest.

    A promised Space is created before an onboarding looks whether the owner has one.
    """
    match intent.kind:
        case IntentKind.INVITED:
            return 0
        case IntentKind.SPACE | IntentKind.FIRST_CHAT:
            return 1
        case IntentKind.ONBOARD | IntentKind.CHAT:
            return 2
        case _:
            assert_never(intent.kind)
