"""Hands a new room over to its owner: links it, invites the owner, and says what has happened."""

from dataclasses import dataclass, replace

from actors.model import Intent, IntentKind
from actors.owner.room_making import RoomMaking
from actors.owner.work import OwnerWork, required
from actors.rules.access import Access, Entrance, with_ways_in


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
        await self.making.link(await self.making.space_id(), room_id)
        chat = await self.work.invite(room_id, self.making.chat_name(intent), intent)
        if intent.reply_room is None:  # the owner asked in no chat: the bot tells in the new one
            told = replace(intent, reply_room=room_id)
            body = self._about(intent, self.work.services.texts.welcome_here, chat)
        else:
            told, body = intent, await self._ready(intent, chat)
        await self.work.finish(told, *self.work.told(told, "done", body))

    async def _ready(self, intent: Intent, chat: Entrance) -> str:
        """What the owner is told about a new chat: it says only what has happened."""
        texts = self.work.services.texts
        if intent.kind is not IntentKind.FIRST_CHAT:
            if chat.outcome.access is Access.INVITED:
                return self._about(intent, texts.chat_created, chat)
            return with_ways_in(self._about(intent, texts.chat_made, chat), [chat], texts)
        space = await self.work.invite_to_space(await self.making.space_id(), intent)
        if {space.outcome.access, chat.outcome.access} == {Access.INVITED}:
            return self._about(intent, texts.welcome, chat)
        return with_ways_in(self._about(intent, texts.welcome_made, chat), [space, chat], texts)

    def _about(self, intent: Intent, text: str, chat: Entrance) -> str:
        return text.format(name=chat.name, chat_id=intent.chat_id or "", link=chat.link)
