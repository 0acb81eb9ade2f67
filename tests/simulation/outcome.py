"""The result of a seed, and when a simulation has come to rest."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from actors.bounds import Bounds
from tests.simulation.checkers import Checkers
from tests.simulation.seeding import Backend

REST_WITHIN_S: Final = 2 * 3600.0
"""Virtual seconds within which the bot must come to rest after all faults are over."""
END_WITHIN_S: Final = 60.0
"""Virtual seconds within which a killed or stopped process must have ended."""
LOOK_EVERY_S: Final = 5.0
CALM_FOR_S: Final = Bounds().undecided_for_s + LOOK_EVERY_S
"""The bot is at rest after so long without work: it checks undecided rooms again by itself."""
WAIT_S: Final = 15.0
"""The mean time for which people wait between two disturbances."""
ASKS: Final = 0.4
"""The probability that one of them asks something after that."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a seed."""

    seed: int
    violations: tuple[str, ...]
    story: str
    virtual_s: float
    backend: Backend = "trio"
    processes: int = 1

    @property
    def name(self) -> str:
        """The argument of `tests.simulation.run` that replays the seed."""
        if self.processes > 1:
            return f"{self.processes}:{self.seed}"
        return str(self.seed) if self.backend == "trio" else f"{self.backend}:{self.seed}"


async def until_calm(unfinished: Callable[[], Awaitable[list[str]]], checkers: Checkers) -> None:
    """Wait until the bot has had no work for `CALM_FOR_S`."""
    deadline_s = anyio.current_time() + REST_WITHIN_S
    calm_since = anyio.current_time()
    while anyio.current_time() - calm_since < CALM_FOR_S:
        await anyio.sleep(LOOK_EVERY_S)
        if left := await unfinished():
            calm_since = anyio.current_time()
        if left and anyio.current_time() > deadline_s:
            checkers.violated(f"no rest: {'; '.join(left)}")
            await anyio.sleep_forever()
