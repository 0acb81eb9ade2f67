"""Slots: how many questions the platform is asked at a time, in all and for one owner."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from actors.model import UserId


class Slots:
    """Lends slots in the order of arrival; an owner with all of theirs lets others go first."""

    def __init__(self, total: int, for_one_owner: int) -> None:
        self._free = total
        self._for_one_owner = for_one_owner
        self._lent = Counter[UserId]()
        self._waiting: list[tuple[UserId, anyio.Event]] = []

    @asynccontextmanager
    async def of(self, owner: UserId) -> AsyncIterator[None]:
        """Wait for a slot, and keep it while the body runs."""
        mine = owner, anyio.Event()
        self._waiting.append(mine)
        self._lend()
        try:
            await mine[1].wait()
            yield
        finally:
            if mine[1].is_set():
                self._give_back(owner)
            else:
                self._waiting.remove(mine)

    def _give_back(self, owner: UserId) -> None:
        self._free += 1
        self._lent[owner] -= 1
        if not self._lent[owner]:
            del self._lent[owner]
        self._lend()

    def _lend(self) -> None:
        """Lend the free slots to those that have waited longest."""
        passed_over = []
        for place, (owner, turn) in enumerate(self._waiting):
            if not self._free:
                passed_over += self._waiting[place:]
                break
            if self._lent[owner] >= self._for_one_owner:
                passed_over.append((owner, turn))
                continue
            self._free -= 1
            self._lent[owner] += 1
            turn.set()
        self._waiting = passed_over
