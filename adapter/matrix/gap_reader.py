"""Reads the messages of a gap, page by page."""

from typing import Final

from actors.model import EventId, InboundMessage, RoomId, UserId
from actors.ports import Gap
from adapter.matrix.bodies import Page
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.hydrate import messages_filter
from adapter.matrix.lenient import Malformed
from adapter.matrix.timeline import PastMessages, events_since_join, messages_of

_PAGE_SIZE: Final = 50
_EXTRA_PAGES: Final = 20


class GapReader:
    """Reads gaps for the gateway. Raises the errors of `actors.ports.Homeserver`."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._http = connection
        self._me = me

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages of a gap: backwards from `token` to `stop_at`, in whole pages.

        Reading continues past the bot's own join to find out whether the bot left before it.
        """
        newest_first: list[InboundMessage] = []
        size, begins = min(limit, _PAGE_SIZE), None
        departed = False
        answered: frozenset[EventId] = frozenset()
        for _ in range(limit // size + _EXTRA_PAGES):
            page = await self._page(room_id, token, stop_at, size)
            found = self._messages_of(room_id, page)
            newest_first += found.messages if begins is None else ()
            answered |= found.answered
            if found.joined and begins is None:
                begins = await self._join_in(room_id, page, token, stop_at)
            departed, is_last = found.departed, page.earlier in {None, token}
            if departed or is_last:
                came_back = begins if departed else None
                return Gap(_oldest_first(newest_first), departed, None, came_back, answered)
            token = page.earlier or token
            if begins is None and len(newest_first) + size > limit:
                return Gap(_oldest_first(newest_first), start=token, answered=answered)
        start = token if begins is None else None
        return Gap(_oldest_first(newest_first), start=start, answered=answered)

    def _messages_of(self, room_id: RoomId, page: Page) -> PastMessages:
        malformed = Malformed()
        found = messages_of(room_id, page.chunk or (), self._me, malformed)
        self._http.note_malformed(malformed, room_id)
        return found

    async def _join_in(self, room_id: RoomId, page: Page, token: str, stop_at: str) -> str:
        """The position of the bot's latest join, which a page before `token` shows."""
        later = events_since_join(page.chunk or (), self._me)
        if not later:
            return token
        return (await self._page(room_id, token, stop_at, later)).earlier or token

    async def _page(self, room_id: RoomId, token: str, stop_at: str, limit: int) -> Page:
        query = {"dir": "b", "from": token, "to": stop_at, "filter": messages_filter()}
        path = path_to("rooms", room_id, "messages", limit=limit, **query)
        return await self._http.request("GET", path, Page)


def _oldest_first(messages: list[InboundMessage]) -> tuple[InboundMessage, ...]:
    return tuple(reversed(messages))
