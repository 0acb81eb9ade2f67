"""Creates nothing on a homeserver that encrypts new rooms, and gives up what it made there."""

from dataclasses import dataclass, replace
from typing import Final

import structlog

from actors.model import Intent, IntentKind, IntentStep, RoomId
from actors.owner.work import OwnerWork
from actors.port_errors import HomeserverRefused
from actors.reading import read_if_joined
from actors.rows import chat_key, room_key, user_key
from actors.rules.wording import worded
from actors.snapshots import RoomSnapshot
from actors.writes import DeleteRow, PutIntent, Write

_log = structlog.get_logger()

OCCASION: Final = "encrypted"
"""The reason to wait, in the transaction id of the notice."""


@dataclass(frozen=True, slots=True)
class EncryptedRooms:
    """Keeps one owner's intents waiting as long as new rooms are encrypted."""

    work: OwnerWork

    async def must_wait(self, intent: Intent) -> bool:
        """Whether the intent must create no room now. If so, the owner knows why.

        The owner's other intents wait behind it, perhaps for days, so those are told of as well.
        The serving activity tells the owner's actor regularly to look again.
        """
        services = self.work.services
        if not await services.encryption.forbids(intent.nonce):
            return False
        for waiting in await services.store.open_intents(self.work.owner):
            answers_invite = waiting.kind is IntentKind.INVITED  # the bot is not in that room yet
            if not answers_invite and not self.work.knows(waiting, OCCASION):
                reason = services.encryption.reason
                _log.warning("creation_waits", owner=self.work.owner, reason=reason)
                said = worded((await self.work.texts()).creation_encrypted)
                await self.work.say_queued(waiting, said, OCCASION)
        return True

    async def gave_up(self, intent: Intent, room_id: RoomId) -> bool:
        """Give up a created room that is encrypted, before any person gets to it.

        Returns whether the intent has to begin anew. The bot leaves the room and forgets it; its
        number stays taken.
        """
        services = self.work.services
        await services.encryption.look()
        seen = await read_if_joined(services.homeserver, room_id)
        if seen is not None and not _is_useless(seen):
            cleared = services.encryption.not_found()
            if cleared:
                await services.store.commit(cleared)
            return False
        if seen is None and services.encryption.reason is None:
            return False
        if seen is not None:
            noted = services.encryption.found(room_id)
            if noted:
                await services.store.commit(noted)
            await self._leave(seen)
        await services.store.commit(await self._undone(intent, room_id))
        return True

    async def _leave(self, seen: RoomSnapshot) -> None:
        """Leave the room, and take it out of its Space. A refusal is only logged."""
        homeserver = self.work.services.homeserver
        self.work.services.upkeep.settled(seen.room_id)
        space_id = seen.marker.space_id if seen.marker else None
        space = await read_if_joined(homeserver, space_id) if space_id else None
        try:
            if space is not None and seen.room_id in space.children:
                await homeserver.unlink(space.room_id, seen.room_id)
            await homeserver.leave(seen.room_id)
            await homeserver.forget(seen.room_id)
        except HomeserverRefused as refusal:
            _log.warning("encrypted_room_stays", room_id=seen.room_id, reason=str(refusal))

    async def _undone(self, intent: Intent, room_id: RoomId) -> list[Write]:
        """The writes that take the room out of the cache, and begin the intent anew."""
        services, user = self.work.services, await self.work.user()
        writes: list[Write] = [DeleteRow(room_key(room_id))]
        if intent.chat_id is not None:
            writes.append(DeleteRow(chat_key(self.work.owner, intent.chat_id), room_id))
        if intent.kind is IntentKind.SPACE and user is not None and user.space_id == room_id:
            services.registry.creations.note_taken(self.work.owner, user.next_chat_index)
            writes.append(DeleteRow(user_key(self.work.owner)))
        services.registry.creations.forget_made(intent.nonce)
        anew = replace(
            intent,
            step=IntentStep.WANTED,
            chat_id=None,
            platform_chat_id=None,
            room_id=None,
            started_at=None,
        )
        return [*writes, PutIntent(anew)]


def _is_useless(seen: RoomSnapshot) -> bool:
    """Whether the room is encrypted and has no member but the bot."""
    return seen.encrypted and seen.member_count == 1
