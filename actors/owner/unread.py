"""The rooms that can't be read now, and the evidence for whose they are."""

from contextlib import suppress
from dataclasses import dataclass

from actors.messages import room_address
from actors.model import RoomId, RoomMeta, UserId
from actors.owner.work import OwnerWork
from actors.port_errors import HomeserverUnavailable
from actors.reading import read_if_joined
from actors.rows import CHAT_PREFIX, USER_PREFIX, from_row, read_rows, room_key


@dataclass(frozen=True, slots=True)
class UnreadRooms:
    """Looks for an unread room that may belong to the owner.

    A room belongs to the owners that the evidence names: its row, other rows, a Space that lists
    it, a room that names it, its latest reading. Without any evidence it may belong to anyone.
    """

    work: OwnerWork

    async def of_owner(self) -> RoomId | None:
        """An unread room that may belong to the owner, if there is one.

        If it can be read by now, its actor is told to do so at once.
        """
        services, owner = self.work.services, self.work.owner
        for room_id, owners in services.registry.hearsay.half_read.items():
            if owner in owners and room_id in services.registry.undecided:
                return room_id
        rooms = await self._rooms()
        listed = await self._listed() if rooms else frozenset()
        for room_id in rooms:
            if room_id in listed or await self.may_be_owners(room_id):
                await self._look_at(room_id)
                return room_id
        return None

    async def may_be_owners(self, room_id: RoomId) -> bool:
        """Whether an unread room may be the owner's, apart from what the owner's Space lists."""
        owners = await self._owners_of(room_id)
        return owners is None or self.work.owner in owners

    async def _rooms(self) -> list[RoomId]:
        """The unread rooms that the bot is in."""
        services = self.work.services
        rooms = {*services.rooms_with_failed_check(), *services.registry.awaited}
        return sorted(rooms & await services.homeserver.joined_rooms()) if rooms else []

    async def _look_at(self, room_id: RoomId) -> None:
        """End the pause of a room's actor, if the room can be read again."""
        with suppress(HomeserverUnavailable):
            await read_if_joined(self.work.services.homeserver, room_id)
            self.work.services.system.answers_again(room_address(room_id))

    async def _listed(self) -> frozenset[RoomId]:
        """The owner's Space and the rooms that it lists. An unreadable Space lists nothing."""
        user = await self.work.user()
        if user is None:
            return frozenset()
        try:
            space = await read_if_joined(self.work.services.homeserver, user.space_id)
        except HomeserverUnavailable:
            space = None
        return frozenset({user.space_id, *(space.children if space else ())})

    async def _owners_of(self, room_id: RoomId) -> frozenset[UserId] | None:
        """The owners that the evidence names; None without any evidence."""
        registry = self.work.services.registry
        room = from_row(await self.work.services.store.row(room_key(room_id)), RoomMeta)
        if room is not None:
            return frozenset({room.matrix_user_id})
        owners = registry.hearsay.owners_of(room_id) | self._possible(room_id)
        for naming in registry.links.rooms_naming(room_id):
            owners |= registry.hearsay.owners_of(naming) or self._possible(naming)
        owners = owners or await self._owners_by_rows(room_id)
        return owners if owners or registry.hearsay.is_unmanaged(room_id) else None

    def _possible(self, room_id: RoomId) -> frozenset[UserId]:
        """The possible owners of a room that was read and is undecided."""
        possible = self.work.services.registry.undecided.get(room_id)
        return possible.owners if possible else frozenset()

    async def _owners_by_rows(self, room_id: RoomId) -> frozenset[UserId]:
        """The owners with a row that names the room as their Space, or as the room of a chat."""
        store = self.work.services.store
        rows = read_rows({**await store.rows(USER_PREFIX), **await store.rows(CHAT_PREFIX)})
        by_space = {owner for owner, user in rows.users.items() if user.space_id == room_id}
        return frozenset(by_space | {chat.user_id for chat in rows.chats.get(room_id, ())})
