"""Taking the bot out of its rooms: which those are, in what order, and nothing but those.

Run as a program (`python -m adapter.matrix.reset`) this is `surfaces-bot reset`.
"""

import runpy
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar, assert_never

import anyio

from actors.model import RoomId, RoomSnapshot, UserId
from actors.ports import (
    Homeserver,
    HomeserverRefused,
    HomeserverUnavailable,
    Hydration,
    RateLimited,
)
from actors.rows import StoredRows
from actors.rules.classify import Chat, Conflict, RoomRows, Skipped, Space, Verdict, classify
from actors.rules.relations import room_graph
from actors.runtime.restart import Backoff
from adapter.matrix.checklist import Checklist

ATTEMPTS: Final = 5
"""So many requests in a row without an answer, and the reset is given up for now."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Departure:
    """What is going to be done about each joined room.

    Chats stand before Spaces: what a run that is cut off leaves behind can still be recognised.
    """

    leave: Mapping[RoomId, str]
    """Rooms that the bot manages, each with what it is."""
    forget: tuple[RoomId, ...]
    """Rooms that an earlier run has left already."""
    alone: Mapping[RoomId, str]
    """Joined rooms that are left alone, each with the reason."""

    @property
    def rooms(self) -> tuple[RoomId, ...]:
        """Everything to be left or forgotten, in order."""
        return (*self.leave, *self.forget)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. `waits_s` is for how long the homeserver wants to be left in peace."""

    done: int
    total: int
    waits_s: float = 0.0


@dataclass(slots=True)
class Departed:
    """What became of it."""

    left: int = 0
    forgotten: int = 0
    still_in: dict[RoomId, str] = field(default_factory=dict)
    """Rooms that the homeserver did not let us leave, each with its reason."""
    remembered: dict[RoomId, str] = field(default_factory=dict)
    """Rooms that we left, but that the homeserver would not forget."""


def departure(
    hydration: Hydration, stored: StoredRows, me: UserId, left_over: Iterable[RoomId] = ()
) -> Departure:
    """Decide about every joined room. Pure.

    The bot manages what it recognises as a chat or a Space, what has a marker of its own, and what
    such a room was upgraded from. `left_over` is what a run that was cut off did not come to.
    """
    graph = room_graph(hydration.snapshots, stored.users, me)
    verdicts = {
        room_id: classify(seen, graph.relations(seen), _record(stored, room_id), me)
        for room_id, seen in graph.rooms.items()
    }
    pending = tuple(left_over)
    ours = dict.fromkeys(pending, "left over from an unfinished reset")
    for verdict in verdicts.values():
        ours |= dict.fromkeys(_predecessors(verdict), "upgraded since")
    for room_id, seen in graph.rooms.items():
        if what := _what(seen, verdicts[room_id]):
            ours[room_id] = what
    joined = {room_id: _why_alone(verdict) for room_id, verdict in verdicts.items()}
    joined |= {
        room_id: f"unreadable: {why}" for room_id, why in (hydration.unreadable or {}).items()
    }

    def order(room_id: RoomId) -> tuple[bool, str, RoomId]:
        seen = graph.rooms.get(room_id)
        return seen is not None and seen.is_space, ours[room_id], room_id

    return Departure(
        leave={room_id: ours[room_id] for room_id in sorted(joined.keys() & ours, key=order)},
        forget=tuple(room_id for room_id in pending if room_id not in joined),
        alone={room_id: why for room_id, why in joined.items() if room_id not in ours},
    )


async def depart(
    homeserver: Homeserver,
    plan: Departure,
    checklist: Checklist,
    *,
    random: Random,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Departed:
    """Leave and forget what is planned, one room after the other, and look whether we are out.

    Rate limits are waited for. A room that the homeserver will not let go is noted, and the others
    go on. The checklist stays: whoever is content with the outcome removes it. Raises
    HomeserverUnavailable, SessionRevoked, StoreUnavailable; calling it again goes on from there.
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
        """Whether we are out."""
        try:
            await self._patiently(lambda: self._homeserver.leave(room_id))
        except HomeserverRefused as refusal:
            # A repeated request is refused as well, and then all is well.
            if room_id in await self._patiently(self._homeserver.joined_rooms):
                self._outcome.still_in[room_id] = str(refusal)
                return False
        self._outcome.left += 1
        return True

    async def _forget(self, room_id: RoomId) -> None:
        try:
            await self._patiently(lambda: self._homeserver.forget(room_id))
        except HomeserverRefused as refusal:
            self._outcome.remembered[room_id] = str(refusal)
        else:
            self._outcome.forgotten += 1
            self._checklist.tick(room_id)

    async def _verify(self) -> None:
        """Believe the homeserver's list of joined rooms more than its answers."""
        joined = await self._patiently(self._homeserver.joined_rooms)
        for room_id in self._plan.rooms:
            if room_id in joined and room_id not in self._outcome.still_in:
                self._outcome.still_in[room_id] = "the homeserver still counts us as joined"

    async def _patiently(self, request: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Repeat a request that may be repeated until it has an answer."""
        failures = 0
        while True:
            try:
                return await request()
            except RateLimited as limit:
                wait_s = limit.retry_after_s
            except HomeserverUnavailable:
                failures += 1
                if failures == ATTEMPTS:
                    raise
                wait_s = Backoff().delay_s(failures, self._random)
            self._tell(self._progress(wait_s))
            await anyio.sleep(wait_s)

    def _progress(self, waits_s: float = 0.0) -> Progress:
        return Progress(self._done, len(self._plan.rooms), waits_s)


def _record(stored: StoredRows, room_id: RoomId) -> RoomRows:
    return RoomRows(stored.rooms.get(room_id), stored.chats.get(room_id, ()))


def _what(seen: RoomSnapshot, verdict: Verdict) -> str | None:
    """What a room is to the bot; None where it is none of its own."""
    match verdict:
        case Space(owner=owner):
            return f"{owner}: Space"
        case Chat(owner=owner, chat_id=chat_id):
            return f"{owner}: {chat_id or 'chat'}"
        case Skipped() | Conflict() if seen.marker is not None:
            return f"{seen.marker.owner}: {seen.marker.chat_id or seen.marker.kind}"
        case Skipped() | Conflict():
            return "marked as ours" if seen.marker_fault is not None else None
        case _:
            assert_never(verdict)


def _predecessors(verdict: Verdict) -> frozenset[RoomId]:
    return verdict.replaces if isinstance(verdict, Chat | Space) else frozenset()


def _why_alone(verdict: Verdict) -> str:
    return str(verdict.reason) if isinstance(verdict, Skipped | Conflict) else ""


if __name__ == "__main__":
    # The command belongs to the program, which the adapters do not know: it is run, not imported.
    sys.argv[1:1] = ["reset"]
    runpy.run_module("supervisor", run_name="__main__", alter_sys=True)
