"""The port to what people and the bot have put into rooms. It is a part of `Homeserver`."""

from typing import Protocol

from actors.model import ChatSettings, RoomId, SharedFile
from actors.platform import File
from actors.said import SaidPage


class RoomContents(Protocol):
    """What people and the bot have put into rooms. Raises the errors of `Homeserver`."""

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """One page of what was said before `token`, or up to now without one."""
        ...

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """The settings of one chat, which the bot wrote into the room's state."""
        ...

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None: ...

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file. With `picture`, a small version of it if the server makes one.

        HomeserverRefused for a file that is gone, or has more than `limit` bytes.
        """
        ...

    async def upload(self, file: File) -> SharedFile:
        """Upload a file, to show it in a room. A repetition uploads it twice, which is harmless."""
        ...
