"""Deletes settled messages now and then."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from actors.bounds import Bounds
from actors.ports import StateStore
from actors.rules.ages import AgeLimit


@dataclass(slots=True)
class Pruner:
    """Deletes settled messages that are older than `Bounds.keep_s`."""

    store: StateStore
    wall_clock: Callable[[], float]
    bounds: Bounds
    _pruned_at: float = field(default=-math.inf, init=False)
    _old: AgeLimit | None = field(default=None, init=False)
    """Which settled messages are old enough to be deleted; None before the first look."""

    async def prune(self) -> None:
        """Delete old messages, unless that was done within `Bounds.prune_every_s`."""
        now = anyio.current_time()
        if now - self._pruned_at >= self.bounds.prune_every_s:
            self._pruned_at = now
            limit = self._old or AgeLimit(self.bounds.keep_s)
            self._old = limit.at(self.wall_clock(), now)
            await self.store.prune(before=self._old.before(now))
