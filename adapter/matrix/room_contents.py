"""What people and the bot have put into rooms: messages, settings, files."""

from functools import partial

from actors.model import (
    DEFAULT_CHAT_SETTINGS,
    SETTINGS_TYPE,
    ChatSettings,
    RoomId,
    SharedFile,
    UserId,
)
from actors.platform import File
from actors.rules.setting_values import settings_content
from actors.said import SaidPage
from adapter.matrix.bodies import Acknowledged
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.media import Media
from adapter.matrix.pacing import Pace
from adapter.matrix.rooms import RoomReader


class RoomContents:
    """Implements `actors.ports.RoomContents` over HTTP. `pace` is that of the account's writes."""

    def __init__(self, connection: Connection, me: UserId, pace: Pace) -> None:
        self._http = connection
        self._me = me
        self._pace = pace
        self._rooms = RoomReader(connection, me)
        self._media = Media(connection)

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """One page of what was said before `token`, or up to now without one."""
        del room_id, token
        return SaidPage()

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """The settings of one chat.

        The whole state is read, because an event that is read alone does not say its sender.
        """
        return (await self._rooms.read_room(room_id)).settings or DEFAULT_CHAT_SETTINGS

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Write the settings of one chat."""
        path = path_to("rooms", room_id, "state", SETTINGS_TYPE, self._me)
        content = settings_content(settings)
        await self._pace.send(partial(self._http.request, "PUT", path, Acknowledged, content))

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file, or of a small version of a picture."""
        return await self._media.download(file, limit=limit, picture=picture)

    async def upload(self, file: File) -> SharedFile:
        """Upload a file."""
        return await self._media.upload(file)
