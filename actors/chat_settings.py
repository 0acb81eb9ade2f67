"""The settings of chats: noted from the rooms' state, read when they are needed, kept in memory."""

from collections import OrderedDict

from actors.bounds import Bounds
from actors.model import ChatSettings, RoomId
from actors.ports import Homeserver


class SettingsOfChats:
    """The settings of chats that were looked at lately. The rooms have them all."""

    def __init__(self, homeserver: Homeserver, bounds: Bounds) -> None:
        self._homeserver = homeserver
        self._limit = bounds.settings_rooms
        self._known: OrderedDict[RoomId, ChatSettings] = OrderedDict()
        """By room; the room that was not looked at for the longest time comes first."""

    async def of(self, room_id: RoomId) -> ChatSettings:
        """The settings of a chat. Raises the errors of the homeserver."""
        if room_id not in self._known:
            read = await self._homeserver.contents.settings_of(room_id)
            if room_id not in self._known:
                self.note(room_id, read)
        self._known.move_to_end(room_id)
        return self._known[room_id]

    async def write(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Write a chat's settings into its room, unless they are these. Raises the same errors."""
        if await self.of(room_id) != settings:
            await self._homeserver.contents.write_settings(room_id, settings)
            self.note(room_id, settings)

    def note(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Note the settings that a room has now."""
        self._known[room_id] = settings
        self._known.move_to_end(room_id)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def drop(self, room_id: RoomId) -> None:
        """Forget what is in memory about a room: it is read again when it is needed."""
        self._known.pop(room_id, None)
