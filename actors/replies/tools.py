"""What every reply is given."""

from dataclasses import dataclass
from random import Random

import anyio

from actors.attachments import Attachments
from actors.bounds import Bounds
from actors.meter import Meter
from actors.platform import Platform
from actors.platform_health import PlatformHealth
from actors.ports import Homeserver
from actors.replies.learned import Learned
from actors.replies.preparing import Preparing
from actors.replies.slots import Slots
from actors.runtime.background import Background


class Outage:
    """Lets those that wait for the homeserver know that it answers again."""

    def __init__(self) -> None:
        self._over = anyio.Event()

    async def is_over(self) -> None:
        """Wait for the next call of `end`."""
        await self._over.wait()

    def end(self) -> None:
        """Wake those that wait."""
        self._over.set()
        self._over = anyio.Event()


@dataclass(frozen=True, slots=True)
class Tools:
    """What every reply is given."""

    platform: Platform
    homeserver: Homeserver
    preparing: Preparing
    attachments: Attachments
    learned: Learned
    slots: Slots
    health: PlatformHealth
    outage: Outage
    background: Background
    meter: Meter
    random: Random
    bounds: Bounds
