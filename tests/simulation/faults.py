"""What goes wrong with requests: by chance, or as a test has planned it."""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from actors.model import RoomId
from actors.ports import Homeserver


class Fault(StrEnum):
    """One way in which a request goes wrong."""

    REFUSE_BEFORE = "refuse_before"
    """HomeserverUnavailable; nothing was done."""
    AFTER_EFFECT = "after_effect"
    """HomeserverUnavailable; it was done all the same."""
    HANG_BEFORE = "hang_before"
    """No answer, HomeserverUnavailable after 30 s; nothing was done."""
    HANG_AFTER = "hang_after"
    """No answer, HomeserverUnavailable after 30 s; it was done all the same."""
    LATE = "late"
    """HomeserverUnavailable; it is done some seconds later. Reads fail with nothing done."""
    SERVER_ERROR = "server_error"
    """A 5xx: HomeserverUnavailable; nothing was done."""
    RATE_LIMITED = "rate_limited"
    """RateLimited; nothing was done."""
    REFUSED = "refused"
    """HomeserverRefused; nothing was done. CredentialsRefused where it is `log_in`."""
    REVOKED = "revoked"
    """SessionRevoked, now and until the next `log_in`; nothing was done."""


NEVER_REFUSED_BY_CHANCE: Final = frozenset({
    "log_in", "probe", "hydrate", "sync", "joined_rooms", "messages_before", "join", "leave",
    "send",
})  # fmt: skip
"""Requests that a sane homeserver does not answer with a 4xx, so that only a plan may do it."""

NEVER_LATE_BY_CHANCE: Final = frozenset({"write_marker", "set_name", "unlink", "leave", "forget"})
"""Requests that would undo a later one of their kind."""


@dataclass(slots=True)
class _Planned:
    method: str
    fault: Fault
    room_id: RoomId | None


class Faults:
    """Chooses a fault, or none, for each request.

    `rates` gives the probability of each fault at each request. `overlap` is the probability that
    a sync repeats some of what an earlier one has said; with `shuffle` the rooms of a sync come in
    any order. `fired` records what was chosen.
    """

    def __init__(
        self,
        rng: random.Random,
        rates: Mapping[Fault, float] | None = None,
        *,
        retry_after_s: float = 5.0,
        overlap: float = 0.0,
        shuffle: bool = False,
    ) -> None:
        self.rng = rng
        self.rates = dict(rates or {})
        self.retry_after_s = retry_after_s
        self.overlap = overlap
        self.shuffle = shuffle
        self.lost_creations = 0.0
        """The chance that a room is created and the answer lost, beside all others."""
        self.fired: list[tuple[str, Fault]] = []
        self._planned: deque[_Planned] = deque()

    def next(
        self, method: str, fault: Fault, *, room_id: RoomId | None = None, times: int = 1
    ) -> None:
        """Plan a fault for the next calls of a method of the port, or only those about a room."""
        if not hasattr(Homeserver, method):
            raise ValueError(f"The port has no method {method}")
        self._planned.extend(_Planned(method, fault, room_id) for _ in range(times))

    @property
    def planned(self) -> int:
        """How many planned faults are still to come."""
        return len(self._planned)

    def choose(self, method: str, room_id: RoomId | None = None) -> Fault | None:
        """What goes wrong with this request; None for nothing."""
        fault = self._take_planned(method, room_id) or self._draw(method)
        if fault is not None:
            self.fired.append((method, fault))
        return fault

    def healed(self) -> None:
        """End all faults, planned ones included."""
        self.rates.clear()
        self.lost_creations = 0.0
        self.overlap = 0.0
        self.shuffle = False
        self._planned.clear()

    def _take_planned(self, method: str, room_id: RoomId | None) -> Fault | None:
        for planned in self._planned:
            if planned.method == method and planned.room_id in {None, room_id}:
                self._planned.remove(planned)
                return planned.fault
        return None

    def _draw(self, method: str) -> Fault | None:
        if method == "create_room" and self.rng.random() < self.lost_creations:
            return Fault.AFTER_EFFECT
        if not self.rates:
            return None
        draw = self.rng.random()
        for fault in Fault:
            draw -= self.rates.get(fault, 0.0)
            if draw < 0:
                return None if _is_insane(method, fault) else fault
        return None


def _is_insane(method: str, fault: Fault) -> bool:
    if method == "log_in" and fault is Fault.REVOKED:
        return True
    if fault is Fault.LATE:
        return method in NEVER_LATE_BY_CHANCE
    return fault is Fault.REFUSED and method in NEVER_REFUSED_BY_CHANCE
