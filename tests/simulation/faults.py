"""Faults of requests: at random, or planned by a test."""

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from actors.model import RoomId
from actors.own_account import OwnAccount
from actors.ports import Homeserver
from actors.room_contents import RoomContents


class Fault(StrEnum):
    """One kind of fault: the error that the request raises, and whether it took effect."""

    REFUSE_BEFORE = "refuse_before"
    """HomeserverUnavailable; no effect."""
    AFTER_EFFECT = "after_effect"
    """HomeserverUnavailable, but the request took effect."""
    HANG_BEFORE = "hang_before"
    """No answer, HomeserverUnavailable after 30 s; no effect."""
    HANG_AFTER = "hang_after"
    """No answer, HomeserverUnavailable after 30 s, but the request took effect."""
    LATE = "late"
    """HomeserverUnavailable; the request takes effect some seconds later. Reads just fail."""
    SERVER_ERROR = "server_error"
    """A 5xx: HomeserverUnavailable; no effect."""
    RATE_LIMITED = "rate_limited"
    """RateLimited; no effect."""
    REFUSED = "refused"
    """HomeserverRefused, or CredentialsRefused for `log_in`; no effect."""
    REFUSED_UNCLEARLY = "refused_unclearly"
    """RefusedUnclearly; no effect."""
    REFUSED_FOR_NOW = "refused_for_now"
    """RefusedForNow, although the account is well elsewhere; no effect."""
    REVOKED = "revoked"
    """SessionRevoked, now and until the next `log_in`; no effect."""


NEVER_REFUSED_BY_CHANCE: Final = frozenset({
    "log_in", "probe", "hydrate", "sync", "joined_rooms", "messages_before", "join", "leave",
    "send", "encrypts_new_rooms", "question", "edited", "traits", "keep_traits",
})  # fmt: skip
"""Requests that a homeserver does not refuse with a 4xx in practice: only a test plans that."""

NEVER_LATE_BY_CHANCE: Final = frozenset({
    "write_marker", "write_settings", "write_space_settings", "set_name", "unlink", "leave",
    "forget", "let_in", "set_own_name", "set_own_avatar", "keep_profile",
})  # fmt: skip
"""Requests whose late effect would undo a later request of the same kind."""


EDIT_FAULTS: Final = (
    Fault.LATE,
    Fault.LATE,
    Fault.AFTER_EFFECT,
    Fault.HANG_AFTER,
    Fault.REFUSE_BEFORE,
    Fault.RATE_LIMITED,
)
"""The faults of edits of growing answers, besides those of all requests."""


@dataclass(slots=True)
class _Planned:
    method: str
    fault: Fault
    room_id: RoomId | None


class Faults:
    """Chooses a fault, or none, for each request.

    `rates` has the probability of each fault at each request. `overlap` is the probability that a
    sync repeats events of an earlier one; with `shuffle` the rooms of a sync come in random order.
    `fired` records all chosen faults.
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
        """The probability, besides `rates`, that a room is created but its answer is lost."""
        self.edits = 0.0
        """The probability, besides `rates`, that an edit of a growing answer has a fault. Such a
        fault passes by itself, so `healed` does not end them."""
        self.fired: list[tuple[str, Fault]] = []
        self._planned: deque[_Planned] = deque()

    def next(
        self, method: str, fault: Fault, *, room_id: RoomId | None = None, times: int = 1
    ) -> None:
        """Plan a fault for the next calls of a port method; with `room_id`, for that room only."""
        if not any(hasattr(port, method) for port in (Homeserver, RoomContents, OwnAccount)):
            raise ValueError(f"The port has no method {method}")
        self._planned.extend(_Planned(method, fault, room_id) for _ in range(times))

    def before_edit(self, room_id: RoomId) -> None:
        """Plan a fault, perhaps, for the edit that is sent next in a room."""
        if self.edits and self.rng.random() < self.edits:
            self.next("send", self.rng.choice(EDIT_FAULTS), room_id=room_id)

    @property
    def planned(self) -> int:
        """The number of planned faults that have not happened yet."""
        return len(self._planned)

    def choose(self, method: str, room_id: RoomId | None = None) -> Fault | None:
        """The fault of this request; None if it succeeds."""
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
                return None if _is_implausible(method, fault) else fault
        return None


def _is_implausible(method: str, fault: Fault) -> bool:
    if method == "log_in" and fault is Fault.REVOKED:
        return True
    if fault is Fault.LATE:
        return method in NEVER_LATE_BY_CHANCE
    return fault is Fault.REFUSED and method in NEVER_REFUSED_BY_CHANCE
