"""Hands a new room over to its owner: links it, invites the owner, and says what has happened."""

from dataclasses import dataclass, replace

from actors.model import Intent, IntentKind
from actors.owner.room_making import RoomMaking
from actors.owner.work import OwnerWork, required
from actors.rules.access import Access, Entrance, with_ways_in
from actors.rules.formatting import Formatted
from actors.rules.wording import called, in_lines, worded


@dataclass(frozen=True, slots=True)
class Handover:
    """Hands over the rooms of one owner. Only the owner's actor uses it."""

    work: OwnerWork

    @property
    def making(self) -> RoomMaking:
        """The requests and rows of a new room."""
        return RoomMaking(self.work)

    async def hand_over(self, intent: Intent) -> None:
        """Link the room, invite the owner and tell the owner. Each step may be repeated."""
        room_id = required(intent.room_id)
        if intent.kind is IntentKind.SPACE:
            await self.work.invite_to_space(room_id, intent)
            await self.work.finish(intent)
            return
        await self.making.link(await self.making.space_id(), room_id, intent.chat_id)
        name = called(await self.making.chat_name(intent), intent.chat_id)
        link = self.work.services.link(room_id, name)
        chat = await self.work.invite(room_id, link, intent)
        if intent.reply_room is None:  # the owner asked in no chat: the bot tells in the new one
            told = replace(intent, reply_room=room_id)
            said = worded((await self.work.texts()).welcome_here, chat=name)
        else:
            told, said = intent, await self._ready(intent, chat)
        await self.work.finish(told, *self.work.told(told, "done", said))

    async def _ready(self, intent: Intent, chat: Entrance) -> Formatted:
        """What the owner is told about a new chat: it says only what has happened."""
        texts, name = await self.work.texts(), chat.room.name
        if intent.kind is not IntentKind.FIRST_CHAT:
            if chat.outcome.access is Access.INVITED:
                return worded(texts.chat_created, chat=chat.room)
            return in_lines(with_ways_in(worded(texts.chat_made, chat=name), [chat], texts))
        space = await self.work.invite_to_space(await self.making.space_id(), intent)
        if {space.outcome.access, chat.outcome.access} == {Access.INVITED}:
            return worded(texts.welcome, space=space.room, chat=chat.room)
        return in_lines(with_ways_in(worded(texts.welcome_made), [space, chat], texts))
