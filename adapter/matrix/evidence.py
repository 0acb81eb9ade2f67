"""What the homeserver remembers of the bot: its generation, its events, its messages."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import takewhile
from typing import Final

import msgspec

from actors.model import (
    GENERATION_TYPE,
    TRAITS_TYPE,
    EventId,
    Generation,
    HomeserverTraits,
    InboundMessage,
    OutboundMessage,
    RoomId,
    UserId,
)
from actors.port_errors import HomeserverRefused
from actors.ports import RecentPage
from actors.rules.reply_mark import REPLY_TYPE, is_live
from actors.said import Redacted, Said
from adapter.matrix.account_data import AccountData
from adapter.matrix.bodies import Acknowledged, Event, Page
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.events import answered_in, changes_own_membership, decoded_events
from adapter.matrix.hydrate import messages_filter
from adapter.matrix.lenient import UNDECODABLE
from adapter.matrix.saying import said_in as timeline_events
from adapter.matrix.timeline import MESSAGE_TYPE, inbound_messages, redacted_by

_NOT_FOUND: Final = 404
_PAGE_SIZE: Final = 100
_UNREADABLE: Final = Generation("", 0)
"""Stands for account data that the bot did not write."""


class Evidence:
    """Looks for what the bot did earlier. Raises the errors of `actors.ports.Homeserver`."""

    def __init__(self, connection: Connection, me: UserId, account_data: AccountData) -> None:
        self._http = connection
        self._me = me
        self._account_data = account_data

    async def generation(self) -> Generation | None:
        """The generation in the account data; None if there is none."""
        content = await self._account_data.read(GENERATION_TYPE)
        return None if content is None else generation_in(content)

    async def keep_generation(self, generation: Generation) -> None:
        """Write the generation into the account data."""
        await self._account_data.write(GENERATION_TYPE, asdict(generation))

    async def traits(self) -> HomeserverTraits:
        """What was found out about the homeserver, from the account data."""
        content = await self._account_data.read(TRAITS_TYPE)
        return HomeserverTraits() if content is None else traits_in(content)

    async def keep_traits(self, traits: HomeserverTraits) -> None:
        """Write into the account data what was found out about the homeserver."""
        await self._account_data.write(TRAITS_TYPE, asdict(traits))

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        """Whether the homeserver shows this event to the bot."""
        try:
            path = path_to("rooms", room_id, "event", event_id)
            await self._http.request("GET", path, Acknowledged)
        except HomeserverRefused as refusal:
            if refusal.status == _NOT_FOUND:
                return False
            raise
        return True

    async def find_sent(self, message: OutboundMessage) -> EventId | None:
        """The bot's own event with a message's transaction id, sent since its first attempt."""
        bounds, query = self._http.bounds, {"filter": own_messages_filter(self._me)}
        tried_at = message.tried.at if message.tried else 0.0
        for _ in range(bounds.find_pages):
            page = await self._page(message.room_id, query)
            events = decoded_events(page.chunk or ())[0]
            for event in events:
                if event.sender == self._me and transaction_id_of(event) == message.txn_id:
                    return EventId(event.event_id)
            reached = events and events[-1].origin_server_ts / 1000 < tried_at - bounds.skew_s
            if reached or page.earlier in {None, query.get("from")}:
                return None
            query["from"] = page.earlier
        return None

    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        """One page of what was said before `token`, since the bot's latest join."""
        query = {"from": token, "filter": messages_filter()}
        page = await self._page(room_id, query)
        events = decoded_events(page.chunk or ())[0]
        since_join = list(
            takewhile(lambda event: not changes_own_membership(event, self._me), events)
        )
        ends = len(since_join) < len(events) or page.earlier == token
        return RecentPage(
            said_in(room_id, since_join, self._me),
            None if ends else page.earlier,
            answered_in(since_join, self._me),
            own_in(since_join, self._me),
            redacted_in(event for event in since_join if event.sender == self._me),
            deleted_in(since_join, self._me),
            redacted_in(since_join),
        )

    async def _page(self, room_id: RoomId, query: Mapping[str, str]) -> Page:
        path = path_to("rooms", room_id, "messages", dir="b", limit=_PAGE_SIZE, **query)
        return await self._http.request("GET", path, Page)


def generation_in(content: bytes) -> Generation:
    """Decode the account data. Data in an unknown format are a generation that no database has."""
    try:
        return msgspec.json.decode(content, type=Generation)
    except UNDECODABLE:
        return _UNREADABLE


def traits_in(content: bytes) -> HomeserverTraits:
    """Decode the account data. From data in an unknown format nothing is known."""
    try:
        return msgspec.json.decode(content, type=HomeserverTraits)
    except UNDECODABLE:
        return HomeserverTraits()


def transaction_id_of(event: Event) -> object:
    """The transaction id in an event's reply mark, else the one that the homeserver shows.

    Messages of the first release have no mark. The homeserver shows the id to the device that sent
    the message.
    """
    mark = event.content.get(REPLY_TYPE)
    if isinstance(mark, dict):
        return mark.get("txn")
    return event.unsigned.transaction_id if event.unsigned is not None else None


def said_in(
    room_id: RoomId, newest_first: list[Event], me: UserId
) -> tuple[InboundMessage | None, ...]:
    """The messages among some events; None for each of the bot's own, unless an answer grows there.

    A growing answer says nothing about the messages before it: they may still wait.
    """
    said: list[InboundMessage | None] = []
    for event in newest_first:
        if event.sender == me and event.type == MESSAGE_TYPE:
            said += [] if is_live(event.content) else [None]
        else:
            said += inbound_messages(room_id, [event], me)
    return tuple(said)


def own_in(events: list[Event], me: UserId) -> tuple[Said, ...]:
    """The bot's own messages and edits among some events."""
    own = timeline_events([event for event in events if event.sender == me], me)
    return tuple(event for event in own if isinstance(event, Said))


def deleted_in(events: list[Event], me: UserId) -> frozenset[str]:
    """The transaction ids of the bot's own messages and edits among some events that are redacted.

    The homeserver shows them to the device that sent the messages.
    """
    own = timeline_events([event for event in events if event.sender == me], me)
    txn_ids = (event.txn for event in own if isinstance(event, Redacted))
    return frozenset(txn_id for txn_id in txn_ids if txn_id is not None)


def redacted_in(events: Iterable[Event]) -> frozenset[EventId]:
    """The events that redactions among some events name."""
    named = (redacted_by(event) for event in events)
    return frozenset(event_id for event_id in named if event_id is not None)


def own_messages_filter(me: UserId) -> str:
    """The filter of the bot's own messages."""
    return msgspec.json.encode({"types": [MESSAGE_TYPE], "senders": [me]}).decode()
