"""The RoomContents port that the actors get: it writes only while the bot is live."""

from collections.abc import Callable
from typing import final

from actors.model import (
    ChatSettings,
    EventId,
    InboundMessage,
    RoomId,
    SharedFile,
    SpaceSettings,
    UserId,
)
from actors.platform import File
from actors.room_contents import Edited, RoomContents
from actors.said import SaidPage
from supervisor.serving.refusals import Refusals
from supervisor.serving.spending import Spending


@final
class ContentsLiveOnly:
    """Implements `actors.ports.RoomContents`. `live` raises unless the bot is live."""

    def __init__(
        self,
        contents: RoomContents,
        live: Callable[[], object],
        refusals: Refusals,
        spending: Spending,
    ) -> None:
        self._contents = contents
        self._live = live
        self._watch = refusals.watch
        self._write = spending.write

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """Read a page of what was said in a room."""
        return await self._watch(self._contents.history(room_id, token), room_id)

    async def question(self, room_id: RoomId, event_id: EventId) -> InboundMessage | None:
        """Read a person's message."""
        return await self._watch(self._contents.question(room_id, event_id), room_id)

    async def edited(self, room_id: RoomId, event_id: EventId) -> Edited:
        """Read the newest edit of one of the bot's own messages."""
        return await self._watch(self._contents.edited(room_id, event_id), room_id)

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """Read a chat's settings."""
        return await self._watch(self._contents.settings_of(room_id), room_id)

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Write a chat's settings."""
        self._live()
        await self._write(self._contents.write_settings(room_id, settings), room_id)

    async def space_settings_of(self, space_id: RoomId) -> SpaceSettings:
        """Read a Space's settings."""
        return await self._watch(self._contents.space_settings_of(space_id), space_id)

    async def write_space_settings(self, space_id: RoomId, settings: SpaceSettings) -> None:
        """Write a Space's settings."""
        self._live()
        await self._write(self._contents.write_space_settings(space_id, settings), space_id)

    async def name_of(self, room_id: RoomId, user_id: UserId) -> str:
        """Read a member's display name."""
        return await self._watch(self._contents.name_of(room_id, user_id), room_id)

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """Read a file."""
        return await self._watch(self._contents.download(file, limit=limit, picture=picture))

    async def upload(self, file: File) -> SharedFile:
        """Upload a file."""
        self._live()
        return await self._watch(self._contents.upload(file))
