"""A Matrix client: plain HTTP and JSON, without the bot's code."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote

import aiohttp
import anyio
from yarl import URL

Json: TypeAlias = dict[str, Any]

_CLIENT: Final = "/_matrix/client/v3"
_PATIENCE_S: Final = 180.0
_RATE_LIMITED: Final = 429


class Refused(Exception):
    """The homeserver refused a request of this person."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('errcode')}: {body.get('error')}")
        self.status = status
        self.errcode = str(body.get("errcode", ""))


class MatrixClient:
    """A logged-in Matrix user's requests.

    A rate-limited request is repeated until the homeserver accepts it.
    """

    def __init__(self, http: aiohttp.ClientSession, homeserver_url: str, login: Json) -> None:
        self._http = http
        self._url = homeserver_url
        self.user_id = str(login["user_id"])
        self.device_id = str(login["device_id"])
        self.access_token = str(login["access_token"])

    @classmethod
    @asynccontextmanager
    async def logged_in(
        cls, homeserver_url: str, localpart: str, password: str
    ) -> AsyncIterator[Self]:
        """Log in as a new device, and close the connections on leaving the context."""
        request = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": localpart},
            "password": password,
        }
        async with aiohttp.ClientSession() as http:
            login = await _request(http, "POST", f"{homeserver_url}{_CLIENT}/login", request)
            yield cls(http, homeserver_url, login)

    async def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """Send a request; `path` is relative to `/_matrix/client/v3`. Raises Refused."""
        return await self._call(method, f"{_CLIENT}{path}", body)

    async def create_room(self, **options: object) -> str:
        """Create a private room and return its id. `options` are those of `POST /createRoom`."""
        answer = await self.request("POST", "/createRoom", {"preset": "private_chat", **options})
        return str(answer["room_id"])

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invite a user to a room."""
        await self._room(room_id, "invite", {"user_id": user_id})

    async def join(self, room_id: str) -> None:
        """Join a room, or accept an invite to it."""
        await self._room(room_id, "join", {})

    async def leave(self, room_id: str) -> None:
        """Leave a room, or reject an invite to it."""
        await self._room(room_id, "leave", {})

    async def kick(self, room_id: str, user_id: str, reason: str = "") -> None:
        """Remove a user from a room."""
        await self._room(room_id, "kick", {"user_id": user_id, "reason": reason})

    async def upgrade_room(self, room_id: str, version: str) -> str:
        """Upgrade a room to another version, and return the id of its replacement."""
        answer = await self._room(room_id, "upgrade", {"new_version": version})
        return str(answer["replacement_room"])

    async def send(self, room_id: str, type_: str, content: Json) -> str:
        """Send an event and return its id."""
        path = f"/rooms/{part_of_path(room_id)}/send/{part_of_path(type_)}/{uuid.uuid4().hex}"
        return str((await self.request("PUT", path, content))["event_id"])

    async def say(self, room_id: str, text: str) -> str:
        """Send a text message and return its event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def state(self, room_id: str) -> list[Json]:
        """Return all state events of a room."""
        path = f"{_CLIENT}/rooms/{part_of_path(room_id)}/state"
        answer: list[Json] = await self._call("GET", path, None)  # type: ignore[assignment]
        return answer

    async def state_of(self, room_id: str, type_: str, state_key: str = "") -> Json | None:
        """Return the content of one state event; None if there is none."""
        try:
            return await self.request("GET", _state_path(room_id, type_, state_key))
        except Refused as error:
            if error.errcode == "M_NOT_FOUND":
                return None
            raise

    async def set_state(self, room_id: str, type_: str, content: Json, state_key: str = "") -> str:
        """Send a state event and return its id."""
        answer = await self.request("PUT", _state_path(room_id, type_, state_key), content)
        return str(answer["event_id"])

    async def name_of(self, room_id: str) -> str:
        """Return the name of a room; empty if it has none."""
        return str((await self.state_of(room_id, "m.room.name") or {}).get("name", ""))

    async def joined_rooms(self) -> frozenset[str]:
        """Return the rooms that this person has joined."""
        return frozenset((await self.request("GET", "/joined_rooms"))["joined_rooms"])

    async def membership(self, room_id: str, user_id: str) -> str | None:
        """Return a user's membership in a room: `join`, `invite`, `leave`, `ban`, or None."""
        member = await self.state_of(room_id, "m.room.member", user_id)
        return None if member is None else str(member["membership"])

    async def rooms_on_server(self) -> int:
        """Return the number of rooms on the server. Only an administrator may ask."""
        answer = await self._call("GET", "/_synapse/admin/v1/rooms?limit=1", None)
        return int(answer["total_rooms"])

    async def _room(self, room_id: str, action: str, body: Json) -> Json:
        return await self.request("POST", f"/rooms/{part_of_path(room_id)}/{action}", body)

    async def _call(self, method: str, path: str, body: Json | None) -> Json:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return await _request(self._http, method, f"{self._url}{path}", body, headers)


def part_of_path(text: str) -> str:
    """A text as one part of a path or a query."""
    return quote(text, safe="")


def _state_path(room_id: str, type_: str, state_key: str) -> str:
    return f"/rooms/{part_of_path(room_id)}/state/{part_of_path(type_)}/{part_of_path(state_key)}"


async def _request(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    body: Json | None,
    headers: dict[str, str] | None = None,
) -> Json:
    target = URL(url, encoded=True)
    with anyio.fail_after(_PATIENCE_S):
        while True:
            async with http.request(method, target, json=body, headers=headers) as response:
                answer: Json = await response.json(content_type=None)
                if response.ok:
                    return answer
            if response.status != _RATE_LIMITED:
                raise Refused(response.status, answer)
            await anyio.sleep(answer.get("retry_after_ms", 1000) / 1000)
