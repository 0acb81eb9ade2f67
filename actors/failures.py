"""What an error means for its actor: whether it is a crash, is charged, or is shared."""

from collections.abc import Callable, Collection

from actors.bounds import Bounds
from actors.gate import Gate
from actors.messages import ActorKind, RoomChanged
from actors.model import RoomId
from actors.port_errors import (
    CredentialsRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedForNow,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.room_states import RoomStates
from actors.rules.room_states import RoomTrigger
from actors.runtime.letters import Address, Message
from actors.runtime.restart import Failures


class FailurePolicy:
    """Implements `actors.runtime.policy.Policy` for room actors and user actors.

    A user actor is never quarantined: it tries to carry out its intents until it succeeds.
    """

    def __init__(
        self, gate: Gate, states: RoomStates, clock: Callable[[], float], bounds: Bounds
    ) -> None:
        self._gate = gate
        self._states = states
        self._clock = clock
        self._bounds = bounds
        self._failures = Failures[Address](bounds.breaker)

    def pause_s(self, error: Exception) -> float | None:
        """A rate limit, a refused account and a lost session are no crashes."""
        match error:
            case RateLimited():
                return error.retry_after_s
            case RefusedForNow():
                return max(error.retry_after_s, self._bounds.refused_pause_s)
            case SessionRevoked() | CredentialsRefused():
                return self._bounds.session_pause_s
            case _:
                return None

    def shared_by(
        self, address: Address, error: Exception, active: Callable[[str, float], int]
    ) -> Collection[Address] | None:
        """The rooms that fail the same way, once the breaker has tripped."""
        if not self._gate.live or address.kind != ActorKind.ROOM:
            return None
        now = self._clock()
        rooms = self._failures.shared(
            address, error, now, lambda: active(ActorKind.ROOM, self._bounds.breaker.within_s)
        )
        return rooms or None

    def is_charged(self, address: Address, error: Exception) -> bool:
        """Only rooms are charged: never for the store, nor for the homeserver while not live."""
        if address.kind != ActorKind.ROOM or isinstance(error, StoreUnavailable | StoreCorrupt):
            return False
        return self._gate.live or not isinstance(error, HomeserverUnavailable)

    def probe_with(self, address: Address) -> Message:  # noqa: ARG002 - all rooms alike
        """To be probed, a room is read again."""
        return RoomChanged()

    def ends_with_outage(self, error: Exception) -> bool:
        """A room that the homeserver did not show is probed as soon as the homeserver is back."""
        return isinstance(error, HomeserverUnavailable)

    def quarantined(self, address: Address, error: Exception, probe_in_s: float) -> None:
        """Move the room to `quarantined`."""
        reason = f"{error}; next probe in {probe_in_s:.0f} s"
        self._states.fire(RoomId(address.name), RoomTrigger.FAILED_REPEATEDLY, reason)

    def probed(self, address: Address, probe: int) -> None:
        """Move the room from `quarantined` to `unchecked`."""
        self._states.fire(RoomId(address.name), RoomTrigger.PROBED, f"probe {probe}")
