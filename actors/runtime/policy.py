"""What a program decides about actors that fail; the runtime asks, and does what follows."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from actors.runtime.letters import Address, Message
from actors.runtime.restart import Backoff, CrashWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeBounds:
    """The runtime's numbers. Times are in seconds."""

    restart: Backoff = Backoff()
    """The pause after a failed handler."""
    probe: Backoff = Backoff(base_s=30.0, cap_s=900.0, floor_s=30.0)
    """The pause between two probes of a quarantined actor."""
    crashes: CrashWindow = CrashWindow()
    """Failures that quarantine an actor."""
    passivate_after_s: float = 900.0
    """An actor that is idle for so long leaves memory."""
    tick_s: float = 60.0
    """How often idle actors are looked for."""


class Policy(Protocol):
    """Decisions about failures. Synchronous; every method is asked inside the event loop."""

    def pause_s(self, error: Exception) -> float | None:
        """How long an actor rests over an error that is no crash; None: it is a crash."""
        ...

    def shared_by(
        self, address: Address, error: Exception, active: Callable[[str, float], int]
    ) -> Collection[Address] | None:
        """The actors that fail as this one does now; None where the failure is its own affair.

        An empty set says that the cause is known to be outside. `active` counts the actors of a
        kind that are at work, or were within so many seconds.
        """
        ...

    def is_charged(self, address: Address, error: Exception) -> bool:
        """Whether a crash counts towards the actor's quarantine."""
        ...

    def probe_with(self, address: Address) -> Message:
        """What a quarantined actor is told to find out whether it is well."""
        ...

    def ends_with_outage(self, error: Exception) -> bool:
        """Whether an actor in quarantine because of this error is probed when an outage is over."""
        ...

    def quarantined(self, address: Address, error: Exception, probe_in_s: float) -> None:
        """An actor was set aside, until a probe in so many seconds."""
        ...

    def probed(self, address: Address, probe: int) -> None:
        """A quarantined actor is about to be probed for the nth time, counted from 1."""
        ...
