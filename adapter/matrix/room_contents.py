"""What people and the bot have put into rooms: messages, settings, files."""

from itertools import takewhile
from typing import Final

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
from actors.rules.setting_values import settings_content, space_settings_content
from actors.rules.timeline import age_of
from actors.said import Said, SaidPage
from adapter.matrix.bodies import Event, HistoryPage, Page
from adapter.matrix.connection import NEWER_PREFIX, Connection, path_to
from adapter.matrix.contents import EDIT_RELATION
from adapter.matrix.events import (
    MEMBER_TYPE,
    bundled_edit,
    changes_own_membership,
    decoded_events,
    text_in,
)
from adapter.matrix.hydrate import history_filter
from adapter.matrix.media import Media
from adapter.matrix.rooms import RoomReader
from adapter.matrix.saying import names_in, said_in
from adapter.matrix.timeline import MESSAGE_TYPE, inbound_messages
from adapter.matrix.writing import Writer

_PAGE_SIZE: Final = 100
_NOT_FOUND: Final = 404


class RoomContents:
    """Implements `actors.ports.RoomContents` over HTTP."""

    def __init__(self, connection: Connection, me: UserId, writer: Writer) -> None:
        self._http = connection
        self._me = me
        self._writer = writer
        self._rooms = RoomReader(connection, me)
        self._media = Media(connection)

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        """One page of what was said before `token`, or up to now without one."""
        query = {"dir": "b", "filter": history_filter()} | ({"from": token} if token else {})
        path = path_to("rooms", room_id, "messages", limit=_PAGE_SIZE, **query)
        page = await self._http.request("GET", path, HistoryPage)
        events, malformed = decoded_events(page.chunk or ())
        members, _ = decoded_events(page.state)
        self._http.note_malformed(malformed, room_id)
        since_join = list(
            takewhile(lambda event: not changes_own_membership(event, self._me), events)
        )
        ends = len(since_join) < len(events) or page.earlier == token
        return SaidPage(
            said_in(since_join, self._me),
            None if ends else page.earlier,
            names_in([*reversed(events), *members]),
        )

    async def question(self, room_id: RoomId, event_id: EventId) -> InboundMessage | None:
        """A person's message as the inbox gets it; None if it is gone, redacted or no message."""
        try:
            event = await self._event(room_id, event_id)
        except HomeserverRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return None
        return next(iter(inbound_messages(room_id, [event], self._me)), None)

    async def edited(self, room_id: RoomId, event_id: EventId) -> Edited:
        """The newest edit of one of the bot's own messages.

        If the homeserver does not bundle edits, only its newest hundred relations are read.
        """
        event = await self._event(room_id, event_id)
        said = (it for it in said_in([event], self._me) if isinstance(it, Said))
        original = next(said, None)
        if original is None:
            return Edited(None, bundled=True)
        bundled = bundled_edit(event)
        if bundled is not None and (edit := self._newest_of([bundled], event_id)) is not None:
            return Edited(edit, bundled=True, original=original)
        path = path_to(
            *("rooms", room_id, "relations", event_id, EDIT_RELATION, MESSAGE_TYPE),
            prefix=NEWER_PREFIX,
            limit=_PAGE_SIZE,
        )
        page = await self._http.request("GET", path, Page)
        edit = self._newest_of(decoded_events(page.chunk or ())[0], event_id)
        return Edited(edit, bundled=edit is None, original=original)

    def _newest_of(self, edits: list[Event], event_id: EventId) -> Said | None:
        said = (it for it in said_in(edits, self._me) if isinstance(it, Said))
        own = (it for it in said if it.sender == self._me and it.edits == event_id)
        return max(own, key=age_of, default=None)

    async def _event(self, room_id: RoomId, event_id: EventId) -> Event:
        return await self._http.request("GET", path_to("rooms", room_id, "event", event_id), Event)

    async def settings_of(self, room_id: RoomId) -> ChatSettings:
        """The settings of one chat.

        The whole state is read, because an event that is read alone does not say its sender.
        """
        return (await self._rooms.read_room(room_id)).settings or DEFAULT_CHAT_SETTINGS

    async def write_settings(self, room_id: RoomId, settings: ChatSettings) -> None:
        """Write the settings of one chat."""
        await self._writer.put_state(room_id, SETTINGS_TYPE, self._me, settings_content(settings))

    async def space_settings_of(self, space_id: RoomId) -> SpaceSettings:
        """The settings of one Space."""
        return (await self._rooms.read_room(space_id)).space_settings or DEFAULT_SPACE_SETTINGS

    async def write_space_settings(self, space_id: RoomId, settings: SpaceSettings) -> None:
        """Write the settings of one Space."""
        content = space_settings_content(settings)
        await self._writer.put_state(space_id, SETTINGS_TYPE, self._me, content)

    async def name_of(self, room_id: RoomId, user_id: UserId) -> str:
        """A member's display name in a room; empty without one."""
        path = path_to("rooms", room_id, "state", MEMBER_TYPE, user_id)
        try:
            member = await self._http.request("GET", path, dict[str, object])
        except HomeserverRefused as refusal:
            if refusal.status != _NOT_FOUND:
                raise
            return ""
        return text_in(member, "displayname") or ""

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file, or of a small version of a picture."""
        return await self._media.download(file, limit=limit, picture=picture)

    async def upload(self, file: File) -> SharedFile:
        """Upload a file."""
        return await self._media.upload(file)
