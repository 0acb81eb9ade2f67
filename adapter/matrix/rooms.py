"""Reading the state of one room, or of all rooms with the requests from `hydrate`."""

import secrets
from collections.abc import Iterable, Mapping
from sys import intern
from typing import Final

import anyio
import msgspec
import structlog

from actors.model import RoomId, UserId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, PortError
from actors.ports import Hydration
from actors.progress import Progress
from actors.snapshots import RoomSnapshot
from adapter.matrix.bodies import (
    ENCRYPTION_FORCED_FEATURE,
    DeviceKeys,
    JoinedRooms,
    Page,
    RoomTags,
    SyncResponse,
    Versions,
    WhoAmI,
    Window,
)
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.hydrate import (
    SLIDING_SYNC_FEATURE,
    SLIDING_SYNC_PATH,
    WINDOW_ROOMS,
    FirstReading,
    Gathered,
    SecondReading,
    complete,
    first_reading,
    hydration_filter,
    members_filter,
    position_filter,
    window_request,
)
from adapter.matrix.wire import inviter_in, membership_in, reading_of_state

_READS_AT_ONCE: Final = 20
_FORBIDDEN: Final = 403
_MEMBERS_READ: Final = 50
_SERVER_NOTICE: Final = "m.server_notice"

_log = structlog.get_logger("adapter.matrix.rooms")


class RoomReader:
    """Reads rooms for the gateway. Raises the errors of `actors.ports.Homeserver`."""

    def __init__(self, connection: Connection, me: UserId) -> None:
        self._http = connection
        self._me = me

    async def probe(self) -> None:
        """Return only after a request that needs the session has succeeded."""
        await self._http.request("GET", path_to("account", "whoami"), WhoAmI)

    async def hydrate(self) -> Hydration:
        """Read the state of every joined room, and the matching sync position."""
        joined = await self.joined_rooms()
        first = await self._first_windows(joined) if await self._has_sliding_sync() else None
        first = first or await self._first_sync(joined)
        readings = await self._read_again(first.read_again)
        if any(isinstance(reading, HomeserverRefused) for reading in readings.values()):
            joined = await self.joined_rooms()
        return complete(first, readings, joined)

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """Read one room's whole state. Raises HomeserverRefused if the bot is not in the room."""
        events = await self._http.request(
            "GET", path_to("rooms", room_id, "state"), list[msgspec.Raw]
        )
        if membership_in(events, self._me) != "join":
            raise HomeserverRefused(_FORBIDDEN, "M_FORBIDDEN", "the bot is not in this room")
        reading = reading_of_state(room_id, events, self._me)
        self._http.note_malformed(reading.malformed, room_id)
        return reading.snapshot

    async def joined_rooms(self) -> frozenset[RoomId]:
        """The rooms that the bot has joined."""
        answer = await self._http.request("GET", path_to("joined_rooms"), JoinedRooms)
        return frozenset(RoomId(intern(room_id)) for room_id in answer.joined_rooms or ())

    async def inviter_of(self, room_id: RoomId) -> UserId | None:
        """The user who invited the bot to a room that it has joined, if the timeline shows it."""
        query = {"dir": "b", "filter": members_filter()}
        path = path_to("rooms", room_id, "messages", limit=_MEMBERS_READ, **query)
        page = await self._http.request("GET", path, Page)
        return inviter_in(page.chunk or (), self._me)

    async def is_server_notices(self, room_id: RoomId) -> bool:
        """Whether the homeserver has tagged the room for its notices."""
        path = path_to("user", self._me, "rooms", room_id, "tags")
        try:
            return _SERVER_NOTICE in (await self._http.request("GET", path, RoomTags)).tags
        except HomeserverRefused:
            return False

    async def encrypts_new_rooms(self) -> bool:
        """Whether `/versions` says that new private rooms are encrypted. Not every server does."""
        return (await self._features()).get(ENCRYPTION_FORCED_FEATURE) is True

    async def devices_with_keys(self) -> tuple[str, ...]:
        """The account's devices that can take part in encrypted rooms."""
        body: dict[str, object] = {"device_keys": {self._me: []}}
        answer = await self._http.request("POST", path_to("keys", "query"), DeviceKeys, body)
        return tuple(sorted(answer.device_keys.get(self._me, {})))

    async def _first_sync(self, joined: frozenset[RoomId]) -> FirstReading:
        response = await self._initial_sync(
            hydration_filter(secrets.token_hex(8)), self._http.bounds.hydrate_s
        )
        return first_reading(response, joined, self._me)

    async def _has_sliding_sync(self) -> bool:
        """Whether `/versions` says so. Without an answer, the bot reads its rooms without it."""
        try:
            return (await self._features()).get(SLIDING_SYNC_FEATURE) is True
        except (HomeserverRefused, HomeserverUnavailable) as error:
            _log.warning("versions_unread", reason=str(error))
            return False

    async def _features(self) -> Mapping[str, object]:
        versions = await self._http.request("GET", "/_matrix/client/versions", Versions)
        return versions.unstable_features

    async def _first_windows(self, joined: frozenset[RoomId]) -> FirstReading | None:
        """The first reading by sliding sync; None without an answer, which `/sync` may give."""
        response = await self._initial_sync(
            position_filter(secrets.token_hex(8)), self._http.bounds.request_s
        )
        try:
            gathered = await self._windows(len(joined))
        except (HomeserverRefused, HomeserverUnavailable) as error:
            _log.warning("sliding_sync_refused", reason=str(error))
            return None
        return gathered.outcome(response.next_batch, joined)

    async def _windows(self, rooms: int) -> Gathered:
        """Every room that windows show: one window, or so many that each is small.

        A homeserver may show more than it is asked for. A window without a new room is the last.
        """
        gathered, progress = Gathered(self._me), Progress("reading_rooms", rooms)
        if rooms <= WINDOW_ROOMS:
            gathered.add_window(await self._window(window_request(self._me)))
            return gathered
        first, count = 0, 1
        while first < count:
            window = await self._window(window_request(self._me, first, WINDOW_ROOMS))
            if not gathered.add_window(window):
                break
            progress.note(len(gathered.rooms))
            first += WINDOW_ROOMS
            count = _count_in(window) or first + 1
        return gathered

    async def _window(self, body: dict[str, object]) -> Window:
        within_s = self._http.bounds.hydrate_s
        return await self._http.request("POST", SLIDING_SYNC_PATH, Window, body, timeout_s=within_s)

    async def _initial_sync(self, sync_filter: str, timeout_s: float) -> SyncResponse:
        path = path_to("sync", timeout=0, filter=sync_filter)
        return await self._http.request("GET", path, SyncResponse, timeout_s=timeout_s)

    async def _read_again(self, room_ids: Iterable[RoomId]) -> dict[RoomId, SecondReading]:
        """Read rooms one by one, several at once.

        A room that fails is returned with its error. A failure of the whole homeserver raises.
        """
        readings: dict[RoomId, SecondReading] = {}
        failures: list[PortError] = []
        limiter = anyio.CapacityLimiter(_READS_AT_ONCE)

        async def read(room_id: RoomId) -> None:
            try:
                async with limiter:
                    readings[room_id] = await self._read_or_reason(room_id)
            except PortError as error:
                failures.append(error)
                reads.cancel_scope.cancel()

        async with anyio.create_task_group() as reads:
            for room_id in room_ids:
                reads.start_soon(read, room_id)
        if failures:
            raise failures[0]
        return readings

    async def _read_or_reason(self, room_id: RoomId) -> SecondReading:
        try:
            return await self.read_room(room_id)
        except HomeserverRefused as refusal:
            return refusal
        except HomeserverUnavailable as error:
            await self.probe()
            return error


def _count_in(window: Window) -> int:
    """How many rooms the list has that the window is a part of; 0 if the answer does not say."""
    whole = window.lists.get("all")
    return (whole.count or 0) if whole else 0
