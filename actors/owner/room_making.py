"""The requests and the rows of a new Space or chat."""

from dataclasses import dataclass, replace

import structlog

from actors.model import (
    ChatContext,
    ChatId,
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
from actors.owner.unread import UnreadRooms
from actors.owner.work import OwnerWork, required
from actors.port_errors import HomeserverRefused, HomeserverUnavailable
from actors.ports import NewRoom
from actors.reading import read_if_joined, read_rooms
from actors.rows import PLATFORM_NAME, chat_key, room_key, to_row, user_key
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_id_of, chat_number, next_index, order_of
from actors.writes import PutIntent, PutRow, Write

_log = structlog.get_logger()


def adopted(intent: Intent, room_id: RoomId) -> Intent:
    """The intent with the room that it created."""
    return replace(intent, step=IntentStep.CREATED, room_id=room_id)


@dataclass(frozen=True, slots=True)
class RoomMaking:
    """Requests and rows for one owner. Every step but `create_room` may be repeated."""

    work: OwnerWork

    async def create_room(self, new_room: NewRoom) -> RoomId:
        """Create the room; after HomeserverUnavailable it may exist. Raises the port's errors."""
        async with self.work.services.homeserver_slots:
            return await self.work.services.homeserver.create_room(new_room)

    async def first_chat_reserved(self) -> list[PutIntent]:
        """The write that reserves the id of the first chat, which is created after the Space."""
        for intent in await self.work.services.store.open_intents(self.work.owner):
            if intent.kind is IntentKind.FIRST_CHAT:
                numbered = await self.with_chat_id(intent)
                return [] if numbered is None else [PutIntent(numbered)]
        return []

    async def with_chat_id(self, intent: Intent) -> Intent | None:
        """The intent with the next chat id, unless it has one; None if the ids are used up."""
        if intent.chat_id is not None:
            return intent
        index = await self.next_index()
        if index > MAX_CHAT_NUMBER:
            return None
        chat_id = chat_id_of(index)
        platform_chat_id = self.work.services.ids.platform_chat_id(self.work.owner, chat_id)
        return replace(intent, chat_id=chat_id, platform_chat_id=platform_chat_id)

    async def read_chats(self) -> None:
        """Find out which intents made the owner's chats that were not read since the start.

        A start reads only the rooms that have changed. Raises HomeserverUnavailable.
        """
        services = self.work.services
        creations = services.registry.creations
        rooms = [chat.surface_ref for chat in await self.work.chats()]
        unread = [room_id for room_id in rooms if not creations.was_read(room_id)]
        seen = await read_rooms(unread, services.homeserver, services.homeserver_slots)
        for room_id in unread:
            marker = seen[room_id].marker if room_id in seen else None
            creations.note_read(room_id, marker.intent if marker else None)

    async def find(self, nonce: Nonce) -> RoomId | None:
        """The joined room with the nonce in its marker. Rooms with a row are not searched.

        Raises HomeserverUnavailable if a room can't be read that may be the owner's.
        """
        homeserver, store = self.work.services.homeserver, self.work.services.store
        failure: HomeserverUnavailable | None = None
        for room_id in sorted(await homeserver.joined_rooms()):
            if await store.row(room_key(room_id)) is not None:
                continue
            try:
                seen = await read_if_joined(homeserver, room_id)
            except HomeserverUnavailable as error:
                failure = error if await UnreadRooms(self.work).may_be_owners(room_id) else failure
                continue
            if seen and seen.marker and seen.marker.intent == nonce:
                return room_id
        if failure is not None:
            raise failure
        return None

    async def new_room(self, intent: Intent) -> NewRoom:
        """The room to create. A chat's number is announced first."""
        texts = await self.work.texts()
        if intent.kind is IntentKind.SPACE:
            mark = await self.next_index()
            return NewRoom(
                Marker(RoomKind.SPACE, self.work.owner, next_chat_index=mark, intent=intent.nonce),
                await self.space_name(intent),
                texts.space_topic,
                await self.work.services.appearance.avatar_of(RoomKind.SPACE),
            )
        space_id = await self.space_id()
        await self.announce(space_id, 1 + (chat_number(intent.chat_id or "") or 0))
        return NewRoom(
            Marker(
                RoomKind.CHAT,
                self.work.owner,
                chat_id=intent.chat_id,
                space_id=space_id,
                platform_chat_id=intent.platform_chat_id,
                intent=intent.nonce,
            ),
            await self.chat_name(intent),
            texts.chat_topic.format(chat_id=intent.chat_id),
            await self.work.services.appearance.avatar_of(RoomKind.CHAT),
        )

    async def next_index(self) -> int:
        """The next index, above all numbers of the owner's chats and open intents."""
        user, chats = await self.work.user(), await self.work.chats()
        intents = await self.work.services.store.open_intents(self.work.owner)
        used = {chat.chat_id for chat in chats}
        used |= {intent.chat_id for intent in intents if intent.chat_id}
        taken = self.work.services.registry.creations.first_free(self.work.owner)
        return next_index(used, max(taken, user.next_chat_index if user else 1))

    async def announce(self, space_id: RoomId, index: int) -> None:
        """Say that the numbers below `index` are taken: in the Space's marker, then in the row.

        Only an announced number is taken, and only this method announces one. So the row never
        has to fall when a creation is given up.
        """
        await self.raise_high_water(space_id, index)
        user = required(await self.work.user())
        if user.next_chat_index < index:
            row = to_row(replace(user, next_chat_index=index))
            await self.work.services.store.commit([PutRow(user_key(self.work.owner), row)])

    async def raise_high_water(self, space_id: RoomId, index: int) -> None:
        """Raise the high-water mark in the Space's marker to `index`, if it is lower."""
        homeserver = self.work.services.homeserver
        space = await homeserver.read_room(space_id)
        if space.marker_fault is not None:
            raise HomeserverUnavailable(f"the Space's marker can't be read: {space.marker_fault}")
        marker = space.marker or Marker(RoomKind.SPACE, self.work.owner)
        if (marker.next_chat_index or 1) < index:
            await homeserver.write_marker(space_id, replace(marker, next_chat_index=index))

    async def record(self, intent: Intent, room_id: RoomId) -> None:
        """Write the rows of a created room, together with the intent, in one transaction."""
        created = adopted(intent, room_id)
        writes: list[Write] = [PutIntent(created)]
        if intent.kind is IntentKind.SPACE:
            name = await self.space_name(intent)
            room = RoomMeta(RoomKind.SPACE, None, name, self.work.owner, room_id, None)
            user = UserMeta(room_id, await self.next_index())
            writes.append(PutRow(user_key(self.work.owner), to_row(user)))
        else:
            space_id, chat_id = await self.space_id(), required(intent.chat_id)
            name = await self.chat_name(intent)
            room = RoomMeta(
                RoomKind.CHAT, chat_id, name, self.work.owner, space_id, intent.platform_chat_id
            )
            chat = ChatContext(self.work.owner, chat_id, PLATFORM_NAME, room_id, name)
            writes.append(PutRow(chat_key(self.work.owner, chat_id), to_row(chat)))
        writes.append(PutRow(room_key(room_id), to_row(room)))
        self.work.services.registry.creations.note_unfinished(room_id)
        await self.work.services.store.commit(writes)

    async def link(self, space_id: RoomId, room_id: RoomId, chat_id: ChatId | None) -> None:
        """List a chat in a Space, unless it is listed: homeservers limit writes, not reads.

        In a Space with links that say no place, which clients show last, the new one says none.
        """
        space = await read_if_joined(self.work.services.homeserver, space_id)
        if space is not None and room_id in space.children:
            return
        order = "" if space is not None and not space.is_ordered else order_of(chat_id)
        try:
            await self.work.services.homeserver.link(space_id, room_id, order)
        except HomeserverRefused as refusal:
            _log.warning(
                "link_refused", room_id=room_id, owner=self.work.owner, reason=str(refusal)
            )

    async def chat_name(self, intent: Intent) -> str:
        """The name that was asked for, or the default name of the chat's number."""
        if intent.chat_id is None:
            return ""
        number = chat_number(intent.chat_id)
        return intent.name or (await self.work.texts()).chat_name.format(number=number)

    async def space_name(self, intent: Intent) -> str:
        """The default name of the owner's Space, with the owner's name where the owner asked."""
        name = await self.work.services.name_of(self.work.owner, intent.reply_room)
        return (await self.work.texts()).space_name.format(owner=name)

    async def space_id(self) -> RoomId:
        """The owner's Space. Raises ValueError where there is none."""
        return required(await self.work.user()).space_id
