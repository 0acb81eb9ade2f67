"""What all work on one owner's intents shares."""

from dataclasses import dataclass, replace
from typing import TypeVar

import anyio

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
from actors.owner.inviting import Inviting
from actors.rows import from_row, room_key, user_key
from actors.rules.access import Entrance
from actors.rules.formatting import Formatted
from actors.rules.wording import Link, worded
from actors.services import Services
from actors.texts import Texts
from actors.writes import PutIntent, QueueMessage, Write


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

    def promise(
        self,
        kind: IntentKind,
        reply_room: RoomId | None,
        because_of: Intent,
        name: str | None = None,
    ) -> PutIntent:
        """The write of an intent that follows from another one; the owner is told in `reply_room`.

        It takes the other one's place in the queue.
        """
        nonce, is_there = self.services.ids.nonce(), reply_room == because_of.reply_room
        return PutIntent(
            Intent(
                nonce,
                self.owner,
                kind,
                IntentStep.WANTED,
                reply_room=reply_room,
                reply_thread=because_of.reply_thread if is_there else None,
                name=name,
                told_queued=because_of.told_queued,
                asked_at=because_of.asked_at,
            )
        )

    def look_again(self, delay_s: float) -> None:
        """Tell the owner's actor to look at the intents after a delay, unless it is told anyway."""
        if self.services.registry.queue.looks_again(self.owner, anyio.current_time(), delay_s):
            self.services.tell_owner_later(delay_s, self.owner, IntentsWaiting())

    async def texts(self) -> Texts:
        """The catalogue in the owner's language."""
        return await self.services.languages.texts_of(self.owner)

    async def invite(self, room_id: RoomId, link: Link, intent: Intent) -> Entrance:
        """Invite the owner to a room, and say what came of it."""
        inviting = Inviting(self.owner, self.services, intent.reply_room)
        return Entrance(link, await inviting.invite(room_id))

    async def invite_to_space(self, space_id: RoomId, intent: Intent) -> Entrance:
        """Invite the owner to their Space, and say what came of it."""
        return await self.invite(space_id, await self.services.space_link(space_id), intent)

    async def say_queued(self, intent: Intent, said: Formatted, occasion: str = "queued") -> None:
        """Store the intent, and tell the owner that it waits, unless the owner knows.

        Other intents from the same room wait as well; the owner is not told about those again. A
        new reason, named by `occasion`, is told as well.
        """
        creations = self.services.registry.creations
        knows = self.knows(intent, occasion)
        messages = [] if knows else self.told(intent, occasion, said)
        waiting = [
            other
            for other in await self.services.store.open_intents(self.owner)
            if other.reply_room == intent.reply_room and other.nonce != intent.nonce
        ]
        others = [PutIntent(replace(other, told_queued=True)) for other in waiting]
        stored = PutIntent(replace(intent, told_queued=True))
        await self.commit([stored, *(others if messages else ()), *messages], intent)
        for each in (intent, *(waiting if messages else ())):
            creations.note_told(each.nonce, occasion)

    def knows(self, intent: Intent, occasion: str) -> bool:
        """Whether the owner was told that an intent waits, and for which reason.

        Only this run knows the reason. A new place in the queue (`queued.2`) is always news.
        """
        told = self.services.registry.creations.told(intent.nonce)
        if told is None:
            return intent.told_queued and not occasion.startswith("queued.")
        return told == occasion

    async def give_up(self, intent: Intent, sentence: str) -> None:
        """Finish an intent that can't be carried out, and tell the owner why."""
        await self.finish(intent, *self.told(intent, "done", worded(sentence)))

    @staticmethod
    def told(intent: Intent, occasion: str, said: Formatted) -> list[Write]:
        """The write of a message to the intent's reply room, at most one for each occasion.

        What answers a command is a notice. Anything else is a text, of which clients notify.
        """
        if intent.reply_room is None:
            return []
        message = OutboundMessage(
            f"{intent.nonce}.{occasion}",
            intent.reply_room,
            said.body,
            notice=intent.kind is IntentKind.CHAT,
            thread=intent.reply_thread,
            html=said.html,
        )
        return [QueueMessage(message)]

    async def finish(self, intent: Intent, *writes: Write) -> None:
        """Finish an intent, together with other writes in one transaction."""
        done = replace(intent, step=IntentStep.DONE)
        self.services.registry.put_off.forget(intent.nonce)
        self.services.registry.creations.go_on(intent.nonce)
        if intent.kind is not IntentKind.SPACE:  # the first chat's welcome is about the Space too
            self.services.registry.invites.forget(self.owner)
        self.services.registry.creations.forget_told(intent.nonce)
        self.services.registry.creations.note_finished(intent.room_id)
        await self.commit([PutIntent(done), *writes], intent)

    async def commit(self, writes: list[Write], intent: Intent) -> None:
        """Commit writes, and have messages to the intent's reply room delivered."""
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
