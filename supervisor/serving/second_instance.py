"""Detecting another process that uses the same account.

A live process writes its name into the account data, and /sync shows it to all processes on the
account. A process that reads another name after its own is not alone.
"""

import math
from dataclasses import dataclass, field

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import Instance
from actors.port_errors import HomeserverRefused, PortError, RateLimited
from actors.ports import Homeserver

_log = structlog.get_logger()


@dataclass(slots=True)
class SecondInstanceDetector:
    """Announces this process, and detects another one on the account."""

    homeserver: Homeserver
    own: Instance
    bounds: Bounds
    _latest: Instance | None = field(default=None, init=False)
    """The last instance in the account data."""
    _is_known: bool = field(default=False, init=False)
    """Whether /sync has shown this process's name: later names are newer than it."""
    _announced: bool = field(default=False, init=False)
    _renewed_at: float = field(default=-math.inf, init=False)
    _limited_until: float = field(default=-math.inf, init=False)
    """The homeserver asked for no announcement before this time."""
    _other: Instance | None = field(default=None, init=False)
    _heard_at: float = field(default=0.0, init=False)

    def other(self) -> Instance | None:
        """Another process that seems to use the account now; None if there is no sign of one."""
        if self._other is None or anyio.current_time() - self._heard_at >= self.bounds.gone_after_s:
            return None
        return self._other

    def observe(self, instance: Instance) -> None:
        """Process the instance that the account data now has."""
        self._latest = instance
        if instance == self.own:
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
        """Write this process's name, unless it is already the last one or was written recently.

        Raises what the port raises except HomeserverRefused: a refusal only prevents the detection.
        """
        now = anyio.current_time()
        if now < self._limited_until:
            return
        if self._announced:
            if self._latest in {None, self.own} or now - self._renewed_at < self.bounds.renew_s:
                return
            self._renewed_at = now
        self._announced = True
        try:
            await self.homeserver.announce(self.own)
        except HomeserverRefused as refusal:
            _log.warning("instance_not_announced", reason=str(refusal))
        except PortError as error:
            self._announced = False
            if isinstance(error, RateLimited):
                self._limited_until = now + error.retry_after_s
            raise
