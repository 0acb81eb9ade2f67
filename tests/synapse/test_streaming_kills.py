"""The bot is killed while answers grow, and sometimes all its files are deleted then.

Half of the kills come at a random moment, and half of them right before or right after a request
of the bot. People read the rooms over plain HTTP. `KILLS=300` kills it so often.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Final

import anyio
import pytest
from typing_extensions import override

from demo.bot import BotProcess
from demo.synapse import ThrowawaySynapse
from tests.storyteller import Storyteller
from tests.synapse.conftest import MakeBot
from tests.synapse.proxy import Fault, FaultProxy, Request, after, before
from tests.synapse.streams import LIVELY, Listener, kind_of, listeners, number
from tests.synapse.talk import seeded

pytestmark = pytest.mark.anyio

KILLS: Final = number("KILLS", 20)
KILLS_IN_A_STRETCH: Final = 10
STRETCHES: Final = range(max(1, KILLS // KILLS_IN_A_STRETCH))
LOSSES_IN_A_STRETCH: Final = 1
PLACE_WITHIN_S: Final = 20.0
SHORT: Final = (2, 0.3)
LONG: Final = (20, 4.5)
STORIES: Final = (SHORT, (12, 3), LONG, (30, 6), (260, 5))
"""Lines and seconds: a plain message, answers that grow, one of two parts."""


@dataclass(frozen=True, slots=True)
class Place:
    """Right before or right after the next request of a kind."""

    kind: str
    moment: Callable[[Callable[[], object]], Fault]

    def takes(self, request: Request) -> bool:
        match self.kind:
            case "sync":
                return request.name.endswith("/sync") or request.name == "GET sync"
            case "read":
                return request.name.startswith("GET rooms/")
            case "any":
                return True
            case _:
                return kind_of(request) == self.kind

    @override
    def __str__(self) -> str:
        return f"{self.moment.__name__} {self.kind}"


PLACES: Final = tuple(
    Place(kind, moment)  # type: ignore[arg-type]
    for kind in ("anchor", "live", "final", "plain", "any", "sync", "read")
    for moment in (before, after)
)


@dataclass(slots=True)
class Stretch:
    """A bot that is killed so many times while people ask for stories."""

    bot: BotProcess
    proxy: FaultProxy
    rooms: Sequence[Listener]
    random: Random
    missed: list[str] = field(default_factory=list)
    """The places that it did not come to."""

    async def run(self, number: int) -> None:
        """Kill it, each stretch of this number at other places."""
        at = number * KILLS_IN_A_STRETCH // 2
        lost = set(self.random.sample(range(KILLS_IN_A_STRETCH), LOSSES_IN_A_STRETCH))
        for kill in range(KILLS_IN_A_STRETCH):
            await self._ask(self.random.choice(STORIES))
            if kill % 2:
                await anyio.sleep(self.random.uniform(0, 6))
                await self.bot.kill()
            else:
                await self._kill_at(PLACES[(at + kill // 2) % len(PLACES)])
            if kill in lost:
                self.bot.wipe()
            self.bot.start()

    async def _ask(self, story: tuple[int, float]) -> None:
        await self.random.choice(self.rooms).ask(*story)

    async def _kill_at(self, place: Place) -> None:
        killed = anyio.Event()

        async def kill() -> None:
            await self.bot.kill()
            killed.set()

        await self._ask(SHORT if place.kind == "plain" else LONG)
        rule = self.proxy.when("*", place.moment(kill), times=1, matches=place.takes)
        with anyio.move_on_after(PLACE_WITHIN_S):
            await killed.wait()
        self.proxy.heal()
        if not rule.hit.is_set():
            self.missed.append(str(place))
            await kill()
        await killed.wait()


@pytest.mark.parametrize("stretch", STRETCHES)
async def test_whenever_the_bot_is_killed_each_answer_is_one_message_that_is_whole(
    synapse: ThrowawaySynapse, proxy: FaultProxy, make_bot: MakeBot, stretch: int
) -> None:
    async with Storyteller() as teller, AsyncExitStack() as stack:
        bot = await make_bot(homeserver_url=proxy.url, command=LIVELY, **teller.environment)
        await bot.start_and_go_live()
        rooms = await listeners(stack, synapse, bot, 3)
        course = Stretch(bot, proxy, rooms, seeded(stretch))
        await course.run(stretch)
        await everything_is_told(rooms)
        assert course.missed == []
        assert await bot.terminate() == 0
        await bot.start_and_go_live()
        for room in rooms:
            await room.ask(2, 0.3)
        await everything_is_told(rooms)
        assert [it for it in bot.events() if it["event"] == "message_dead"] == []


async def everything_is_told(rooms: Sequence[Listener]) -> None:
    for room in rooms:
        now = await room.until_told(timeout_s=60)
        assert now.beside == []
