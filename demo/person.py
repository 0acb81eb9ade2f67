"""A person with a Matrix client, who writes, waits and reads."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
from typing_extensions import override

from demo.client import Json, MatrixClient, part_of_path

T = TypeVar("T")

_LONG_POLL_S: Final = 10.0


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


class Person(MatrixClient):
    """A logged-in Matrix user with a timeline.

    Events and invites from /sync are kept until a `wait_for…` takes them, each once, in any order.
    """

    @override
    def __init__(self, http: aiohttp.ClientSession, homeserver_url: str, login: Json) -> None:
        super().__init__(http, homeserver_url, login)
        self._since: str | None = None
        self._events: list[Event] = []
        self._invites: list[Invite] = []

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
        since = "" if self._since is None else f"&since={part_of_path(self._since)}"
        answer = await self.request("GET", f"/sync?timeout={int(timeout_s * 1000)}{since}")
        self._since = answer["next_batch"]
        rooms = answer.get("rooms", {})
        for section in ("join", "leave"):
            for room_id, room in rooms.get(section, {}).items():
                self._events.extend(_events(room_id, room))
        for room_id, room in rooms.get("invite", {}).items():
            self._invites.append(_invite(room_id, room, self.user_id))


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
