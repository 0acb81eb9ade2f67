"""A person with a Matrix client: plain HTTP and JSON, without the bot's code."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias, TypeVar
from urllib.parse import quote

import aiohttp
import anyio
from yarl import URL

Json: TypeAlias = dict[str, Any]

T = TypeVar("T")

_CLIENT: Final = "/_matrix/client/v3"
_LONG_POLL_S: Final = 10.0
_PATIENCE_S: Final = 180.0
_RATE_LIMITED: Final = 429


class Refused(Exception):
    """The homeserver refused a request of this person."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status} {body.get('errcode')}: {body.get('error')}")
        self.status = status
        self.errcode = str(body.get("errcode", ""))


class NothingHappened(Exception):
    """An expected event or invite did not come in time. The text names what came instead."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event from this person's /sync, of a room that they are in or have just left.

    `state_key` is None for an event that is not state; `event_id` is empty for typing and receipts.
    """

    room_id: str
    type: str
    sender: str
    content: Json
    state_key: str | None = None
    event_id: str = ""

    @property
    def body(self) -> str:
        """The text of a message; empty for other events."""
        return str(self.content.get("body", "")) if self.type == "m.room.message" else ""


@dataclass(frozen=True, slots=True)
class Invite:
    """An invite that this person has received."""

    room_id: str
    inviter: str
    name: str
    is_space: bool


class Person:
    """A logged-in Matrix user.

    Events and invites from /sync are kept until a `wait_for…` takes them, each once, in any order.
    A rate-limited request is repeated until the homeserver accepts it.
    """

    def __init__(self, http: aiohttp.ClientSession, homeserver_url: str, login: Json) -> None:
        self._http = http
        self._url = homeserver_url
        self._since: str | None = None
        self._events: list[Event] = []
        self._invites: list[Invite] = []
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
        path = f"/rooms/{_part(room_id)}/send/{_part(type_)}/{uuid.uuid4().hex}"
        return str((await self.request("PUT", path, content))["event_id"])

    async def say(self, room_id: str, text: str) -> str:
        """Send a text message and return its event id."""
        return await self.send(room_id, "m.room.message", {"msgtype": "m.text", "body": text})

    async def ask(self, room_id: str, text: str, *, timeout_s: float = 20) -> str:
        """Send a text message, and return the next message in the room from another user."""
        await self.discard_events()
        await self.say(room_id, text)
        answer = await self.wait_for(
            lambda event: bool(event.body) and self._is_others(event, room_id),
            timeout_s=timeout_s,
            what=f"an answer to {text!r}",
        )
        return answer.body

    async def state(self, room_id: str) -> list[Json]:
        """Return all state events of a room."""
        path = f"{_CLIENT}/rooms/{_part(room_id)}/state"
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

    async def wait_for(
        self, predicate: Callable[[Event], bool], *, timeout_s: float = 20, what: str = "an event"
    ) -> Event:
        """Take the first event that the predicate accepts. Raises NothingHappened."""
        return await self._take(lambda: self._events, predicate, timeout_s, what)

    async def wait_for_invite(
        self,
        predicate: Callable[[Invite], bool] = lambda _: True,
        *,
        timeout_s: float = 20,
        what: str = "an invite",
    ) -> Invite:
        """Take the first invite that the predicate accepts. Raises NothingHappened."""
        return await self._take(lambda: self._invites, predicate, timeout_s, what)

    async def new_invites(self) -> list[Invite]:
        """Take all invites that have arrived so far."""
        await self._sync(0)
        taken, self._invites = self._invites, []
        return taken

    async def discard_events(self) -> None:
        """Discard all events that the server has for this person so far, but keep invites."""
        await self._sync(0)
        self._events.clear()

    async def _take(
        self,
        kept: Callable[[], list[T]],
        predicate: Callable[[T], bool],
        timeout_s: float,
        what: str,
    ) -> T:
        deadline = time.monotonic() + timeout_s
        while True:
            for index, item in enumerate(kept()):
                if predicate(item):
                    return kept().pop(index)
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise NothingHappened(self._missed(what, timeout_s, kept()))
            await self._sync(min(left_s, _LONG_POLL_S))

    def _missed(self, what: str, timeout_s: float, kept: Iterable[object]) -> str:
        came = "\n".join(f"  {item}" for item in list(kept)[-10:]) or "  nothing"
        return f"{self.user_id} waited {timeout_s:g} s for {what}; received instead:\n{came}"

    def _is_others(self, event: Event, room_id: str) -> bool:
        return event.room_id == room_id and event.sender != self.user_id

    async def _sync(self, timeout_s: float) -> None:
        since = "" if self._since is None else f"&since={_part(self._since)}"
        answer = await self.request("GET", f"/sync?timeout={int(timeout_s * 1000)}{since}")
        self._since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for section in ("join", "leave"):
            for room_id, room in rooms.get(section, {}).items():
                self._events.extend(_events(room_id, room))
        for room_id, room in rooms.get("invite", {}).items():
            self._invites.append(_invite(room_id, room, self.user_id))

    async def _room(self, room_id: str, action: str, body: Json) -> Json:
        return await self.request("POST", f"/rooms/{_part(room_id)}/{action}", body)

    async def _call(self, method: str, path: str, body: Json | None) -> Json:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return await _request(self._http, method, f"{self._url}{path}", body, headers)


def _part(text: str) -> str:
    return quote(text, safe="")


def _state_path(room_id: str, type_: str, state_key: str) -> str:
    return f"/rooms/{_part(room_id)}/state/{_part(type_)}/{_part(state_key)}"


def _events(room_id: str, room: Json) -> list[Event]:
    parts = [room.get(part, {}).get("events", []) for part in ("state", "timeline", "ephemeral")]
    return [
        Event(
            room_id=room_id,
            type=event["type"],
            sender=event.get("sender", ""),
            content=event.get("content", {}),
            state_key=event.get("state_key"),
            event_id=event.get("event_id", ""),
        )
        for part in parts
        for event in part
    ]


def _invite(room_id: str, room: Json, invitee: str) -> Invite:
    events = room["invite_state"]["events"]
    by_key = {(event["type"], event["state_key"]): event for event in events}
    content = {type_: event["content"] for (type_, _), event in by_key.items()}
    return Invite(
        room_id=room_id,
        inviter=by_key["m.room.member", invitee]["sender"],
        name=content.get("m.room.name", {}).get("name", ""),
        is_space=content.get("m.room.create", {}).get("type") == "m.space",
    )


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
