"""Implements `actors.ports.Homeserver` for one bot account over nio's AsyncClient.

This is the only module that imports nio. nio holds the session and the connections. Its retries,
sync loop, store and room objects stay unused, because they hide outages and lose state.
"""

import logging
import math
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from typing import Final, Self

import anyio
from nio import AsyncClient, AsyncClientConfig  # type: ignore[import-untyped]

from actors.bounds import Bounds
from actors.meter import Meter
from actors.model import (
    INSTANCE_TYPE,
    MARKER_TYPE,
    EventId,
    Generation,
    HomeserverTraits,
    Instance,
    Marker,
    OutboundMessage,
    RoomId,
    UserId,
)
from actors.port_errors import HomeserverRefused, PositionLost
from actors.ports import Gap, Hydration, NewRoom, RecentPage, SyncDelta
from actors.rules.marker import marker_content
from actors.snapshots import RoomSnapshot
from adapter.matrix.account_data import AccountData
from adapter.matrix.bodies import Acknowledged, Capabilities, Created, Membership, SyncResponse
from adapter.matrix.connection import Client, Connection, path_to
from adapter.matrix.evidence import Evidence
from adapter.matrix.gap_reader import GapReader
from adapter.matrix.hydrate import live_filter
from adapter.matrix.login import Credentials, Login
from adapter.matrix.own_account import OwnAccount
from adapter.matrix.provisioning import (
    DEFAULT_ROOM_VERSION,
    JOIN_RULES_TYPE,
    create_room_body,
    join_rules_content,
    link_content,
)
from adapter.matrix.room_contents import RoomContents
from adapter.matrix.rooms import RoomReader
from adapter.matrix.sending import Sender
from adapter.matrix.session import Sessions
from adapter.matrix.wire import delta_of
from adapter.matrix.words import text_of_event
from adapter.matrix.writing import Writer
from adapter.proxy import Proxy, ThroughProxy

DEFAULT_DEVICE_ID: Final = "SURFACESBOT"

CLOSE_WITHIN_S: Final = 5.0
"""Closing waits at most this long for open connections."""
_TYPING_MS: Final = 30_000
_PROBE_TYPE: Final = "io.surfaces.probe"
_BAD_REQUEST: Final = 400
_ABOUT_POSITIONS: Final = frozenset({"M_UNKNOWN", "M_INVALID_PARAM", "M_BAD_JSON"})
"""Homeservers refuse a malformed position with one of these codes."""
_FORBIDDEN: Final = 403


class Gateway:
    """`actors.ports.Homeserver` over HTTP, for asyncio.

    With `sessions`, the session of a password login outlives the process. Without one, or
    with `visiting`, `log_out` ends that session. A visiting gateway may use a stored session but
    never writes one, and logs in with a random device id, so a running bot keeps its session.
    `remaining_s` is that of the lead.
    """

    def __init__(
        self,
        homeserver_url: str,
        user_id: UserId,
        *,
        sessions: Sessions | None = None,
        password: str | None = None,
        access_token: str | None = None,
        device_id: str = DEFAULT_DEVICE_ID,
        visiting: bool = False,
        proxy: Proxy | None = None,
        client: AsyncClient | None = None,
        meter: Meter | None = None,
        remaining_s: Callable[[], float] = lambda: math.inf,
        bounds: Bounds = Bounds(),
    ) -> None:
        logging.getLogger("nio").setLevel(logging.CRITICAL)
        credentials = Credentials(
            homeserver=homeserver_url.rstrip("/"),
            user_id=user_id,
            device_id=device_id,
            sessions=sessions,
            password=password,
            access_token=access_token,
            visiting=visiting,
        )
        self._me = user_id
        self._owns_client = client is None
        self._http = Connection(
            client or _new_client(credentials, proxy), meter, bounds, proxy, remaining_s
        )
        self._login = Login(self._http, credentials)
        self._rooms = RoomReader(self._http, user_id)
        account_data = AccountData(self._http, user_id)
        self._own_account = OwnAccount(self._http, user_id, account_data)
        self._evidence = Evidence(self._http, user_id, account_data)
        self._gaps = GapReader(self._http, user_id)
        self._room_version: str | None = None
        self._writer = Writer(self._http)
        self._sender = Sender(self._writer, self._evidence.has_event)
        self._contents = RoomContents(self._http, user_id, self._writer)

    @classmethod
    def attach(cls, client: AsyncClient) -> Self:
        """A gateway over a client that is already logged in. `close` leaves the client open."""
        return cls(
            client.homeserver,
            UserId(client.user_id),
            access_token=client.access_token or None,
            device_id=client.device_id or DEFAULT_DEVICE_ID,
            client=client,
        )

    @property
    def me(self) -> UserId:
        """The bot's user id, as configured; `log_in` confirms it."""
        return self._me

    @property
    def contents(self) -> RoomContents:
        """The messages, settings and files in rooms."""
        return self._contents

    @property
    def own_account(self) -> OwnAccount:
        """How people see the bot's account."""
        return self._own_account

    async def log_in(self) -> str:
        """Get a valid session; return `access token`, `stored session` or `password`."""
        return await self._login.log_in()

    async def log_out(self) -> None:
        """End a session that `log_in` created and did not store; leave any other session alone."""
        await self._login.log_out()

    async def close(self) -> None:
        """Close the connections, unless the client came from the caller. Never raises."""
        if self._owns_client:
            with suppress(Exception), anyio.move_on_after(CLOSE_WITHIN_S, shield=True):
                await self._http.close()

    async def probe(self) -> None:
        """Return only after a request that needs the session has succeeded."""
        await self._rooms.probe()

    async def try_writing(self, room_id: RoomId) -> None:
        """Return if the account may write: ask for a state event that no auth rules allow.

        A state key that is another user's id is refused for everyone but that user, so nothing is
        ever written.
        """
        path = path_to("rooms", room_id, "state", _PROBE_TYPE, f"@not-{self._me[1:]}")
        with suppress(HomeserverRefused):
            await self._http.request("PUT", path, Acknowledged, {})

    async def hydrate(self) -> Hydration:
        """Read the state of every joined room, and the matching sync position."""
        return await self._rooms.hydrate()

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait up to `timeout_s` seconds for news since a position. Also raises PositionLost.

        Synapse caches an answer for two minutes by its filter. A call with `timeout_s=0` asks for
        the current state, so a nonce in its filter bypasses that cache. A waiting call may get a
        cached answer: the next sync of the loop brings the rest.
        """
        sync_filter = live_filter() if timeout_s else live_filter(secrets.token_hex(8))
        path = path_to("sync", since=since, timeout=int(timeout_s * 1000), filter=sync_filter)
        try:
            response = await self._http.request(
                "GET", path, SyncResponse, timeout_s=timeout_s + self._http.bounds.sync_grace_s
            )
        except HomeserverRefused as error:
            if error.status == _BAD_REQUEST and error.errcode in _ABOUT_POSITIONS:
                raise PositionLost(str(error)) from error
            raise
        return delta_of(response, self._me)

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages from `token` back to `stop_at`, in whole pages."""
        return await self._gaps.messages_before(room_id, token, stop_at=stop_at, limit=limit)

    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        """One page of what was said before `token`, since the bot's latest join."""
        return await self._evidence.recent(room_id, token)

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """Read one room's whole state. Raises HomeserverRefused if the bot is not in the room."""
        return await self._rooms.read_room(room_id)

    async def text_of(self, room_id: RoomId, event_id: EventId) -> str:
        """The text of a message in this room. HomeserverRefused if the room has no such event."""
        path = path_to("rooms", room_id, "event", event_id)
        return text_of_event(await self._http.request("GET", path, dict[str, object]), room_id)

    async def joined_rooms(self) -> frozenset[RoomId]:
        """The rooms that the bot has joined."""
        return await self._rooms.joined_rooms()

    async def inviter_of(self, room_id: RoomId) -> UserId | None:
        """The user who invited the bot to a room that it has joined, if the timeline shows it."""
        return await self._rooms.inviter_of(room_id)

    async def is_server_notices(self, room_id: RoomId) -> bool:
        """Whether the homeserver has tagged the room for its notices."""
        return await self._rooms.is_server_notices(room_id)

    async def encrypts_new_rooms(self) -> bool:
        """Whether the homeserver says that it encrypts new private rooms by default."""
        return await self._rooms.encrypts_new_rooms()

    async def devices_with_keys(self) -> tuple[str, ...]:
        """The account's devices with keys: clients encrypt new direct chats because of them."""
        return await self._rooms.devices_with_keys()

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a private room. After HomeserverUnavailable, the room may or may not exist."""
        version = await self._default_room_version()
        body = create_room_body(room, self._me, version)
        try:
            path = path_to("createRoom")
            answer = await self._writer.write(
                "POST", path, Created, body, timeout_s=self._http.bounds.create_s
            )
        except HomeserverRefused:
            self._room_version = None
            raise
        return RoomId(answer.room_id)

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None:
        """Write the marker, which says what the room is."""
        await self._writer.put_state(room_id, MARKER_TYPE, self._me, marker_content(marker))

    async def set_name(self, room_id: RoomId, name: str) -> None:
        """Set the room's name."""
        await self._writer.put_state(room_id, "m.room.name", "", {"name": name})

    async def link(self, space_id: RoomId, room_id: RoomId, order: str = "") -> None:
        """Add a room to a Space (`m.space.child`)."""
        content = link_content(self._me, order)
        await self._writer.put_state(space_id, "m.space.child", room_id, content)

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """Remove a room from a Space."""
        await self._writer.put_state(space_id, "m.space.child", room_id, {})

    async def join(self, room_id: RoomId) -> None:
        """Join a room that the bot is invited to."""
        await self._writer.post(room_id, "join", {})

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room, or reject an invite to it."""
        await self._writer.post(room_id, "leave", {})

    async def forget(self, room_id: RoomId) -> None:
        """Forget a room that the bot has left."""
        await self._writer.post(room_id, "forget", {})

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite a user. A user who is already in the room is no error."""
        try:
            await self._writer.post(room_id, "invite", {"user_id": user_id})
        except HomeserverRefused as refusal:
            if refusal.status != _FORBIDDEN or not await self._is_in(room_id, user_id):
                raise

    async def let_in(self, room: RoomSnapshot, members_of: Collection[RoomId]) -> None:
        """Let people knock at a room, and let the members of other rooms join it."""
        content = join_rules_content(room.room_version, members_of)
        await self._writer.put_state(room.room_id, JOIN_RULES_TYPE, "", content)

    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message, an edit or a redaction. A repeated transaction id sends nothing new.

        A message that the homeserver does not let into its thread is sent outside of it, a final
        of an anchor that is gone as a message, and what is too large without its HTML, or cut.
        """
        return await self._sender.send(message)

    @property
    def session(self) -> str:
        """A digest of the access token, which names the session without revealing it."""
        return sha256(self._http.access_token.encode()).hexdigest()[:16]

    async def find_sent(self, message: OutboundMessage) -> EventId | None:
        """The bot's own event with this message's transaction id, sent since its first attempt."""
        return await self._evidence.find_sent(message)

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        """Whether the homeserver shows this event to the bot."""
        return await self._evidence.has_event(room_id, event_id)

    async def generation(self) -> Generation | None:
        """The generation in the account data; None if there is none."""
        return await self._evidence.generation()

    async def keep_generation(self, generation: Generation) -> None:
        """Write the generation into the account data."""
        await self._evidence.keep_generation(generation)

    async def traits(self) -> HomeserverTraits:
        """What was found out about the homeserver, from the account data."""
        return await self._evidence.traits()

    async def keep_traits(self, traits: HomeserverTraits) -> None:
        """Write into the account data what was found out about the homeserver."""
        await self._evidence.keep_traits(traits)

    async def announce(self, instance: Instance) -> None:
        """Write this process's name into the account data, for other processes on the account."""
        path = path_to("user", self._me, "account_data", INSTANCE_TYPE)
        await self._http.request("PUT", path, Acknowledged, asdict(instance))

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None:
        """Show a typing notice for at most 30 s, or end it."""
        body = {"typing": True, "timeout": _TYPING_MS} if typing else {"typing": False}
        await self._http.request(
            "PUT", path_to("rooms", room_id, "typing", self._me), Acknowledged, body
        )

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None:
        """Set the read receipt to this event."""
        path = path_to("rooms", room_id, "receipt", "m.read", event_id)
        await self._http.request("POST", path, Acknowledged, {})

    async def _is_in(self, room_id: RoomId, user_id: UserId) -> bool:
        path = path_to("rooms", room_id, "state", "m.room.member", user_id)
        try:
            return (await self._http.request("GET", path, Membership)).membership == "join"
        except HomeserverRefused:
            return False

    async def _default_room_version(self) -> str:
        """The server's default version for new rooms; read again after a refused creation."""
        if self._room_version is None:
            answer = await self._http.request("GET", path_to("capabilities"), Capabilities)
            self._room_version = answer.default_room_version or DEFAULT_ROOM_VERSION
        return self._room_version


def _new_client(credentials: Credentials, proxy: Proxy | None) -> Client:
    """A client without retries of its own: they would hide outages and repeat `createRoom`."""
    config = AsyncClientConfig(max_timeouts=0, max_limit_exceeded=0, encryption_enabled=False)
    given = (credentials.homeserver, credentials.user_id, credentials.device_id)
    if proxy is None:
        direct: Client = AsyncClient(*given, config=config)
        return direct
    client = _ProxiedClient(*given, config=config)
    client.through = proxy
    return client


class _ProxiedClient(ThroughProxy, AsyncClient):  # type: ignore[misc]
    """nio's client through a proxy."""
