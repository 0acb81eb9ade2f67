"""Leading by a lease: one row of the database that all processes of a bot share.

What the row holds and how it changes is up to a `LeaseTable`; this module decides when.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, final

import anyio
import structlog

from actors.leadership import Lead, Standing
from actors.port_errors import StoreRefused, StoreUnavailable

LOOKS: Final = 3
"""A lease is renewed so often within the time for which it is good."""
RETRY_S: Final = 0.2
"""The pause after a renewal that failed."""

_log = structlog.get_logger("adapter.sql.lease")


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """A lease. `holder` names the process that took it; `left_s` is 0 or less once it is over."""

    epoch: int
    holder: str
    left_s: float


class LeaseTable(Protocol):
    """The row of one bot, seen by one process. Only the database's clock counts for it.

    Every method ends in bounded time, and raises StoreUnavailable; the change may be made then.
    """

    @property
    def holder(self) -> str:
        """This process, by a name that no other process has."""
        ...

    async def look(self) -> LeaseRow:
        """The row. It exists from the first look on."""
        ...

    async def take(self, ttl_s: float) -> int | None:
        """Take the lease if it is over, or has this holder; a new epoch, or None.

        An epoch is never given twice, although the database may lose its newest commits.
        """
        ...

    async def renew(self, epoch: int, ttl_s: float) -> bool:
        """Let the lease of this epoch end in `ttl_s` seconds. False: the epoch has ended."""
        ...

    async def free(self, epoch: int) -> None:
        """Let the lease of this epoch end now."""
        ...


class Share(Protocol):
    """What one machine leads of many accounts, seen by the process of one of them."""

    def wait_s(self) -> float:
        """How long this process leaves a free lease to other machines."""
        ...

    def note(self, *, leads: bool) -> None:
        """Note whether this process leads, or is about to take the lease."""
        ...


@final
class Alone:
    """Implements `Share` for a process without others beside it: it takes a free lease at once."""

    def wait_s(self) -> float:
        """Not at all."""
        return 0.0

    def note(self, *, leads: bool) -> None:
        """Do nothing."""


@final
class LeaseLeadership:
    """Implements `actors.leadership.Leadership` by a lease.

    `clock` gives seconds and goes on while the machine sleeps. The lease counts from before its
    renewal was sent. `notice` is told who leads, or why it is not known, while this process stands
    by; `alive` is called with each look. `share` says how long a free lease is left to others.
    """

    def __init__(
        self,
        table: LeaseTable,
        *,
        ttl_s: float,
        look_s: float,
        clock: Callable[[], float],
        notice: Callable[[str], None] = lambda _: None,
        alive: Callable[[], None] = lambda: None,
        share: Share | None = None,
    ) -> None:
        self._table = table
        self._share = share or Alone()
        self._free_since: float | None = None
        self._ttl_s = ttl_s
        self._look_s = look_s
        self._clock = clock
        self._notice = notice
        self._alive = alive
        self._lead: Lead | None = None
        self._until = -math.inf
        self._seen = LeaseRow(0, "", 0.0)
        self._said = ""
        self._one_at_a_time = anyio.Lock()

    @property
    def standing(self) -> Standing:
        """Whether this process leads, in which epoch, and which process leads."""
        if self._lead is not None:
            return Standing(leads=True, epoch=self._lead.epoch, leader=self._table.holder)
        seen = self._seen
        leader = seen.holder if seen.left_s > 0 else None
        return Standing(leads=False, epoch=seen.epoch, leader=leader)

    def remaining_s(self) -> float:
        """The seconds that are left of the lease for certain."""
        return max(0.0, self._until - self._clock()) if self._lead is not None else 0.0

    async def check(self) -> None:
        """Raise StoreRefused if the database refuses this program. `lead` waits for one away."""
        try:
            await self._table.look()
        except StoreUnavailable as error:
            if isinstance(error, StoreRefused):
                raise

    async def lead(self) -> Lead:
        """Look at the lease until it can be taken. Not cancelled in the middle of that."""
        self._said = ""
        while True:
            with anyio.CancelScope(shield=True):
                self._lead = await self._taken()
            if self._lead is not None:
                return self._lead
            await anyio.sleep(self._look_s)

    async def _taken(self) -> Lead | None:
        self._alive()
        try:
            self._seen = seen = await self._table.look()
            if seen.left_s > 0 and seen.holder != self._table.holder:
                self._free_since = None
                self._say(f"{seen.holder} leads in epoch {seen.epoch}")
                return None
            if not self._may_take(seen):
                return None
            began = self._clock()
            self._share.note(leads=True)
            epoch = await self._table.take(self._ttl_s)
        except StoreUnavailable as error:
            self._share.note(leads=False)
            self._say(f"the database does not answer: {error}")
            return None
        if epoch is None:  # another process was faster
            self._share.note(leads=False)
            return None
        self._free_since = None
        self._until = began + self._ttl_s
        before = f", after {seen.holder} in epoch {seen.epoch}" if seen.holder else ""
        return Lead(epoch, f"epoch {epoch}{before}")

    def _may_take(self, seen: LeaseRow) -> bool:
        """Whether a free lease was left to other machines for long enough."""
        now = self._clock()
        if self._free_since is None:
            self._free_since = now
        waited_s = now - self._free_since
        return seen.holder == self._table.holder or waited_s >= self._share.wait_s()

    def _say(self, sentence: str) -> None:
        """Log and tell what this process waits for, when it changes."""
        if sentence != self._said:
            self._said = sentence
            _log.info("standing_by", reason=sentence)
            self._notice(sentence)

    async def keep(self) -> str:
        """Renew the lease until that is no longer possible.

        A lease that ended while this process was paused is renewed if no other process took it.
        """
        pause_s = self._ttl_s / LOOKS
        while self._lead is not None:
            await anyio.sleep(min(pause_s, self.remaining_s()))
            with anyio.CancelScope(shield=True):
                async with self._one_at_a_time:
                    failure = await self._renewed(self._lead)
            pause_s = self._ttl_s / LOOKS if failure is None else RETRY_S
            if failure is not None and self.remaining_s() <= 0:
                self._lead = None
                self._share.note(leads=False)
                return failure
        return "this process has resigned"

    async def _renewed(self, lead: Lead | None) -> str | None:
        """Renew the lease; why that failed, or None."""
        if lead is None:
            return None
        began = self._clock()
        try:
            if await self._table.renew(lead.epoch, self._ttl_s):
                self._until = began + self._ttl_s
                return None
        except StoreUnavailable as error:
            _log.warning("lease_not_renewed", left_s=round(self.remaining_s(), 1), error=str(error))
            return f"the lease could not be renewed: {error}"
        self._until = -math.inf
        return f"epoch {lead.epoch} has ended: another process has taken the lease"

    async def resign(self) -> None:
        """Free the lease."""
        lead, self._lead = self._lead, None
        if lead is None:
            return
        self._share.note(leads=False)
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                try:
                    await self._table.free(lead.epoch)
                except StoreUnavailable as error:
                    _log.warning("lease_not_freed", error=str(error))
