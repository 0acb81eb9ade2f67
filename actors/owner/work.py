"""What everything has in common that is done for one owner."""

from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from actors.chats import ChatManager
from actors.messages import IntentCarriedOut
from actors.model import (
    ChatContext,
    Intent,
    IntentKind,
    IntentStep,
    OutboundMessage,
    RoomId,
    RoomMeta,
    UserId,
    UserMeta,
)
from actors.ports import HomeserverRefused
from actors.reading import read_if_joined
from actors.rows import from_row, room_key, user_key
from actors.services import ActorContext
from actors.writes import PutIntent, QueueMessage, Write

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwnerWork:
    """Looks up what there is for an owner, brings intents to their end, and says so."""

    owner: UserId
    context: ActorContext

    async def _present(self) -> tuple[bool, list[ChatContext]]:
        """Whether we are in the owner's Space, and in which open chats of it we are."""
        user, joined = await self._user(), await self.context.homeserver.joined_rooms()
        if user is None or user.space_id not in joined:
            return False, []
        chats = []
        for chat in await self._chats():
            room = from_row(await self.context.store.row(room_key(chat.surface_ref)), RoomMeta)
            ours = room is not None and room.space_id == user.space_id
            if ours and not chat.is_archived and chat.surface_ref in joined:
                chats.append(chat)
        return True, chats

    def _promise(self, kind: IntentKind, reply_room: RoomId | None) -> PutIntent:
        nonce = self.context.ids.nonce()
        return PutIntent(Intent(nonce, self.owner, kind, IntentStep.WANTED, reply_room=reply_room))

    async def _invite(self, room_id: RoomId) -> None:
        """An owner who can't be invited (banned, say) must not hold up everything else."""
        seen = await read_if_joined(self.context.homeserver, room_id)
        if seen is not None and self.owner in seen.others:
            return
        turned_away = self.context.turned_away.setdefault(self.owner, set())
        if room_id in turned_away:
            return
        try:
            await self.context.homeserver.invite(room_id, self.owner)
        except HomeserverRefused as refusal:
            turned_away.add(room_id)
            _log.warning("invite_refused", room_id=room_id, owner=self.owner, reason=str(refusal))

    async def _say_queued(self, intent: Intent, body: str) -> None:
        """Remember the intent as it is now; tell the owner, unless they were told before.

        What else was asked for in the same room waits as well, and is not told of again.
        """
        messages = [] if intent.told_queued else self._tell(intent, "queued", body)
        others = [
            PutIntent(replace(other, told_queued=True))
            for other in await self.context.store.open_intents(self.owner)
            if other.reply_room == intent.reply_room and other.nonce != intent.nonce
        ]
        told = PutIntent(replace(intent, told_queued=True))
        await self._commit([told, *(others if messages else ()), *messages], intent)

    async def _give_up(self, intent: Intent, body: str) -> None:
        await self._done(intent, *self._tell(intent, "done", body))

    @staticmethod
    def _tell(intent: Intent, occasion: str, body: str) -> list[Write]:
        if intent.reply_room is None:
            return []
        txn_id = f"{intent.nonce}.{occasion}"
        return [QueueMessage(OutboundMessage(txn_id, intent.reply_room, body, notice=True))]

    async def _done(self, intent: Intent, *writes: Write) -> None:
        done = replace(intent, step=IntentStep.DONE)
        self.context.turned_away.pop(self.owner, None)
        await self._commit([PutIntent(done), *writes], intent)
        self.context.system.report(IntentCarriedOut(done))

    async def _commit(self, writes: list[Write], intent: Intent) -> None:
        await self.context.store.commit(writes)
        if intent.reply_room is not None:
            self.context.deliver(intent.reply_room)

    async def _chats(self) -> list[ChatContext]:
        return await ChatManager(self.context.store).list_all(self.owner)

    async def _user(self) -> UserMeta | None:
        return from_row(await self.context.store.row(user_key(self.owner)), UserMeta)


T = TypeVar("T")


def given(value: T | None) -> T:
    """What an earlier step of an intent has put there."""
    if value is None:
        raise ValueError("an intent without what its step needs")
    return value
