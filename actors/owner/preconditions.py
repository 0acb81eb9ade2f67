"""What the bot must know about an owner before it creates a room for the owner."""

from dataclasses import dataclass

import structlog

from actors.messages import room_address
from actors.model import Intent, RoomId
from actors.owner.unread import UnreadRooms
from actors.owner.work import OwnerWork
from actors.reading import read_if_joined
from actors.rules.classify import PossibleOwners
from actors.rules.wording import worded

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Looks for rooms that may be the very room to create. Only the owner's actor uses it."""

    work: OwnerWork

    async def must_wait(self, intent: Intent) -> bool:
        """Whether the creation must wait: for upkeep, or for a room that may be the owner's.

        If so, the owner's actor is told to try again later.
        """
        services = self.work.services
        if services.upkeep.pending(self.work.owner):
            return True
        if self._awaited_room_is_busy():
            self.work.look_again(services.bounds.awaited_again_s)
            return True
        unknown = await self._unknown_room()
        if unknown is None:
            return False
        if not intent.told_queued:
            _log.warning("creation_waits", owner=self.work.owner, unknown_room=unknown)
        await self.work.say_queued(intent, worded((await self.work.texts()).creation_waits))
        self.work.look_again(services.bounds.unknown_again_s)
        return True

    def _awaited_room_is_busy(self) -> bool:
        """Whether the actor of an awaited room is busy. Rooms with idle actors are forgotten."""
        awaited, system = self.work.services.registry.awaited, self.work.services.system
        for room_id in awaited:
            address = room_address(room_id)
            if not (system.is_busy(address) or system.has_mail_for(address)):
                awaited.discard(room_id)
        return any(system.is_busy(room_address(room_id)) for room_id in awaited)

    async def _unknown_room(self) -> RoomId | None:
        """A room that can't be read or decided now, and may be the room to create."""
        user = await self.work.user()
        for room_id in self.work.services.registry.undecided:
            if user is None and await self._may_belong_to_owner(room_id):
                return room_id
            if user is not None and user.space_id == room_id:
                return room_id
        return await UnreadRooms(self.work).of_owner()

    async def _may_belong_to_owner(self, room_id: RoomId) -> bool:
        """Whether an undecided room names the owner, or has the owner as a member.

        If its members are not all known, the room is read, once.
        """
        undecided = self.work.services.registry.undecided
        possible = undecided.get(room_id)
        if possible is None or self.work.owner in possible.owners or possible.complete:
            return possible is not None and self.work.owner in possible.owners
        seen = await read_if_joined(self.work.services.homeserver, room_id)
        owners = possible.owners.union(seen.others if seen else ())
        if undecided.get(room_id) == possible:
            undecided.note(room_id, PossibleOwners(owners, complete=True))
        return self.work.owner in owners
