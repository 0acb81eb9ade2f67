"""What people and the bot have put into rooms of the simulated homeserver."""

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, RoomId, SharedFile, UserId
from actors.platform import File
from actors.rules.file_types import type_of
from actors.said import SaidPage
from tests.simulation.connection import Connection


class SimulatedContents:
    """Implements `actors.ports.RoomContents`."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._connection = connection
        self._me = me

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        return SaidPage()

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        return DEFAULT_CHAT_SETTINGS

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        pass

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        def read() -> File:
            return self._connection.media.download(file.mxc, limit, picture=picture)

        found = await self._connection.read("download", read)
        return File(file.name, type_of(found.data, file.mime_type), found.data)

    async def upload(self, file: File) -> SharedFile:
        mxc = await self._connection.write("upload", lambda: self._connection.media.upload(file))
        return SharedFile(mxc, file.name, file.mime_type, len(file.data))
