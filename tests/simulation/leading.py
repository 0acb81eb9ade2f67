"""Leadership of a bot that is alone."""

import math
from typing import final

import anyio
from anyio.lowlevel import checkpoint

from actors.leadership import NO_LEASE, Lead, Standing


@final
class SoleLeader:
    """Implements `actors.leadership.Leadership`: it leads at once, and for ever."""

    @property
    def standing(self) -> Standing:
        """It leads."""
        return Standing(leads=True, epoch=NO_LEASE, leader="alone")

    async def lead(self) -> Lead:
        """Return at once."""
        await checkpoint()
        return Lead(NO_LEASE, "alone")

    def remaining_s(self) -> float:
        """For ever."""
        return math.inf

    async def keep(self) -> str:
        """Never return."""
        await anyio.sleep_forever()
        raise AssertionError

    async def resign(self) -> None:
        """Do nothing."""
        await checkpoint()
