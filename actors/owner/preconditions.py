"""What has to be known about an owner before anything is made for them."""

from typing import Final

import structlog

from actors.messages import IntentsWaiting
from actors.model import Intent, RoomId, RoomMeta
from actors.owner.work import OwnerWork
from actors.reading import read_if_joined
from actors.rows import from_row, room_key
from actors.rules.classify import Concern

_log = structlog.get_logger()

UNKNOWN_AGAIN_S: Final = 10.0
"""How long to wait before looking again whether a room can be read."""
LOOKED_AT_SOON_S: Final = 0.2
"""How long to wait for the actor of a room that we were asked back into."""


class Unknowns(OwnerWork):
    """Looks for rooms that may be just what is to be made; only the owner's actor uses it."""

    __slots__ = ()

    async def must_wait(self, intent: Intent) -> bool:
        """Whether something about the owner is not known, or not written down, yet."""
        context = self.context
        if context.upkeep.pending(self.owner):
            return True
        if self._sees_more_soon():
            context.system.tell_later(LOOKED_AT_SOON_S, self.owner, IntentsWaiting())
            return True
        unknown = await self._unknown_room()
        if unknown is None:
            return False
        if not intent.told_queued:
            _log.warning("creation_waits", owner=self.owner, unknown_room=unknown)
        await self._say_queued(intent, context.texts.creation_waits)
        context.system.tell_later(UNKNOWN_AGAIN_S, self.owner, IntentsWaiting())
        return True

    def _sees_more_soon(self) -> bool:
        """Whether a room that may be what is to be made is being looked at now."""
        awaited, system = self.context.awaited, self.context.system
        for room_id in tuple(awaited):
            if not (system.is_busy(room_id) or system.has_mail_for(room_id)):
                awaited.discard(room_id)
        return any(map(system.is_busy, awaited))

    async def _unknown_room(self) -> RoomId | None:
        """A room that can't be read or decided now, and may be what is to be made."""
        user = await self._user()
        for room_id in tuple(self.context.undecided):
            if user is None and await self._may_be_theirs(room_id):
                return room_id
            if user is not None and user.space_id == room_id:
                return room_id
        for room_id in (*self.context.system.unread_rooms(), *sorted(self.context.awaited)):
            room = from_row(await self.context.store.row(room_key(room_id)), RoomMeta)
            whose = room.matrix_user_id if room else None
            if whose == self.owner or (whose is None and user is None):
                return room_id
        return None

    async def _may_be_theirs(self, room_id: RoomId) -> bool:
        """Whether the owner is named by an undecided room, or in it; it is read for that, once."""
        undecided = self.context.undecided
        concern = undecided.get(room_id)
        if concern is None or self.owner in concern.owners or concern.complete:
            return concern is not None and self.owner in concern.owners
        seen = await read_if_joined(self.context.homeserver, room_id)
        owners = concern.owners.union(seen.others if seen else ())
        if undecided.get(room_id) == concern:
            undecided[room_id] = Concern(owners, complete=True)
        return self.owner in owners
