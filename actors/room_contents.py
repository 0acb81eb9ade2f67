"""The port to what people and the bot have put into rooms. It is a part of `Homeserver`."""

from dataclasses import dataclass
from typing import Protocol

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
from actors.said import Said, SaidPage


@dataclass(frozen=True, slots=True)
class Edited:
    """One of the bot's own messages: its newest edit by the bot, and whether it came with it.

    Homeservers that bundle edits send the newest one with each message. `bundled` is False only if
    there is an edit that did not come with its message. `original` is the message as it was sent;
    None if it is redacted.
    """

    newest: Said | None
    bundled: bool
    original: Said | None = None


class RoomContents(Protocol):
    """What people and the bot have put into rooms. Raises the errors of `Homeserver`."""

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """One page of what was said before `token`, or up to now without one."""
        ...

    async def question(self, room_id: RoomId, event_id: EventId) -> InboundMessage | None:
        """A person's message as the inbox gets it; None if it is gone, redacted or no message."""
        ...

    async def edited(self, room_id: RoomId, event_id: EventId) -> Edited:
        """The newest edit of one of the bot's own messages. HomeserverRefused if it is gone."""
        ...

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """The settings of one chat, which the bot wrote into the room's state."""
        ...

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None: ...

    async def space_settings_of(self, space_id: RoomId) -> SpaceSettings:
        """The settings of one Space, which the bot wrote into the Space's state."""
        ...

    async def write_space_settings(self, space_id: RoomId, settings: SpaceSettings) -> None: ...

    async def name_of(self, room_id: RoomId, user_id: UserId) -> str:
        """A member's display name in a room; empty without one, and for a person who never was."""
        ...

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file. With `picture`, a small version of it if the server makes one.

        HomeserverRefused for a file that is gone, or has more than `limit` bytes.
        """
        ...

    async def upload(self, file: File) -> SharedFile:
        """Upload a file, to show it in a room. A repetition uploads it twice, which is harmless."""
        ...
