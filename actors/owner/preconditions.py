"""What has to be known about an owner before anything is made for them."""

from itertools import chain

import structlog

from actors.messages import IntentsWaiting, room_address
from actors.model import Intent, RoomId, RoomMeta
from actors.owner.work import OwnerWork
from actors.reading import read_if_joined
from actors.rows import from_row, room_key
from actors.rules.classify import Concern

_log = structlog.get_logger()


class Unknowns(OwnerWork):
    """Looks for rooms that may be just what is to be made; only the owner's actor uses it."""

    __slots__ = ()

    async def must_wait(self, intent: Intent) -> bool:
        """Whether something about the owner is not known, or not written down, yet."""
        services = self.services
        if services.upkeep.pending(self.owner):
            return True
        if self._sees_more_soon():
            services.tell_owner_later(services.bounds.awaited_again_s, self.owner, IntentsWaiting())
            return True
        unknown = await self._unknown_room()
        if unknown is None:
            return False
        if not intent.told_queued:
            _log.warning("creation_waits", owner=self.owner, unknown_room=unknown)
        await self._say_queued(intent, services.texts.creation_waits)
        services.tell_owner_later(services.bounds.unknown_again_s, self.owner, IntentsWaiting())
        return True

    def _sees_more_soon(self) -> bool:
        """Whether a room that may be what is to be made is being looked at now."""
        awaited, system = self.services.registry.awaited, self.services.system
        for room_id in awaited:
            address = room_address(room_id)
            if not (system.is_busy(address) or system.has_mail_for(address)):
                awaited.discard(room_id)
        return any(system.is_busy(room_address(room_id)) for room_id in awaited)

    async def _unknown_room(self) -> RoomId | None:
        """A room that can't be read or decided now, and may be what is to be made."""
        user = await self._user()
        for room_id in self.services.registry.undecided:
            if user is None and await self._may_be_theirs(room_id):
                return room_id
            if user is not None and user.space_id == room_id:
                return room_id
        for room_id in chain(self.services.unread_rooms(), self.services.registry.awaited):
            room = from_row(await self.services.store.row(room_key(room_id)), RoomMeta)
            whose = room.matrix_user_id if room else None
            if whose == self.owner or (whose is None and user is None):
                return room_id
        return None

    async def _may_be_theirs(self, room_id: RoomId) -> bool:
        """Whether the owner is named by an undecided room, or in it; it is read for that, once."""
        undecided = self.services.registry.undecided
        concern = undecided.get(room_id)
        if concern is None or self.owner in concern.owners or concern.complete:
            return concern is not None and self.owner in concern.owners
        seen = await read_if_joined(self.services.homeserver, room_id)
        owners = concern.owners.union(seen.others if seen else ())
        if undecided.get(room_id) == concern:
            undecided.note(room_id, Concern(owners, complete=True))
        return self.owner in owners
