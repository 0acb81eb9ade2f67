"""What people and the bot have put into rooms of the simulated homeserver."""

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, RoomId, SharedFile, UserId
from actors.platform import File
from actors.port_errors import HomeserverRefused
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
        raise HomeserverRefused(404, "M_NOT_FOUND", file.mxc)

    async def upload(self, file: File) -> SharedFile:
        return SharedFile("mxc://", file.name, file.mime_type, len(file.data))
