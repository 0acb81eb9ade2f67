"""Leaving and forgetting the rooms that the bot manages, and no other room.

`python -m adapter.matrix.reset` runs the command `surfaces-bot reset`.
"""

import runpy
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar, assert_never

import anyio

from actors.model import RoomId, UserId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, RateLimited, RefusedForNow
from actors.ports import Homeserver, Hydration
from actors.rows import StoredRows
from actors.rules.classify import Chat, Conflict, RoomRows, Skipped, Space, Verdict, classify
from actors.rules.relations import room_graph
from actors.runtime.restart import Backoff
from actors.snapshots import RoomSnapshot
from adapter.matrix.checklist import Checklist

ATTEMPTS: Final = 5
"""The reset stops after this many attempts of one request without an answer."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Departure:
    """The plan for each joined room.

    Chats come before Spaces, so the next run still recognises the rooms that an interrupted run
    did not reach.
    """

    leave: Mapping[RoomId, str]
    """Rooms that the bot manages, each with a description."""
    forget: tuple[RoomId, ...]
    """Rooms that an earlier run has left but not forgotten."""
    alone: Mapping[RoomId, str]
    """Joined rooms that the reset does not touch, each with the reason."""

    @property
    def rooms(self) -> tuple[RoomId, ...]:
        """All rooms to leave or forget, in order."""
        return (*self.leave, *self.forget)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the reset has come. `waits_s`: the pause before the next request, in seconds."""

    done: int
    total: int
    waits_s: float = 0.0


@dataclass(slots=True)
class Departed:
    """How many rooms a reset has left and forgotten, and which rooms the homeserver refused."""

    left: int = 0
    forgotten: int = 0
    still_in: dict[RoomId, str] = field(default_factory=dict)
    """Rooms that the homeserver did not let the bot leave, each with its reason."""
    remembered: dict[RoomId, str] = field(default_factory=dict)
    """Rooms that the bot left but the homeserver refused to forget, each with its reason."""


def departure(
    hydration: Hydration, stored: StoredRows, me: UserId, unfinished: Iterable[RoomId] = ()
) -> Departure:
    """Decide for every joined room whether the bot leaves it. Pure.

    The bot manages the rooms that it recognises as a chat or a Space, rooms with the bot's own
    marker, and the predecessors of such rooms. `unfinished` are the rooms that an interrupted run
    did not finish.
    """
    graph = room_graph(hydration.snapshots, stored.users, me)
    verdicts = {
        room_id: classify(seen, graph.relations(seen), _room_rows(stored, room_id), me)
        for room_id, seen in graph.rooms.items()
    }
    pending = tuple(unfinished)
    managed = dict.fromkeys(pending, "left over from an unfinished reset")
    for verdict in verdicts.values():
        managed |= dict.fromkeys(_predecessors(verdict), "upgraded since")
    for room_id, seen in graph.rooms.items():
        if description := _description(seen, verdicts[room_id]):
            managed[room_id] = description
    joined = {room_id: _skip_reason(verdict) for room_id, verdict in verdicts.items()}
    joined |= {
        room_id: f"unreadable: {why}" for room_id, why in (hydration.unreadable or {}).items()
    }

    def order(room_id: RoomId) -> tuple[bool, str, RoomId]:
        seen = graph.rooms.get(room_id)
        return seen is not None and seen.is_space, managed[room_id], room_id

    return Departure(
        leave={room_id: managed[room_id] for room_id in sorted(joined.keys() & managed, key=order)},
        forget=tuple(room_id for room_id in pending if room_id not in joined),
        alone={room_id: why for room_id, why in joined.items() if room_id not in managed},
    )


async def depart(
    homeserver: Homeserver,
    plan: Departure,
    checklist: Checklist,
    *,
    random: Random,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Departed:
    """Leave and forget the planned rooms, one after another, and verify that the bot is out.

    The function waits for rate limits. It records a room that the homeserver does not let the bot
    leave, and continues with the others. The checklist stays: the caller removes it after checking
    the outcome. Raises HomeserverUnavailable, SessionRevoked, StoreUnavailable; another call
    continues from there.
    """
    return await _Leaving(homeserver, plan, checklist, random, tell).run()


class _Leaving:
    def __init__(
        self,
        homeserver: Homeserver,
        plan: Departure,
        checklist: Checklist,
        random: Random,
        tell: Callable[[Progress], None],
    ) -> None:
        self._homeserver = homeserver
        self._plan = plan
        self._checklist = checklist
        self._random = random
        self._tell = tell
        self._outcome = Departed()
        self._done = 0

    async def run(self) -> Departed:
        if self._plan.rooms:
            self._checklist.begin(self._plan.rooms)
        for room_id in self._plan.rooms:
            self._tell(self._progress())
            if room_id not in self._plan.leave or await self._leave(room_id):
                await self._forget(room_id)
            self._done += 1
        self._tell(self._progress())
        await self._verify()
        return self._outcome

    async def _leave(self, room_id: RoomId) -> bool:
        """Leave a room. Whether the bot is out of it."""
        try:
            await self._with_retries(lambda: self._homeserver.leave(room_id))
        except HomeserverRefused as refusal:
            # The homeserver also refuses a request to leave a room that the bot has already left.
            if room_id in await self._with_retries(self._homeserver.joined_rooms):
                self._outcome.still_in[room_id] = str(refusal)
                return False
        self._outcome.left += 1
        return True

    async def _forget(self, room_id: RoomId) -> None:
        try:
            await self._with_retries(lambda: self._homeserver.forget(room_id))
        except HomeserverRefused as refusal:
            self._outcome.remembered[room_id] = str(refusal)
        else:
            self._outcome.forgotten += 1
            self._checklist.mark_done(room_id)

    async def _verify(self) -> None:
        """Check the outcome against the homeserver's list of joined rooms."""
        joined = await self._with_retries(self._homeserver.joined_rooms)
        for room_id in self._plan.rooms:
            if room_id in joined and room_id not in self._outcome.still_in:
                self._outcome.still_in[room_id] = "the homeserver still lists the bot as joined"

    async def _with_retries(self, request: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Repeat a request until it has an answer. The request must be safe to repeat."""
        failures = 0
        while True:
            try:
                return await request()
            except RateLimited as limit:
                wait_s = limit.retry_after_s
            except RefusedForNow:
                raise
            except HomeserverUnavailable:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                wait_s = Backoff().delay_s(failures, self._random)
            self._tell(self._progress(wait_s))
            await anyio.sleep(wait_s)

    def _progress(self, waits_s: float = 0.0) -> Progress:
        return Progress(self._done, len(self._plan.rooms), waits_s)


def _room_rows(stored: StoredRows, room_id: RoomId) -> RoomRows:
    return RoomRows(stored.rooms.get(room_id), stored.chats.get(room_id, ()))


def _description(seen: RoomSnapshot, verdict: Verdict) -> str | None:
    """A room that the bot manages, described; None for any other room."""
    match verdict:
        case Space(owner=owner):
            return f"{owner}: Space"
        case Chat(owner=owner, chat_id=chat_id):
            return f"{owner}: {chat_id or 'chat'}"
        case Skipped() | Conflict() if seen.marker is not None:
            return f"{seen.marker.owner}: {seen.marker.chat_id or seen.marker.kind}"
        case Skipped() | Conflict():
            return "marked by the bot" if seen.marker_fault is not None else None
        case _:
            assert_never(verdict)


def _predecessors(verdict: Verdict) -> frozenset[RoomId]:
    return verdict.replaces if isinstance(verdict, Chat | Space) else frozenset()


def _skip_reason(verdict: Verdict) -> str:
    return str(verdict.reason) if isinstance(verdict, Skipped | Conflict) else ""


if __name__ == "__main__":
    # Adapters may not import the supervisor, which has the command, so it is run as a module.
    sys.argv[1:1] = ["reset"]
    runpy.run_module("supervisor", run_name="__main__", alter_sys=True)
