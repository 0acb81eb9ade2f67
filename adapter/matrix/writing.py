"""Sends the requests that count towards the account's shared rate limit."""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from actors.model import RoomId
from adapter.matrix.bodies import Acknowledged
from adapter.matrix.connection import Connection, path_to
from adapter.matrix.pacing import Pace

A = TypeVar("A")


class Writer:
    """Writes for the gateway. Raises the errors of `actors.ports.Homeserver`."""

    def __init__(self, connection: Connection) -> None:
        self._http = connection
        self._pace = Pace()

    async def write(
        self,
        method: str,
        path: str,
        answer: type[A],
        body: Mapping[str, object],
        *,
        timeout_s: float | None = None,
        urgent: bool = False,
    ) -> A:
        """Send a request, at its turn if the homeserver limits the account."""
        return await self._pace.send(
            partial(self._http.request, method, path, answer, body, timeout_s=timeout_s),
            urgent=urgent,
        )

    async def write_now(
        self, method: str, path: str, answer: type[A], body: Mapping[str, object]
    ) -> A:
        """Send a request that never waits for a turn, and is not repeated."""
        return await self._http.request(method, path, answer, body)

    async def post(self, room_id: RoomId, action: str, body: Mapping[str, object]) -> None:
        """Do something with a room."""
        await self.write("POST", path_to("rooms", room_id, action), Acknowledged, body)

    async def put_state(
        self, room_id: RoomId, event_type: str, state_key: str, content: Mapping[str, object]
    ) -> None:
        """Set one entry of a room's state."""
        path = path_to("rooms", room_id, "state", event_type, state_key)
        await self.write("PUT", path, Acknowledged, content)
