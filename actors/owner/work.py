"""What all work on one owner's intents shares."""

from dataclasses import dataclass, replace
from typing import TypeVar

import anyio
import structlog

from actors.chats import ChatManager
from actors.messages import IntentsWaiting
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
from actors.services import Services
from actors.writes import PutIntent, QueueMessage, Write

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwnerWork:
    """Looks up rows, invites the owner, and finishes intents. All parts of a user actor use it."""

    owner: UserId
    services: Services

    async def joined_space_and_chats(self) -> tuple[bool, list[ChatContext]]:
        """Whether the bot is in the owner's Space, and its active chats that the bot is in."""
        user, joined = await self.user(), await self.services.homeserver.joined_rooms()
        if user is None or user.space_id not in joined:
            return False, []
        chats = []
        for chat in await self.chats():
            room = from_row(await self.services.store.row(room_key(chat.surface_ref)), RoomMeta)
            ours = room is not None and room.space_id == user.space_id
            if ours and not chat.is_archived and chat.surface_ref in joined:
                chats.append(chat)
        return True, chats

    def promise(self, kind: IntentKind, reply_room: RoomId | None, because_of: Intent) -> PutIntent:
        """The write of an intent that follows from another one; the owner is told in `reply_room`.

        It takes the other one's place in the queue.
        """
        nonce = self.services.ids.nonce()
        return PutIntent(
            Intent(
                nonce,
                self.owner,
                kind,
                IntentStep.WANTED,
                reply_room=reply_room,
                told_queued=because_of.told_queued,
                asked_at=because_of.asked_at,
            )
        )

    def look_again(self, delay_s: float) -> None:
        """Tell the owner's actor to look at the intents after a delay, unless it is told anyway."""
        if self.services.registry.queue.looks_again(self.owner, anyio.current_time(), delay_s):
            self.services.tell_owner_later(delay_s, self.owner, IntentsWaiting())

    async def invite(self, room_id: RoomId) -> None:
        """Invite the owner to a room. A refusal, after a ban for example, is only logged."""
        seen = await read_if_joined(self.services.homeserver, room_id)
        if seen is not None and self.owner in seen.others:
            return
        refused = self.services.registry.refused_invites
        if (self.owner, room_id) in refused:
            return
        try:
            await self.services.homeserver.invite(room_id, self.owner)
        except HomeserverRefused as refusal:
            refused.note(self.owner, room_id)
            _log.warning("invite_refused", room_id=room_id, owner=self.owner, reason=str(refusal))

    async def say_queued(self, intent: Intent, body: str, occasion: str = "queued") -> None:
        """Store the intent, and tell the owner that it waits, unless the owner knows.

        Each occasion is told once. Other intents from the same room wait as well; the owner is not
        told about those again.
        """
        is_known = intent.told_queued and occasion == "queued"
        messages = [] if is_known else self.notice(intent, occasion, body)
        others = [
            PutIntent(replace(other, told_queued=True))
            for other in await self.services.store.open_intents(self.owner)
            if other.reply_room == intent.reply_room and other.nonce != intent.nonce
        ]
        told = PutIntent(replace(intent, told_queued=True))
        await self.commit([told, *(others if messages else ()), *messages], intent)

    async def give_up(self, intent: Intent, body: str) -> None:
        """Finish an intent that can't be carried out, and tell the owner why."""
        await self.finish(intent, *self.notice(intent, "done", body))

    @staticmethod
    def notice(intent: Intent, occasion: str, body: str) -> list[Write]:
        """The write of a notice to the intent's reply room, at most one for each occasion."""
        if intent.reply_room is None:
            return []
        txn_id = f"{intent.nonce}.{occasion}"
        return [QueueMessage(OutboundMessage(txn_id, intent.reply_room, body, notice=True))]

    async def finish(self, intent: Intent, *writes: Write) -> None:
        """Finish an intent, together with other writes in one transaction."""
        done = replace(intent, step=IntentStep.DONE)
        self.services.registry.refused_invites.forget(self.owner)
        self.services.registry.creations.note_finished(intent.room_id)
        await self.commit([PutIntent(done), *writes], intent)

    async def commit(self, writes: list[Write], intent: Intent) -> None:
        """Commit writes, and have notices to the intent's reply room delivered."""
        await self.services.store.commit(writes)
        if intent.reply_room is not None:
            self.services.deliver(intent.reply_room)

    async def chats(self) -> list[ChatContext]:
        """The owner's chats, archived chats included."""
        return await ChatManager(self.services.store).list_all(self.owner)

    async def user(self) -> UserMeta | None:
        """The owner's row; None for an owner without a Space."""
        return from_row(await self.services.store.row(user_key(self.owner)), UserMeta)


T = TypeVar("T")


def required(value: T | None) -> T:
    """A value that an earlier step of the intent has set. Raises ValueError for None."""
    if value is None:
        raise ValueError("the intent lacks a value that its step needs")
    return value
