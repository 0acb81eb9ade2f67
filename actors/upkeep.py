"""Writes missing markers and links to the homeserver, one write at a time.

Reconciliation writes nothing to the homeserver; what rooms lack there is left to upkeep. Upkeep
reads before it writes, and waits as long as the homeserver asks. It works only while the bot is
live: what it has not written by then is found again by a later reconciliation.
"""

import heapq
from collections import Counter, OrderedDict
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final

import anyio
import structlog

from actors.bounds import Bounds
from actors.gate import Gate
from actors.messages import IntentsWaiting, RoomChanged, owner_address, room_address
from actors.model import DEFAULT_CHAT_SETTINGS, ChatSettings, Marker, RoomId, RoomKind, UserId
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedUnclearly,
)
from actors.ports import Homeserver
from actors.rules.classify import Chat
from actors.rules.numbering import order_of
from actors.rules.settlement import DesiredRows
from actors.runtime.restart import WELL, Streak
from actors.runtime.system import ActorSystem
from actors.snapshots import RoomSnapshot

_log = structlog.get_logger()


_NOTHING: Final[frozenset[RoomId]] = frozenset()


@dataclass(frozen=True, slots=True)
class Due:
    """What one room lacks on the homeserver.

    `marker` and `settings` are to be written, if they are not None. The Space `link_to` is to list
    the room at the place `order`, and to list the rooms in `unlink` no longer.
    """

    room_id: RoomId
    owner: UserId
    marker: Marker | None
    link_to: RoomId | None = None
    order: str = ""
    unlink: frozenset[RoomId] = _NOTHING
    settings: ChatSettings | None = None


def due_for(
    room_id: RoomId, desired: DesiredRows, verdict: Chat | None, marker: Marker | None
) -> Due | None:
    """What a settled room with this marker lacks; None if it lacks nothing. Pure."""
    wanted = marker_for(desired, marker)
    link_to, unlink, settings = None, _NOTHING, None
    if verdict is not None:
        unlink = verdict.outdated_links
        link_to = verdict.space_id if unlink or not verdict.linked else None
        if verdict.moved_settings != DEFAULT_CHAT_SETTINGS:
            settings = verdict.moved_settings
    if wanted == marker and link_to is None and not unlink and settings is None:
        return None
    return Due(
        room_id,
        desired.room.matrix_user_id,
        None if wanted == marker else wanted,
        link_to,
        order_of(desired.room.chat_id),
        unlink,
        settings,
    )


def marker_for(desired: DesiredRows, marker: Marker | None) -> Marker:
    """The marker that says what was settled. It never lowers a high-water mark. Pure."""
    room, chat = desired.room, desired.chat
    intent = marker.intent if marker else None
    if chat is None:
        mark = max(desired.next_chat_index or 1, (marker and marker.next_chat_index) or 1)
        return Marker(RoomKind.SPACE, room.matrix_user_id, next_chat_index=mark, intent=intent)
    return Marker(
        RoomKind.CHAT,
        room.matrix_user_id,
        chat_id=chat.chat_id,
        space_id=room.space_id,
        platform_chat_id=room.platform_chat_id,
        archived=chat.is_archived,
        intent=intent,
    )


class Outcome(Enum):
    """The outcome of one attempt to write what a room lacks."""

    DONE = auto()
    LIMITED = auto()
    """The homeserver's limit was waited out: the room is next."""
    FAILED = auto()


class Upkeep:
    """The list of what rooms lack, and one worker that writes it while the bot is live."""

    def __init__(
        self,
        homeserver: Homeserver,
        system: ActorSystem,
        gate: Gate,
        *,
        random: Random,
        bounds: Bounds,
    ) -> None:
        self._homeserver = homeserver
        self._system = system
        self._gate = gate
        self._random = random
        self._bounds = bounds
        self._due: dict[RoomId, Due] = {}
        self._of_owner: Counter[UserId] = Counter()
        """The number of rooms of each owner that lack something."""
        self._turns: OrderedDict[RoomId, None] = OrderedDict()
        """The rooms to be looked at now, in their order."""
        self._later: list[tuple[float, RoomId]] = []
        """A heap of the rooms that have failed, with the time of their next turn."""
        self._streaks: dict[RoomId, Streak] = {}
        """The failures of each room that has failed."""
        self._noted = anyio.Event()
        """Set when a room gets a turn; replaced by a new event each time."""
        self._working = False

    def want(self, due: Due) -> None:
        """Note what a room lacks; this replaces an earlier note about the room."""
        is_news = self._due.get(due.room_id) != due
        self._remove(due.room_id)
        self._due[due.room_id] = due
        self._of_owner[due.owner] += 1
        if is_news or due.room_id not in self._streaks:
            self._turns[due.room_id] = None
            self._noted.set()
        self.start()

    def settled(self, room_id: RoomId) -> None:
        """Note that a room lacks nothing, or that the bot does not manage it any more."""
        self._remove(room_id)
        self._turns.pop(room_id, None)
        self._streaks.pop(room_id, None)

    def outage_is_over(self) -> None:
        """Give every room that has failed its turn now."""
        self._turns.update((room_id, None) for _, room_id in sorted(self._later))
        self._later.clear()
        self._noted.set()

    def pending(self, owner: UserId) -> bool:
        """Whether a room of the owner lacks something. No new number is given out before."""
        return owner in self._of_owner

    @property
    def due_count(self) -> int:
        """The number of rooms that lack something."""
        return len(self._due)

    def lacks(self, room_id: RoomId) -> bool:
        """Whether a room lacks something."""
        return room_id in self._due

    def start(self) -> None:
        """Start the worker, if the bot is live and the worker is not running."""
        if self._due and self._gate.live and not self._working:
            self._working = True
            self._system.background.run(self._work)

    async def _work(self) -> None:
        try:
            while self._due and self._gate.live:
                due = await self._next()
                if due is not None and not await self._try(due):
                    await anyio.sleep(self._bounds.upkeep_again_s)
        finally:
            self._working = False

    async def _next(self) -> Due | None:
        """The first room whose turn it is. Without one, wait for a turn, and return None."""
        now = anyio.current_time()
        while self._later and self._later[0][0] <= now:
            self._turns.setdefault(heapq.heappop(self._later)[1])
        if self._turns:
            return self._due.get(self._turns.popitem(last=False)[0])
        self._noted = anyio.Event()
        with anyio.move_on_after(self._later[0][0] - now if self._later else None):
            await self._noted.wait()
        return None

    async def _try(self, due: Due) -> bool:
        """Write what one room lacks. False: it failed, and gets another turn later.

        A failure of any kind costs this room its turn, so that no bug ends the upkeep of others.
        """
        outcome = await self._written(due)
        if outcome is Outcome.LIMITED:
            self._turns.setdefault(due.room_id)
            self._turns.move_to_end(due.room_id, last=False)
        elif outcome is Outcome.FAILED:
            self._try_later(due.room_id)
        else:
            self._done(due)
        return outcome is not Outcome.FAILED

    async def _written(self, due: Due) -> Outcome:
        outcome = Outcome.FAILED

        async def write() -> None:
            nonlocal outcome
            try:
                await self._do(due)
            except RateLimited as limit:
                await anyio.sleep(limit.retry_after_s)
                outcome = Outcome.LIMITED
                return
            except (HomeserverUnavailable, RefusedUnclearly) as error:
                _log.info("upkeep_waits", room_id=due.room_id, reason=str(error))
                return
            except HomeserverRefused as refusal:
                if self._failures(due.room_id) + 1 < self._bounds.upkeep_refusals:
                    _log.info("upkeep_waits", room_id=due.room_id, reason=str(refusal))
                    return
                _log.warning("upkeep_refused", room_id=due.room_id, reason=str(refusal))
            outcome = Outcome.DONE

        await self._system.background.guarded(write)
        return outcome

    def _failures(self, room_id: RoomId) -> int:
        return self._streaks.get(room_id, WELL).failures

    def _try_later(self, room_id: RoomId) -> None:
        """Give a room its next turn after a pause, which grows with each failure."""
        now, bounds = anyio.current_time(), self._bounds
        streak = self._streaks.get(room_id, WELL).failed(now, bounds.healthy_after_s)
        self._streaks[room_id] = streak
        delay_s = bounds.upkeep.delay_s(streak.failures, self._random)
        heapq.heappush(self._later, (now + delay_s, room_id))

    async def _do(self, due: Due) -> None:
        homeserver = self._homeserver
        if due.marker is not None or due.settings is not None:
            await self._do_in_room(due, await homeserver.read_room(due.room_id))
        if due.link_to is not None:
            space = await homeserver.read_room(due.link_to)
            if due.room_id not in space.children:
                await homeserver.link(due.link_to, due.room_id, due.order * space.is_ordered)
                _log.info("room_linked", room_id=due.room_id, space_id=due.link_to)
            for outdated in sorted(due.unlink & space.children):
                await homeserver.unlink(due.link_to, outdated)
        # The room stays dirty until it is seen to lack nothing.
        room = room_address(due.room_id)
        self._system.tell_later(self._bounds.look_again_s, room, RoomChanged())

    async def _do_in_room(self, due: Due, seen: RoomSnapshot) -> None:
        """Write the marker and the settings, if the room still lacks them."""
        homeserver = self._homeserver
        is_unmarked = due.marker != seen.marker and seen.marker_fault is None
        if due.marker is not None and is_unmarked:
            await homeserver.write_marker(due.room_id, due.marker)
            _log.info("marker_written", room_id=due.room_id, owner=due.owner)
        if due.settings is not None and seen.settings is None:
            await homeserver.contents.write_settings(due.room_id, due.settings)
            _log.info("settings_moved", room_id=due.room_id, owner=due.owner)

    def _remove(self, room_id: RoomId) -> None:
        due = self._due.pop(room_id, None)
        if due is None:
            return
        self._of_owner[due.owner] -= 1
        if not self._of_owner[due.owner]:
            del self._of_owner[due.owner]

    def _done(self, due: Due) -> None:
        if self._due.get(due.room_id) == due:
            self.settled(due.room_id)
        if not self.pending(due.owner):
            self._system.tell(owner_address(due.owner), IntentsWaiting())
