"""Keeping the same generation in the database and on the homeserver, and doubting the position.

See `actors.rules.generation` for the decisions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import EventId, Generation, RoomId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, RefusedUnclearly
from actors.ports import Homeserver, StateStore
from actors.rules.generation import Doubt, agreed, doubt_about, prepared
from actors.writes import KeepGeneration

_log = structlog.get_logger()


@dataclass(slots=True)
class Generations:
    """Compares the generations, and replaces them while the bot is live."""

    homeserver: Homeserver
    store: StateStore
    new_id: Callable[[], str]
    bounds: Bounds
    seen: Generation | None = field(default=None, init=False)
    """The homeserver's generation at the latest look."""
    _looked: bool = field(default=False, init=False)
    """Whether the latest look was answered."""
    _agreed_blindly: bool = field(default=False, init=False)
    """Whether the database has a position but no generation, because a look was not answered."""
    _replaced_at: float = field(default=-math.inf, init=False)
    _newest: tuple[RoomId, EventId] | None = field(default=None, init=False)
    """The newest event when the generation was last replaced."""
    _refused: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)

    async def doubt(self) -> Doubt | None:
        """The reason not to believe the stored position, if there is one.

        A homeserver that refuses to show account data leaves the position without a doubt. What it
        shows later is no doubt about a position that this run has saved meanwhile.
        """
        stored, self._looked = await self.store.generation(), False
        try:
            self.seen, self._looked = await self.homeserver.generation(), True
        except HomeserverRefused as refusal:
            _log.warning("generation_unknown", reason=str(refusal))
            return None
        if await self.store.position() is None:
            return None
        if self._agreed_blindly:
            await self.store.commit([await self.agreeing()])
            return None
        doubt = doubt_about(stored, self.seen, self.homeserver.me)
        if doubt is None and await self._newest_event_is_gone():
            return Doubt.EVENT
        return doubt

    async def _newest_event_is_gone(self) -> bool:
        """Whether the homeserver lacks the newest known event, although the bot is in its room.

        Without an answer nothing is known: one room that can't be read must not stop the others.
        """
        newest = await self.store.newest_event()
        if newest is None:
            return False
        try:
            if await self.homeserver.has_event(*newest):
                return False
        except (HomeserverRefused, HomeserverUnavailable):
            return False
        return newest[0] in await self.homeserver.joined_rooms()

    async def agreeing(self) -> KeepGeneration:
        """The write with which the database takes on the homeserver's generation."""
        stored, self._agreed_blindly = await self.store.generation(), not self._looked
        return KeepGeneration(agreed(stored, self.seen, self.homeserver.me))

    def begin(self) -> None:
        """Replace the generation at the next opportunity: the bot has just become live."""
        self._replaced_at = -math.inf

    async def replace(self) -> None:
        """Replace the generation if it is due: the database first, then the homeserver.

        It is due when the bot becomes live, and after `Bounds.generation_s` with news. Raises what
        the ports raise except HomeserverRefused: a refusal only prevents the comparison.
        """
        if self._refused or self._busy:
            return
        self._busy = True
        try:
            if await self._is_due():
                await self._replace()
        except HomeserverRefused as refusal:
            self._refused = not isinstance(refusal, RefusedUnclearly)
            self._replaced_at = anyio.current_time()
            _log.warning("generation_not_kept", reason=str(refusal))
        finally:
            self._busy = False

    async def _is_due(self) -> bool:
        if anyio.current_time() - self._replaced_at < self.bounds.generation_s:
            return False
        if self._replaced_at == -math.inf:
            return True
        return await self.store.newest_event() != self._newest

    async def _replace(self) -> None:
        newest, me = await self.store.newest_event(), self.homeserver.me
        stored = await self.store.generation() or agreed(None, self.seen, me)
        if stored.coming is not None and stored.coming == self.seen:
            stored = agreed(stored, self.seen, me)
        stored = prepared(stored, self.new_id())
        coming = stored.coming
        if coming is None:
            raise RuntimeError("a prepared generation has one that is coming")
        await self.store.commit([KeepGeneration(stored)])
        await self.homeserver.keep_generation(coming)
        self.seen = coming
        await self.store.commit([KeepGeneration(agreed(stored, coming, me))])
        self._replaced_at, self._newest = anyio.current_time(), newest
