"""What every reply is given."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import anyio

from actors.attachments import Attachments
from actors.bounds import Bounds
from actors.gaps import Gaps
from actors.governor import Governor
from actors.meter import Meter
from actors.model import RoomId
from actors.platform import Platform
from actors.platform_health import PlatformHealth
from actors.ports import Homeserver, StateStore
from actors.replies.learned import Learned
from actors.replies.preparing import Preparing
from actors.replies.slots import Slots
from actors.rules.formatting import Formatter
from actors.runtime.background import Background
from actors.traits import Traits


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
    """What every reply is given.

    `deliver` is called with a room that has something in the outbox. `boot` names this run of the
    process. `streams`: answers may be shown while they grow.
    """

    platform: Platform
    homeserver: Homeserver
    preparing: Preparing
    attachments: Attachments
    learned: Learned
    slots: Slots
    health: PlatformHealth
    outage: Outage
    governor: Governor
    traits: Traits
    store: StateStore
    gaps: Gaps
    formatted: Formatter
    deliver: Callable[[RoomId], None]
    boot: str
    streams: bool
    background: Background
    meter: Meter
    random: Random
    bounds: Bounds
