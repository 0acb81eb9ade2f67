"""What people and the bot have put into rooms: messages, settings, files."""

from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, RoomId, SharedFile, UserId
from actors.platform import File
from actors.said import SaidPage
from adapter.matrix.connection import Connection
from adapter.matrix.media import Media


class RoomContents:
    """Implements `actors.ports.RoomContents` over HTTP."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._http = connection
        self._me = me
        self._media = Media(connection)

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
        """The bytes of a file, or of a small version of a picture."""
        return await self._media.download(file, limit=limit, picture=picture)

    async def upload(self, file: File) -> SharedFile:
        """Upload a file."""
        return await self._media.upload(file)
