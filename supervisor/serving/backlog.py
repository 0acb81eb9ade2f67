"""How many messages wait in the inbox, and whether reading pauses because of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from actors.messages import room_address
from actors.model import RoomId
from actors.services import Services

_log = structlog.get_logger()


@dataclass(slots=True)
class Backlog:
    """The waiting messages of all rooms. One value serves all runs of the pump."""

    services: Services
    paused: str = field(default="", init=False)
    """Why reading pauses; empty while the bot reads on."""

    async def space(self) -> "Space":
        """The space that each room has in the inbox now."""
        # Their actors go on to fill the inbox while the database counts.
        filling = frozenset(self.services.registry.gaps)
        waiting = await self.services.store.waiting_counts()
        return Space(self.services.bounds.inbox_room_limit, waiting, filling)

    async def is_full(self) -> bool:
        """Whether more than `Bounds.inbox_limit` messages wait in rooms that are well.

        Other rooms are left out: their messages wait for something else than the bot, and reading
        less would not help them. Each of them has at most `Bounds.inbox_room_limit` messages.
        """
        limit = self.services.bounds.inbox_limit
        waiting = await self.services.store.waiting_counts()
        return sum(count for room, count in waiting.items() if self.is_well(room)) > limit

    def is_well(self, room_id: RoomId) -> bool:
        """Whether the messages of a room wait for nothing but their turn."""
        registry = self.services.registry
        held = room_id in registry.gaps or room_id in registry.stalled
        held |= self.services.replies.waits(room_id)
        return not held and not self.services.system.is_failing(room_address(room_id))

    def pause(self) -> None:
        """Note that reading pauses."""
        limit = self.services.bounds.inbox_limit
        self.paused = f"reading pauses: more than {limit} messages wait to be handled"
        _log.warning("reading_paused", limit=limit)

    def resume(self) -> None:
        """Note that reading goes on."""
        if self.paused:
            self.paused = ""
            _log.info("reading_resumed")


@dataclass(frozen=True, slots=True)
class Space:
    """The space in the inbox at one moment: `limit` messages a room, less those that wait.

    `filling` are the rooms whose gaps take the space.
    """

    limit: int
    waiting: Mapping[RoomId, int]
    filling: frozenset[RoomId] = frozenset()

    def left(self, room_id: RoomId) -> int:
        """How many more messages of a room the inbox takes."""
        if room_id in self.filling:
            return 0
        return max(0, self.limit - self.waiting.get(room_id, 0))
