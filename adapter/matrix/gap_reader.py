"""Reads the messages of a gap, page by page."""

from dataclasses import replace
from typing import Final

from actors.anchors import LiveAnchor
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
        live: list[LiveAnchor] = []
        size, begins = min(limit, _PAGE_SIZE), None
        gap = Gap(start=token)
        answered: frozenset[EventId] = frozenset()
        redacted: frozenset[EventId] = frozenset()
        for _ in range(limit // size + _EXTRA_PAGES):
            page = await self._page(room_id, token, stop_at, size)
            found = self._messages_of(room_id, page)
            if begins is None:
                newest_first += found.messages
                live += found.live
                redacted |= found.redacted
            answered |= found.answered
            if found.joined and begins is None:
                begins = await self._join_in(room_id, page, token, stop_at)
            if found.departed or page.earlier in {None, token}:
                gap = Gap(rejoined=found.departed, begins=begins if found.departed else None)
                break
            token = page.earlier or token
            gap = Gap(start=token if begins is None else None)
            if begins is None and len(newest_first) + size > limit:
                break
        return replace(
            gap,
            messages=tuple(reversed(newest_first)),
            answered=answered,
            live=tuple(reversed(live)),
            redacted=redacted,
        )

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
