"""Noticing another process that uses the same account.

Whoever is live writes its name into the account's data, and /sync shows that to everybody who uses
the account. Who reads another name after its own is not alone.
"""

import math
from dataclasses import dataclass, field

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import Instance
from actors.ports import Homeserver, HomeserverRefused, PortError

_log = structlog.get_logger()


@dataclass(slots=True)
class SecondInstanceDetector:
    """Who uses the account: this process, and perhaps another one."""

    homeserver: Homeserver
    ours: Instance
    bounds: Bounds
    _latest: Instance | None = field(default=None, init=False)
    """What the account's data said last."""
    _is_known: bool = field(default=False, init=False)
    """Our own name has come back: what comes now is not from before our time."""
    _announced: bool = field(default=False, init=False)
    _renewed_at: float = field(default=-math.inf, init=False)
    _other: Instance | None = field(default=None, init=False)
    _heard_at: float = field(default=0.0, init=False)

    def other(self) -> Instance | None:
        """Another process that uses the account now, as far as can be told."""
        if self._other is None or anyio.current_time() - self._heard_at >= self.bounds.gone_after_s:
            return None
        return self._other

    def heard(self, instance: Instance) -> None:
        """The account's data say this now."""
        self._latest = instance
        if instance == self.ours:
            self._is_known = True
        elif self._is_known:
            self._other, self._heard_at = instance, anyio.current_time()
            _log.warning(
                "second_instance",
                where=instance.where,
                its_boot=instance.boot,
                reason="another process uses this account: stop one of the two",
            )

    async def announce(self) -> None:
        """Write our name, if it was not written or not the last, and not too often.

        Raises what the port does, HomeserverRefused apart: then there is no telling who else is
        there, and nothing else is lost.
        """
        now = anyio.current_time()
        if self._announced:
            if self._latest in {None, self.ours} or now - self._renewed_at < self.bounds.renew_s:
                return
            self._renewed_at = now
        self._announced = True
        try:
            await self.homeserver.announce(self.ours)
        except HomeserverRefused as refusal:
            _log.warning("instance_not_announced", reason=str(refusal))
        except PortError:
            self._announced = False
            raise
