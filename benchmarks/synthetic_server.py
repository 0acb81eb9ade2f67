"""Serves `benchmarks.synthetic` over HTTP: what the bot asks a homeserver for, and nothing else.

`python -m benchmarks.synthetic_server ROOMS` prints its URL and runs until it is ended.
`POST /synthetic/rename` with `{"first": 0, "rooms": 10000}` gives rooms other names, and
`GET /synthetic/counts` says how often each endpoint was asked.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias

import msgspec
from aiohttp import web

from benchmarks.synthetic import ROOM_VERSION, SyntheticRooms
from demo.synapse import free_port

_PIECE: Final = 64 * 1024
_MSC: Final = "org.matrix.simplified_msc3575"
_CLIENT: Final = "/_matrix/client"

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class SyntheticServer:
    """The endpoints of one account."""

    rooms: SyntheticRooms
    counts: Counter[str] = field(default_factory=Counter)
    _account_data: dict[str, object] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> web.Application:
        """The whole server. An endpoint that is not here answers 404, as a homeserver does."""
        app = web.Application(middlewares=[self._counted])
        v3, data = f"{_CLIENT}/v3", f"{_CLIENT}/v3/user/{{user}}/account_data/{{type}}"
        for method, path, handler in (
            ("GET", f"{_CLIENT}/versions", self._versions),
            ("GET", f"{v3}/login", _fixed({"flows": [{"type": "m.login.password"}]})),
            ("POST", f"{v3}/login", _fixed({**_SESSION, "access_token": "a token"})),
            ("GET", f"{v3}/account/whoami", _fixed({**_SESSION, "is_guest": False})),
            ("GET", f"{v3}/capabilities", _fixed(_CAPABILITIES)),
            ("POST", f"{v3}/keys/query", _fixed({"device_keys": {"@bot:localhost": {}}})),
            ("GET", f"{v3}/profile/{{user}}", _fixed({"displayname": "bot"})),
            ("GET", f"{v3}/joined_rooms", self._joined_rooms),
            ("GET", f"{v3}/sync", self._sync),
            ("POST", f"{_CLIENT}/unstable/{_MSC}/sync", self._window),
            ("GET", f"{v3}/rooms/{{room}}/state", self._of_room(self.rooms.state)),
            ("GET", f"{v3}/rooms/{{room}}/messages", self._of_room(self.rooms.messages)),
            ("GET", data, self._read_data),
            ("PUT", data, self._write_data),
            ("POST", "/synthetic/rename", self._rename),
            ("GET", "/synthetic/counts", self._show_counts),
        ):
            app.router.add_route(method, path, handler)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        self.counts[resource.canonical if resource else request.path] += 1
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return _error(HTTPStatus.NOT_FOUND, "M_UNRECOGNIZED", "unknown endpoint")

    async def _versions(self, _: web.Request) -> web.StreamResponse:
        return _json({"versions": ["v1.12"], "unstable_features": {_MSC: True}})

    async def _joined_rooms(self, _: web.Request) -> web.StreamResponse:
        return _json(self.rooms.joined_rooms())

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        asked = json.loads(request.query.get("filter", "{}")).get("room", {})
        since = request.query.get("since")
        if since is None:
            only_position = asked.get("rooms") == []
            empty, whole = self.rooms.empty_sync, self.rooms.initial_sync
            return await _streamed(request, empty() if only_position else whole())
        if since == self.rooms.position:
            self._news.clear()
            timeout_s = int(request.query.get("timeout", "0")) / 1000
            await _within(timeout_s, self._news)
        return await _streamed(request, self.rooms.sync(since))

    async def _window(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ranges = [(first, last) for first, last in body["lists"]["all"]["ranges"]]
        return await _streamed(request, self.rooms.window(ranges))

    def _of_room(self, about: Callable[[int], object]) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            number = self.rooms.number_of(request.match_info["room"])
            if number is None:
                return _error(HTTPStatus.FORBIDDEN, "M_FORBIDDEN", "the bot is not in the room")
            return _json(about(number))

        return answer

    async def _read_data(self, request: web.Request) -> web.StreamResponse:
        content = self._account_data.get(request.match_info["type"])
        if content is None:
            return _error(HTTPStatus.NOT_FOUND, "M_NOT_FOUND", "Account data not found")
        return _json(content)

    async def _write_data(self, request: web.Request) -> web.StreamResponse:
        self._account_data[request.match_info["type"]] = await request.json()
        return _json({})

    async def _rename(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.rooms.changes.rename(range(body["first"], body["first"] + body["rooms"]))
        self._news.set()
        return _json({})

    async def _show_counts(self, _: web.Request) -> web.StreamResponse:
        return _json(dict(self.counts))


_SESSION: Final = {"user_id": "@bot:localhost", "device_id": "SURFACESBOT"}
_CAPABILITIES: Final = {"capabilities": {"m.room_versions": {"default": ROOM_VERSION}}}


def _fixed(content: object) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return _json(content)

    return answer


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, status=status, content_type="application/json")


def _error(status: HTTPStatus, errcode: str, error: str) -> web.Response:
    return _json({"errcode": errcode, "error": error}, status)


async def _streamed(request: web.Request, pieces: Iterable[bytes]) -> web.StreamResponse:
    """An answer that is made while it is sent, so that a large one takes no memory."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        if len(gathered) >= _PIECE:
            await response.write(bytes(gathered))
            gathered.clear()
    await response.write(bytes(gathered))
    await response.write_eof()
    return response


async def _within(timeout_s: float, event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        pass


def main() -> None:
    """Serve until the process is ended."""
    port = free_port()
    server = SyntheticServer(SyntheticRooms(int(sys.argv[1])))

    def announce(_: str) -> None:
        sys.stdout.write(f"http://127.0.0.1:{port}\n")
        sys.stdout.flush()

    web.run_app(server.app(), host="127.0.0.1", port=port, print=announce, access_log=None)


if __name__ == "__main__":
    main()
