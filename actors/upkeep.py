"""Writes missing markers and links to the homeserver, one write at a time.

Reconciliation writes nothing to the homeserver; what rooms lack there is left to upkeep. Upkeep
reads before it writes, and waits as long as the homeserver asks. It works only while the bot is
live: what it has not written by then is found again by a later reconciliation.
"""

from dataclasses import dataclass
from typing import Final

import anyio
import structlog

from actors.gate import Gate
from actors.messages import IntentsWaiting, owner_address
from actors.model import Marker, RoomId, RoomKind, UserId
from actors.ports import (
    Homeserver,
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedUnclearly,
)
from actors.rules.classify import Chat
from actors.rules.settlement import DesiredRows
from actors.runtime.system import ActorSystem

_log = structlog.get_logger()


_NOTHING: Final[frozenset[RoomId]] = frozenset()


@dataclass(frozen=True, slots=True)
class Due:
    """What one room lacks on the homeserver.

    `marker` is to be written, if it is not None. The Space `link_to` is to list the room, and to
    list the rooms in `unlink` no longer.
    """

    room_id: RoomId
    owner: UserId
    marker: Marker | None
    link_to: RoomId | None = None
    unlink: frozenset[RoomId] = _NOTHING


def due_for(
    room_id: RoomId, desired: DesiredRows, verdict: Chat | None, marker: Marker | None
) -> Due | None:
    """What a settled room with this marker lacks; None if it lacks nothing. Pure."""
    wanted = marker_for(desired, marker)
    link_to, unlink = None, _NOTHING
    if verdict is not None:
        link_to = None if verdict.linked else verdict.space_id
        unlink = verdict.outdated_links
    if wanted == marker and link_to is None and not unlink:
        return None
    owner = desired.room.matrix_user_id
    return Due(room_id, owner, None if wanted == marker else wanted, link_to, unlink)


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


class Upkeep:
    """The list of what rooms lack, and one worker that writes it while the bot is live."""

    def __init__(
        self, homeserver: Homeserver, system: ActorSystem, gate: Gate, *, again_s: float
    ) -> None:
        self._homeserver = homeserver
        self._system = system
        self._gate = gate
        self._again_s = again_s
        self._due: dict[RoomId, Due] = {}
        self._working = False

    def want(self, due: Due) -> None:
        """Note what a room lacks; this replaces an earlier note about the room."""
        self._due[due.room_id] = due
        self.start()

    def settled(self, room_id: RoomId) -> None:
        """Note that a room lacks nothing, or that the bot does not manage it any more."""
        self._due.pop(room_id, None)

    def pending(self, owner: UserId) -> bool:
        """Whether a room of the owner lacks something. No new number is given out before."""
        return any(due.owner == owner for due in self._due.values())

    @property
    def due_count(self) -> int:
        """The number of rooms that lack something."""
        return len(self._due)

    @property
    def busy(self) -> bool:
        """Whether any room lacks something."""
        return bool(self._due)

    def start(self) -> None:
        """Start the worker, if the bot is live and the worker is not running."""
        if self._due and self._gate.live and not self._working:
            self._working = True
            self._system.background.run(self._work)

    async def _work(self) -> None:
        try:
            while self._due and self._gate.live:
                due = next(iter(self._due.values()))
                try:
                    await self._do(due)
                except RateLimited as limit:
                    await anyio.sleep(limit.retry_after_s)
                    continue
                except (HomeserverUnavailable, RefusedUnclearly) as error:
                    _log.info("upkeep_waits", room_id=due.room_id, reason=str(error))
                    await anyio.sleep(self._again_s)
                    self._put_last(due)
                    continue
                except HomeserverRefused as refusal:
                    _log.warning("upkeep_refused", room_id=due.room_id, reason=str(refusal))
                self._done(due)
        finally:
            self._working = False

    async def _do(self, due: Due) -> None:
        homeserver = self._homeserver
        if due.marker is not None:
            seen = await homeserver.read_room(due.room_id)
            if seen.marker != due.marker and seen.marker_fault is None:
                await homeserver.write_marker(due.room_id, due.marker)
                _log.info("marker_written", room_id=due.room_id, owner=due.owner)
        if due.link_to is not None:
            space = await homeserver.read_room(due.link_to)
            if due.room_id not in space.children:
                await homeserver.link(due.link_to, due.room_id)
                _log.info("room_linked", room_id=due.room_id, space_id=due.link_to)
            for outdated in sorted(due.unlink & space.children):
                await homeserver.unlink(due.link_to, outdated)

    def _put_last(self, due: Due) -> None:
        """Move a room that failed behind the others, so that it delays none of them."""
        if due.room_id in self._due:
            self._due[due.room_id] = self._due.pop(due.room_id)

    def _done(self, due: Due) -> None:
        if self._due.get(due.room_id) == due:
            del self._due[due.room_id]
        if not self.pending(due.owner):
            self._system.tell(owner_address(due.owner), IntentsWaiting())
