"""What people and the bot have put into rooms of the simulated homeserver."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from actors.model import (
    DEFAULT_CHAT_SETTINGS,
    DEFAULT_SPACE_SETTINGS,
    SETTINGS_TYPE,
    ChatSettings,
    EventId,
    InboundMessage,
    RoomId,
    SharedFile,
    SpaceSettings,
    UserId,
)
from actors.platform import File
from actors.port_errors import HomeserverRefused
from actors.room_contents import Edited
from actors.rules.file_types import type_of
from actors.rules.setting_values import settings_content, space_settings_content
from actors.said import Said, SaidPage
from tests.simulation.connection import Connection
from tests.simulation.edits import newest_edit
from tests.simulation.events import Event, StateEntry
from tests.simulation.reading import read_inbound, read_settings, read_space_settings
from tests.simulation.room import SimulatedRoom
from tests.simulation.saying import read_history, read_said
from tests.simulation.syncing import is_message, since_join

SetState: TypeAlias = Callable[[str, RoomId, StateEntry], Awaitable[None]]
"""Sends a request, with this name, that sets the state of a room."""


class SimulatedContents:
    """Implements `actors.ports.RoomContents`. `joined` gives a room that the bot is in."""

    def __init__(
        self,
        connection: Connection,
        me: UserId,
        joined: Callable[[RoomId], SimulatedRoom],
        set_state: SetState,
    ) -> None:
        self._connection = connection
        self._me = me
        self._joined = joined
        self._set_state = set_state

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        def read() -> SaidPage:
            events = since_join(self._joined(room_id), self._me)
            return read_history(events, self._me, token)

        return await self._connection.read("history", read, room_id)

    async def question(self, room_id: RoomId, event_id: EventId) -> InboundMessage | None:
        def read() -> InboundMessage | None:
            event = self._joined(room_id).find(event_id)
            if event is None or not is_message(event) or event.sender == self._me:
                return None
            return read_inbound(event, self._me)

        return await self._connection.read("question", read, room_id)

    async def edited(self, room_id: RoomId, event_id: EventId) -> Edited:
        def read() -> Edited:
            room = self._joined(room_id)
            original = room.find(event_id)
            if original is None:
                raise HomeserverRefused(404, "M_NOT_FOUND", "Event not found.")
            edit = newest_edit(original, room.timeline)
            return Edited(
                None if edit is None else self._said(edit),
                bundled=self._connection.bundles,
                original=self._said(original),
            )

        return await self._connection.read("edited", read, room_id)

    def _said(self, event: Event) -> Said | None:
        return next((it for it in read_said([event], self._me) if isinstance(it, Said)), None)

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        def read() -> ChatSettings:
            return read_settings(self._joined(room_id), self._me) or DEFAULT_CHAT_SETTINGS

        return await self._connection.read("settings_of", read, room_id)

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        entry = (SETTINGS_TYPE, self._me, settings_content(settings))
        await self._set_state("write_settings", room_id, entry)

    async def space_settings_of(self, space_id: RoomId) -> SpaceSettings:
        def read() -> SpaceSettings:
            return read_space_settings(self._joined(space_id), self._me) or DEFAULT_SPACE_SETTINGS

        return await self._connection.read("space_settings_of", read, space_id)

    async def write_space_settings(self, space_id: RoomId, settings: SpaceSettings) -> None:
        entry = (SETTINGS_TYPE, self._me, space_settings_content(settings))
        await self._set_state("write_space_settings", space_id, entry)

    async def name_of(self, room_id: RoomId, user_id: UserId) -> str:
        def read() -> str:
            member = self._joined(room_id).content("m.room.member", user_id)
            return str(member.get("displayname", ""))

        return await self._connection.read("name_of", read, room_id)

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        def read() -> File:
            return self._connection.media.download(file.mxc, limit, picture=picture)

        found = await self._connection.read("download", read)
        return File(file.name, type_of(found.data, file.mime_type), found.data)

    async def upload(self, file: File) -> SharedFile:
        mxc = await self._connection.write("upload", lambda: self._connection.media.upload(file))
        return SharedFile(mxc, file.name, file.mime_type, len(file.data))
