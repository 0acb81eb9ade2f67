"""The homeserver behind the core's port: one bot account over nio's AsyncClient.

The only module that knows nio. nio keeps the session and the connections; its retries, its sync
loop, its store and its room objects stay unused, since they hide outages and lose state.
"""

import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Final, Self, TypeVar

from nio import AsyncClient, AsyncClientConfig  # type: ignore[import-untyped]

from actors.bounds import Bounds
from actors.meter import Meter
from actors.model import (
    INSTANCE_TYPE,
    MARKER_TYPE,
    EventId,
    InboundMessage,
    Instance,
    Marker,
    OutboundMessage,
    RoomId,
    RoomSnapshot,
    UserId,
)
from actors.ports import Gap, HomeserverRefused, Hydration, NewRoom, PositionLost, SyncDelta
from actors.rules.marker import marker_content
from adapter.matrix.bodies import (
    Acknowledged,
    Capabilities,
    Created,
    Membership,
    Page,
    Sent,
    SyncResponse,
)
from adapter.matrix.connection import Client, Connection, path_to
from adapter.matrix.hydrate import live_filter, messages_filter
from adapter.matrix.login import Credentials, Login
from adapter.matrix.pacing import Pace
from adapter.matrix.provisioning import DEFAULT_ROOM_VERSION, create_room_body, link_content
from adapter.matrix.rooms import RoomReader
from adapter.matrix.session import SessionFile
from adapter.matrix.wire import delta_of, messages_of

DEFAULT_DEVICE_ID: Final = "SURFACESBOT"

_TYPING_MS: Final = 30_000
_PAGE_SIZE: Final = 100
_EXTRA_PAGES: Final = 20
_BAD_REQUEST: Final = 400
_FORBIDDEN: Final = 403

A = TypeVar("A")


class Gateway:
    """`actors.ports.Homeserver` over HTTP, for asyncio.

    With a `session_file` a password login outlives the process; without one, or when `visiting`,
    it ends with `log_out`. A visitor uses a stored session without ever writing one, and logs in
    with a random device id, so that it never disturbs a bot that runs.
    """

    def __init__(
        self,
        homeserver_url: str,
        user_id: UserId,
        *,
        session_file: SessionFile | None = None,
        password: str | None = None,
        access_token: str | None = None,
        device_id: str = DEFAULT_DEVICE_ID,
        visiting: bool = False,
        client: AsyncClient | None = None,
        meter: Meter | None = None,
        bounds: Bounds = Bounds(),
    ) -> None:
        logging.getLogger("nio").setLevel(logging.CRITICAL)
        credentials = Credentials(
            homeserver=homeserver_url.rstrip("/"),
            user_id=user_id,
            device_id=device_id,
            session_file=session_file,
            password=password,
            access_token=access_token,
            visiting=visiting,
        )
        self._me = user_id
        self._owns_client = client is None
        self._http = Connection(client or _new_client(credentials), meter, bounds)
        self._login = Login(self._http, credentials)
        self._rooms = RoomReader(self._http, user_id)
        self._room_version: str | None = None
        self._pace = Pace()

    @classmethod
    def attach(cls, client: AsyncClient) -> Self:
        """A gateway over a client that is logged in already. The client stays its owner's."""
        return cls(
            client.homeserver,
            UserId(client.user_id),
            access_token=client.access_token or None,
            device_id=client.device_id or DEFAULT_DEVICE_ID,
            client=client,
        )

    @property
    def me(self) -> UserId:
        """Our own user id, as configured; confirmed by `log_in`."""
        return self._me

    async def log_in(self) -> str:
        """Get a session that works; answer `access token`, `stored session` or `password`."""
        return await self._login.log_in()

    async def log_out(self) -> None:
        """End a session that `log_in` made and did not store; leave any other alone."""
        await self._login.log_out()

    async def close(self) -> None:
        """Close connections, unless the client is somebody else's. Never raises."""
        if self._owns_client:
            with suppress(Exception):
                await self._http.close()

    async def probe(self) -> None:
        """Return only after a request that needs the session has really succeeded."""
        await self._rooms.probe()

    async def hydrate(self) -> Hydration:
        """Read every joined room's state, and the position that goes with it."""
        return await self._rooms.hydrate()

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait up to `timeout_s` seconds for news since a position. Also raises PositionLost.

        Synapse keeps an answer for two minutes, and whoever doesn't wait wants to know how things
        stand now. What a loop is answered from memory is followed by the next sync.
        """
        sync_filter = live_filter() if timeout_s else live_filter(secrets.token_hex(8))
        path = path_to("sync", since=since, timeout=int(timeout_s * 1000), filter=sync_filter)
        try:
            response = await self._http.request(
                "GET", path, SyncResponse, timeout_s=timeout_s + self._http.bounds.sync_grace_s
            )
        except HomeserverRefused as error:
            if error.status == _BAD_REQUEST:
                raise PositionLost(str(error)) from error
            raise
        return delta_of(response, self._me)

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages of a gap: backwards from `token` to `stop_at`.

        It is read beyond our own join, only to see whether we have left as well.
        """
        newest_first: list[InboundMessage] = []
        joined = departed = False
        for _ in range(limit // _PAGE_SIZE + _EXTRA_PAGES):
            page = await self._page(room_id, token, stop_at)
            past = messages_of(room_id, page.chunk, self._me)
            newest_first += () if joined else past.messages
            joined, departed = joined or past.joined, past.departed
            if departed or page.end in {None, token} or len(newest_first) >= limit:
                break
            token = page.end
        return Gap(tuple(reversed(newest_first[:limit])), rejoined=departed)

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """One joined room's whole state. HomeserverRefused when we are not (or no longer) in it."""
        return await self._rooms.read_room(room_id)

    async def joined_rooms(self) -> frozenset[RoomId]:
        """The rooms that we are in."""
        return await self._rooms.joined_rooms()

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a private room. HomeserverUnavailable leaves it open whether the room exists."""
        version = await self._default_room_version()
        body = create_room_body(room, self._me, version)
        try:
            path = path_to("createRoom")
            answer = await self._write(
                "POST", path, Created, body, timeout_s=self._http.bounds.create_s
            )
        except HomeserverRefused:
            self._room_version = None
            raise
        return RoomId(answer.room_id)

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None:
        """Say in the room what the room is."""
        await self._put_state(room_id, MARKER_TYPE, self._me, marker_content(marker))

    async def set_name(self, room_id: RoomId, name: str) -> None:
        """Name the room."""
        await self._put_state(room_id, "m.room.name", "", {"name": name})

    async def link(self, space_id: RoomId, room_id: RoomId) -> None:
        """List a room in a Space (`m.space.child`)."""
        await self._put_state(space_id, "m.space.child", room_id, link_content(self._me))

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """List a room in a Space no longer."""
        await self._put_state(space_id, "m.space.child", room_id, {})

    async def join(self, room_id: RoomId) -> None:
        """Join a room that we are invited to."""
        await self._post(room_id, "join", {})

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room, or reject an invite to it."""
        await self._post(room_id, "leave", {})

    async def forget(self, room_id: RoomId) -> None:
        """Forget a room that we have left."""
        await self._post(room_id, "forget", {})

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite somebody. Somebody who is already in the room is no error."""
        try:
            await self._post(room_id, "invite", {"user_id": user_id})
        except HomeserverRefused as refusal:
            if refusal.status != _FORBIDDEN or not await self._is_in(room_id, user_id):
                raise

    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message. Repeating its transaction id sends nothing more."""
        path = path_to("rooms", message.room_id, "send", "m.room.message", message.txn_id)
        content = {"msgtype": "m.notice" if message.notice else "m.text", "body": message.body}
        return EventId((await self._write("PUT", path, Sent, content)).event_id)

    async def announce(self, instance: Instance) -> None:
        """Tell everybody who uses our account that we do."""
        path = path_to("user", self._me, "account_data", INSTANCE_TYPE)
        await self._http.request("PUT", path, Acknowledged, asdict(instance))

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None:
        """Show, for half a minute at most, that we are writing; or stop showing it."""
        body = {"typing": True, "timeout": _TYPING_MS} if typing else {"typing": False}
        await self._http.request(
            "PUT", path_to("rooms", room_id, "typing", self._me), Acknowledged, body
        )

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None:
        """Show that everything up to this event has been read."""
        path = path_to("rooms", room_id, "receipt", "m.read", event_id)
        await self._http.request("POST", path, Acknowledged, {})

    async def _post(self, room_id: RoomId, action: str, body: dict[str, object]) -> None:
        await self._write("POST", path_to("rooms", room_id, action), Acknowledged, body)

    async def _put_state(
        self, room_id: RoomId, event_type: str, state_key: str, content: dict[str, object]
    ) -> None:
        path = path_to("rooms", room_id, "state", event_type, state_key)
        await self._write("PUT", path, Sent, content)

    async def _write(
        self,
        method: str,
        path: str,
        answer: type[A],
        body: Mapping[str, object],
        *,
        timeout_s: float | None = None,
    ) -> A:
        """A request of those that share the account's rate limit."""
        return await self._pace.keep(
            partial(self._http.request, method, path, answer, body, timeout_s=timeout_s)
        )

    async def _page(self, room_id: RoomId, token: str, stop_at: str) -> Page:
        query = {"dir": "b", "from": token, "to": stop_at, "filter": messages_filter()}
        path = path_to("rooms", room_id, "messages", limit=_PAGE_SIZE, **query)
        return await self._http.request("GET", path, Page)

    async def _is_in(self, room_id: RoomId, user_id: UserId) -> bool:
        path = path_to("rooms", room_id, "state", "m.room.member", user_id)
        try:
            return (await self._http.request("GET", path, Membership)).membership == "join"
        except HomeserverRefused:
            return False

    async def _default_room_version(self) -> str:
        """The version that the server picks for a new room; asked again after a refusal."""
        if self._room_version is None:
            answer = await self._http.request("GET", path_to("capabilities"), Capabilities)
            self._room_version = answer.default_room_version or DEFAULT_ROOM_VERSION
        return self._room_version


def _new_client(credentials: Credentials) -> Client:
    """A client without retries of its own: they would hide outages and repeat createRoom."""
    config = AsyncClientConfig(max_timeouts=0, max_limit_exceeded=0, encryption_enabled=False)
    client: Client = AsyncClient(
        credentials.homeserver, credentials.user_id, credentials.device_id, config=config
    )
    return client
