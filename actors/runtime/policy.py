"""The decisions about failing actors that a program makes for the runtime."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from actors.runtime.letters import Address, Message
from actors.runtime.restart import Backoff, CrashWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeBounds:
    """The bounds of the runtime. Times are in seconds."""

    restart: Backoff = Backoff()
    """The pause after a crash."""
    probe: Backoff = Backoff(base_s=30.0, cap_s=900.0, floor_s=30.0)
    """The pause before each probe of a quarantined actor."""
    crashes: CrashWindow = CrashWindow()
    """The number of crashes that quarantine an actor."""
    healthy_after_s: float = 60.0
    """A part of the program that has worked for this long without a failure is well: its next pause
    after a failure is the shortest again."""
    crashed_within_s: float = 30.0
    """An actor that crashed has this long to record what must outlive it."""
    leave_within_s: float = 5.0
    """Leaving the system waits this long for tasks that do not end when they are cancelled."""
    passivate_after_s: float = 900.0
    """An actor that was idle for this long leaves memory."""
    tick_s: float = 60.0
    """The time between two searches for idle actors."""


class Policy(Protocol):
    """Decisions about failures. The runtime calls every method synchronously, in the event loop."""

    def pause_s(self, error: Exception) -> float | None:
        """The pause after an error that is no crash; None for a crash."""
        ...

    def shared_by(
        self, address: Address, error: Exception, active: Callable[[str, float], int]
    ) -> Collection[Address] | None:
        """The actors that share this failure; None when the failure concerns this actor alone.

        An empty collection says that the cause is already known to lie outside. `active(kind,
        within_s)` counts the actors of a kind that are busy, or were within so many seconds.
        """
        ...

    def is_charged(self, address: Address, error: Exception) -> bool:
        """Whether a crash counts towards the actor's quarantine."""
        ...

    def probe_with(self, address: Address) -> Message:
        """The message that shows whether a quarantined actor is well again."""
        ...

    def ends_with_outage(self, error: Exception) -> bool:
        """Whether an actor that this error quarantined is probed as soon as an outage is over."""
        ...

    def quarantined(self, address: Address, error: Exception, probe_in_s: float) -> None:
        """Receives the news that an actor was quarantined; its next probe is in `probe_in_s`."""
        ...

    def probed(self, address: Address, probe: int) -> None:
        """Receives the news that a quarantined actor is probed now; `probe` counts from 1."""
        ...
