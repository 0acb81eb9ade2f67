"""Carrying out what was promised to an owner: their Space, their chats.

`POST /createRoom` is not idempotent, and a timeout says nothing. So an intent is written first, the
room carries the intent's nonce in its marker, and after an unclear answer the joined rooms are
searched for the nonce before anything is created again.
"""

from dataclasses import dataclass, replace
from typing import assert_never

import structlog

from actors.messages import IntentsWaiting, owner_address
from actors.model import (
    ChatContext,
    Intent,
    IntentKind,
    IntentStep,
    Marker,
    Nonce,
    RoomId,
    RoomKind,
    RoomMeta,
    UserMeta,
)
from actors.owner.onboarding import Onboarding
from actors.owner.preconditions import Preconditions
from actors.owner.work import OwnerWork, required
from actors.ports import HomeserverRefused, HomeserverUnavailable, NewRoom, RateLimited
from actors.reading import read_if_joined
from actors.rows import PLATFORM_NAME, chat_key, from_row, room_key, to_row, user_key
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_id_of, chat_number, next_index
from actors.writes import PutIntent, PutRow, Write

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Creation:
    """Works for one owner; only their user actor uses it, so one step is taken at a time."""

    work: OwnerWork

    async def carry_out(self) -> None:
        """Take every open intent as far as it goes, oldest first; stop at one that must wait.

        What rooms say meanwhile is settled first: it may be the very room that was to be made.
        """
        services, gate = self.work.services, self.work.services.gate
        while gate.live and gate.creating:
            if services.system.has_mail_for(owner_address(self.work.owner)):
                services.tell_owner(self.work.owner, IntentsWaiting())
                return
            intents = await self.work.services.store.open_intents(self.work.owner)
            if not intents or not await self._advance(min(intents, key=_priority)):
                return

    @staticmethod
    def adopted(intent: Intent, room_id: RoomId) -> Intent:
        """The intent, knowing the room that it made."""
        return replace(intent, step=IntentStep.CREATED, room_id=room_id)

    async def _advance(self, intent: Intent) -> bool:
        """One step. False: it has to wait, and a later message takes it up again."""
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

    # ------------------------------------------------------------ making a room

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
        return await Preconditions(self.work).must_wait(intent)

    async def _begin(self, intent: Intent) -> bool:
        """Reserve what the room needs, unless the room is there already. False: it has to wait."""
        if await self._must_wait(intent):
            return False
        if not await self._made_before(intent) and not await self._found_meanwhile(intent):
            await self._reserve(intent)
        return True

    async def _found_meanwhile(self, intent: Intent) -> bool:
        """Whether what was promised is there after all, in a room that could not be read before."""
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
        """Whether a room says that it came of this intent, which an older database forgot."""
        room_id = self.work.services.registry.creations.made(intent.nonce)
        if room_id is None:
            return False
        room = from_row(await self.work.services.store.row(room_key(room_id)), RoomMeta)
        if room is None:
            return False
        _log.info("room_adopted", room_id=room_id, owner=self.work.owner, nonce=intent.nonce)
        adopted = replace(self.adopted(intent, room_id), chat_id=room.chat_id)
        await self.work.services.store.commit([PutIntent(adopted)])
        return True

    async def _reserve(self, intent: Intent) -> None:
        """Take the next chat id, here, before the server hears of it."""
        creating = replace(intent, step=IntentStep.CREATING)
        if intent.kind is IntentKind.SPACE:
            await self.work.services.store.commit([PutIntent(creating)])
            return
        user = await self.work.user()
        if user is None:
            await self._without_space(intent)
            return
        index = await self._next_index()
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
        """The owner's Space is gone meanwhile: a first chat comes with the next one."""
        if intent.kind is IntentKind.CHAT:
            await self.work.give_up(intent, self.work.services.texts.no_space)
            return
        _log.warning("space_gone_meanwhile", owner=self.work.owner, nonce=intent.nonce)
        await self.work.finish(intent, self.work.promise(IntentKind.ONBOARD, intent.reply_room))

    async def _create(self, intent: Intent) -> bool:
        services, now = self.work.services, self.work.services.wall_clock()
        if intent.started_at is not None:
            found = await self._find(intent.nonce)
            if found is not None:
                _log.info("room_adopted", room_id=found, owner=self.work.owner, nonce=intent.nonce)
                await self._rows(intent, found)
                return True
            unclear_for_s = services.bounds.unclear_for_s
            wait_s = min(intent.started_at + unclear_for_s - now, unclear_for_s)
            if wait_s > 0:
                services.tell_owner_later(wait_s, self.work.owner, IntentsWaiting())
                return False
        if await self._found_meanwhile(intent):
            return True
        try:
            new_room = await self._new_room(intent)
            intent = replace(intent, started_at=now)
            await services.store.commit([PutIntent(intent)])
            room_id = await self._create_room(new_room, intent.nonce)
        except RateLimited as limit:
            await self._queue(replace(intent, started_at=None), limit.retry_after_s)
            return False
        except HomeserverUnavailable as error:
            if intent.started_at is None:  # nothing has been created yet: no need to wait
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
        await self._rows(intent, room_id)
        return True

    async def _refused(self, intent: Intent, reason: str) -> None:
        """Nothing comes of it. A number that not even the Space has heard of is free again."""
        texts = self.work.services.texts
        if intent.started_at is not None:
            await self.work.give_up(intent, texts.creation_refused.format(reason=reason))
            return
        user = required(await self.work.user())
        if user.next_chat_index - 1 == chat_number(required(intent.chat_id)):
            user = replace(user, next_chat_index=user.next_chat_index - 1)
        body = texts.number_refused.format(reason=reason)
        await self.work.finish(
            intent,
            PutRow(user_key(self.work.owner), to_row(user)),
            *self.work.notice(intent, "done", body),
        )

    async def _create_room(self, new_room: NewRoom, nonce: Nonce) -> RoomId:
        async with self.work.services.homeserver_slots:
            with self.work.services.registry.creations.under_way(nonce):
                return await self.work.services.homeserver.create_room(new_room)

    async def _find(self, nonce: Nonce) -> RoomId | None:
        """The joined room whose marker carries the nonce. Rooms with a row carry another one."""
        homeserver, store = self.work.services.homeserver, self.work.services.store
        for room_id in sorted(await homeserver.joined_rooms()):
            if await store.row(room_key(room_id)) is not None:
                continue
            seen = await read_if_joined(homeserver, room_id)
            if seen and seen.marker and seen.marker.intent == nonce:
                return room_id
        return None

    async def _new_room(self, intent: Intent) -> NewRoom:
        texts = self.work.services.texts
        if intent.kind is IntentKind.SPACE:
            mark = await self._next_index()
            return NewRoom(
                Marker(RoomKind.SPACE, self.work.owner, next_chat_index=mark, intent=intent.nonce),
                self._space_name(),
                texts.space_topic,
            )
        space_id = await self._space_id()
        await self._raise_high_water(space_id, 1 + (chat_number(intent.chat_id or "") or 0))
        return NewRoom(
            Marker(
                RoomKind.CHAT,
                self.work.owner,
                chat_id=intent.chat_id,
                space_id=space_id,
                platform_chat_id=intent.platform_chat_id,
                intent=intent.nonce,
            ),
            self._chat_name(intent),
        )

    async def _next_index(self) -> int:
        """Above every number that the owner's rooms use, with a Space or without."""
        user, chats = await self.work.user(), await self.work.chats()
        floor = (
            user.next_chat_index
            if user
            else self.work.services.registry.creations.first_free(self.work.owner)
        )
        return next_index((chat.chat_id for chat in chats), floor)

    async def _raise_high_water(self, space_id: RoomId, index: int) -> None:
        """Before a number is used, the Space's marker says that it is taken."""
        homeserver = self.work.services.homeserver
        space = await homeserver.read_room(space_id)
        if space.marker_fault is not None:
            raise HomeserverUnavailable(f"the Space's marker can't be read: {space.marker_fault}")
        marker = space.marker or Marker(RoomKind.SPACE, self.work.owner)
        if (marker.next_chat_index or 1) < index:
            await homeserver.write_marker(space_id, replace(marker, next_chat_index=index))

    async def _rows(self, intent: Intent, room_id: RoomId) -> None:
        """The room exists: write its rows and the intent in one transaction."""
        created = self.adopted(intent, room_id)
        writes: list[Write] = [PutIntent(created)]
        if intent.kind is IntentKind.SPACE:
            name = self._space_name()
            room = RoomMeta(RoomKind.SPACE, None, name, self.work.owner, room_id, None)
            user = UserMeta(room_id, await self._next_index())
            writes.append(PutRow(user_key(self.work.owner), to_row(user)))
        else:
            space_id, chat_id = await self._space_id(), required(intent.chat_id)
            name = self._chat_name(intent)
            room = RoomMeta(
                RoomKind.CHAT, chat_id, name, self.work.owner, space_id, intent.platform_chat_id
            )
            chat = ChatContext(self.work.owner, chat_id, PLATFORM_NAME, room_id, name)
            writes.append(PutRow(chat_key(self.work.owner, chat_id), to_row(chat)))
        writes.append(PutRow(room_key(room_id), to_row(room)))
        await self.work.services.store.commit(writes)

    async def _finish(self, intent: Intent) -> None:
        """Link, invite, and say so. Each may be repeated; what is done is not done again."""
        room_id = required(intent.room_id)
        if intent.kind is IntentKind.SPACE:
            await self.work.invite(room_id)
            await self.work.finish(intent)
            return
        await self._link(await self._space_id(), room_id)
        await self.work.invite(room_id)
        texts = self.work.services.texts
        text = texts.welcome if intent.kind is IntentKind.FIRST_CHAT else texts.chat_created
        if intent.reply_room is None:  # promised in a Space, where nobody reads what is said
            intent, text = replace(intent, reply_room=room_id), texts.welcome_here
        body = text.format(
            name=self._chat_name(intent),
            chat_id=intent.chat_id or "",
            link=self.work.services.link_to(room_id),
        )
        await self.work.finish(intent, *self.work.notice(intent, "done", body))

    # ------------------------------------------------------------ what they share

    async def _link(self, space_id: RoomId, room_id: RoomId) -> None:
        """Every write counts where the homeserver limits them, and reading costs nothing."""
        space = await read_if_joined(self.work.services.homeserver, space_id)
        if space is not None and room_id in space.children:
            return
        try:
            await self.work.services.homeserver.link(space_id, room_id)
        except HomeserverRefused as refusal:
            _log.warning(
                "link_refused", room_id=room_id, owner=self.work.owner, reason=str(refusal)
            )

    async def _queue(self, intent: Intent, wait_s: float) -> None:
        """The server wants us to wait: tell the owner once, and come back."""
        if not intent.told_queued:
            _log.info("creation_queued", owner=self.work.owner, nonce=intent.nonce, wait_s=wait_s)
        await self.work.say_queued(intent, self.work.services.texts.creation_queued)
        self.work.services.tell_owner_later(wait_s, self.work.owner, IntentsWaiting())

    def _chat_name(self, intent: Intent) -> str:
        if intent.chat_id is None:
            return ""
        number = chat_number(intent.chat_id)
        return intent.name or self.work.services.texts.chat_name.format(number=number)

    def _space_name(self) -> str:
        localpart = self.work.owner[1:].partition(":")[0]
        return self.work.services.texts.space_name.format(owner=localpart)

    async def _space_id(self) -> RoomId:
        return required(await self.work.user()).space_id


def _priority(intent: Intent) -> int:
    """Whose turn comes first, among equals the oldest's.

    A Space that was promised is made before anybody looks whether there is one.
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
