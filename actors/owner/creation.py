"""Carries out an owner's intents, and creates Spaces and chats.

`POST /createRoom` is not idempotent, and a timeout does not say whether it was carried out. So the
intent is written first, and the marker of the new room carries the intent's nonce. After an unclear
answer, the joined rooms are searched for the nonce before createRoom is repeated.
"""

from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from actors.messages import IntentsWaiting, owner_address
from actors.model import Intent, IntentKind, IntentStep, RoomMeta
from actors.owner.onboarding import Onboarding
from actors.owner.preconditions import Preconditions
from actors.owner.room_making import RoomMaking, adopted
from actors.owner.turns import Turns
from actors.owner.work import OwnerWork, required
from actors.ports import HomeserverRefused, HomeserverUnavailable, RateLimited
from actors.rows import from_row, room_key
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_id_of
from actors.writes import PutIntent

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Creation:
    """Carries out one owner's intents. Only the owner's actor uses it: one step at a time."""

    work: OwnerWork

    @property
    def making(self) -> RoomMaking:
        """The requests and rows of a new room."""
        return RoomMaking(self.work)

    @property
    def turns(self) -> Turns:
        """The owner's turn to get rooms."""
        return Turns(self.work)

    async def carry_out(self) -> None:
        """Take every open intent as far as possible in order of rank; stop when one must wait.

        Rooms are created in the owner's turn. A short wait for the homeserver keeps the turn, and
        anything else that stops the creation ends it.
        """
        try:
            await self._carry_out()
        except RateLimited as limit:
            self.turns.limited(limit)
            raise
        except BaseException:
            self.turns.step_back()
            raise

    async def _carry_out(self) -> None:
        """Reports of rooms are handled first: they may be about the very room to create."""
        services, gate = self.work.services, self.work.services.gate
        ended: Intent | None = None
        while gate.live and gate.creating:
            intents = await services.store.open_intents(self.work.owner)
            if ended is not None and all(intent.nonce != ended.nonce for intent in intents):
                self.turns.finish_round()
            if not intents:
                self.turns.leave()
                return
            if services.system.has_mail_for(owner_address(self.work.owner)):
                self.turns.keep()
                services.tell_owner(self.work.owner, IntentsWaiting())
                return
            intent = min(intents, key=_rank)
            if _makes_room(intent) and not await self.turns.take(intent):
                return
            if not await self._advance(intent):
                return
            ended = intent if _ends_round(intent) else None
        self.turns.step_back()

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
                await self._finish(intent)
            case IntentStep.DONE:
                raise ValueError(intent)
            case _:
                assert_never(intent.step)
        return True

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
        """Reserve the next chat id in the store, before the homeserver is asked for anything.

        A Space reserves the id of its first chat as well: the Space's marker notes it from the
        beginning, which saves a write.
        """
        creating = replace(intent, step=IntentStep.CREATING)
        if intent.kind is IntentKind.SPACE:
            await self.work.services.store.commit(
                [PutIntent(creating), *await self._first_chat_reserved()]
            )
            return
        if await self.work.user() is None:
            await self._without_space(intent)
            return
        numbered = await self._with_chat_id(creating)
        if numbered is None:
            await self.work.give_up(intent, self.work.services.texts.no_more_chats)
            return
        await self.work.services.store.commit([PutIntent(numbered)])

    async def _first_chat_reserved(self) -> list[PutIntent]:
        """The write that reserves the id of the first chat, which is created after the Space."""
        for intent in await self.work.services.store.open_intents(self.work.owner):
            if intent.kind is IntentKind.FIRST_CHAT:
                numbered = await self._with_chat_id(intent)
                return [] if numbered is None else [PutIntent(numbered)]
        return []

    async def _with_chat_id(self, intent: Intent) -> Intent | None:
        """The intent with the next chat id, unless it has one; None if the ids are used up."""
        if intent.chat_id is not None:
            return intent
        index = await self.making.next_index()
        if index > MAX_CHAT_NUMBER:
            return None
        chat_id = chat_id_of(index)
        platform_chat_id = self.work.services.ids.platform_chat_id(self.work.owner, chat_id)
        return replace(intent, chat_id=chat_id, platform_chat_id=platform_chat_id)

    async def _without_space(self, intent: Intent) -> None:
        """Give up a chat without a Space; a first chat is replaced by a new onboarding."""
        if intent.kind is IntentKind.CHAT:
            await self.work.give_up(intent, self.work.services.texts.no_space)
            return
        _log.warning("space_gone_meanwhile", owner=self.work.owner, nonce=intent.nonce)
        await self.work.finish(
            intent, self.work.promise(IntentKind.ONBOARD, intent.reply_room, intent)
        )

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
                self._come_back(wait_s)
                return False
        if await self._found_meanwhile(intent):
            return True
        try:
            new_room = await self.making.new_room(intent)
            intent = replace(intent, started_at=now)
            await services.store.commit([PutIntent(intent)])
            room_id = await self.making.create_room(new_room, intent.nonce)
        except RateLimited as limit:
            await self._queue(replace(intent, started_at=None), limit)
            return False
        except HomeserverUnavailable as error:
            if intent.started_at is None:  # createRoom was not sent, so its answer is not unclear
                raise
            _log.warning(
                "create_unclear", owner=self.work.owner, nonce=intent.nonce, error=str(error)
            )
            failed = replace(intent, started_at=services.wall_clock())
            await services.store.commit([PutIntent(failed)])
            self._come_back(services.bounds.unclear_for_s)
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
        """Give up a refused creation. Its number is free again, unless it was announced.

        Without a Space there is no first chat either: it would only ask for the Space again.
        """
        texts = self.work.services.texts
        sent = intent.started_at is not None
        text = texts.creation_refused if sent else texts.number_refused
        given_up = [
            PutIntent(replace(other, step=IntentStep.DONE))
            for other in await self.work.services.store.open_intents(self.work.owner)
            if intent.kind is IntentKind.SPACE and other.kind is IntentKind.FIRST_CHAT
        ]
        notice = self.work.notice(intent, "done", text.format(reason=reason))
        await self.work.finish(intent, *given_up, *notice)

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

    def _come_back(self, wait_s: float) -> None:
        """Let others go first, and look again after a wait."""
        self.turns.step_back()
        self.work.look_again(wait_s)

    async def _queue(self, intent: Intent, limit: RateLimited) -> None:
        """Wait for the rate limit. The owner is told once, unless the wait is short."""
        services = self.work.services
        if intent.told_queued or limit.retry_after_s < services.bounds.limit_told_s:
            await services.store.commit([PutIntent(intent)])
        else:
            await self.turns.say_place(intent)
        self.turns.limited(limit)
        self.work.look_again(limit.retry_after_s)


def _makes_room(intent: Intent) -> bool:
    return intent.kind not in {IntentKind.INVITED, IntentKind.ONBOARD}


def _ends_round(intent: Intent) -> bool:
    """Whether the end of this intent ends the owner's turn. A first chat belongs to its Space."""
    return intent.kind in {IntentKind.FIRST_CHAT, IntentKind.CHAT}


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
