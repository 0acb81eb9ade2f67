"""The smallest world of a simulation: a server, Alice, and a room with Alice and the bot."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from actors.model import Marker, RoomId, RoomKind, UserId
from actors.ports import NewRoom
from tests.simulation.faults import Faults
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.people import Person
from tests.simulation.seeding import run_simulation
from tests.simulation.server import SimulatedServer

BOT: Final = UserId("@bot:sim.test")
ALICE: Final = UserId("@alice:sim.test")
SPACE: Final = NewRoom(Marker(RoomKind.SPACE, ALICE, next_chat_index=1), "Alice")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stage:
    """A server, Alice, and a room of Alice's that the bot, which is logged in, has joined."""

    server: SimulatedServer
    alice: Person
    room_id: RoomId
    bot: SimulatedHomeserver

    @property
    def faults(self) -> Faults:
        """The faults of the bot's requests."""
        return self.bot.faults


def simulate(play: Callable[[Stage], Awaitable[T]], seed: int = 1) -> T:
    """Run `play` on a new stage with `run_simulation`."""

    async def body(rng: random.Random) -> T:
        server = SimulatedServer(rng)
        alice = Person(server, ALICE)
        room_id = alice.direct_chat_with(BOT)
        bot = SimulatedHomeserver(server, BOT)
        await bot.log_in()
        await bot.join(room_id)
        return await play(Stage(server, alice, room_id, bot))

    return run_simulation(body, seed)
