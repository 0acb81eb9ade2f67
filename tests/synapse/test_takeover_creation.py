"""A process is lost while it makes a room, and the other one takes over, see `pairs`.

No room is made twice, and none is missing.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.postgres import Cluster
from tests.synapse.conftest import account_of
from tests.synapse.home import accept, hear, knock, move_in
from tests.synapse.pairs import Pair, two_processes
from tests.synapse.proxy import Answer, Forward, Request, after, before
from tests.synapse.rebuilding import rooms_of_owners
from tests.synapse.talk import launched
from tests.synapse.test_kill_points import rooms_created_by

pytestmark = pytest.mark.anyio

CREATE = "POST createRoom"
PATIENCE_S = 90.0


@dataclass
class Held:
    """A request that is on its way until it is released."""

    began: anyio.Event = field(default_factory=anyio.Event)
    released: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, _request: Request, forward: Forward) -> Answer:
        self.began.set()
        await self.released.wait()
        return await forward()


@dataclass
class Story:
    """A pair that repeats a createRoom without an answer within seconds, and an owner."""

    synapse: ThrowawaySynapse
    pair: Pair
    owner: Person
    admin: Person

    @property
    def bot(self) -> BotProcess:
        return self.pair.leader.program

    def kill_around(self, nth: int, moment: str) -> None:
        """Kill the leader before or after one of its createRooms."""
        around = before if moment == "before" else after
        self.pair.leader.proxy.when(CREATE, around(self.bot.kill), skip=nth, times=1)

    async def take_over(self) -> None:
        await self.pair.standby.program.wait_for_state("live")
        self.pair.turn()

    async def accept(self, *, is_space: bool) -> None:
        await accept(self.owner, self.bot, is_space=is_space, timeout_s=PATIENCE_S)

    async def hear(self, room_id: str) -> str:
        return await hear(self.owner, self.bot, room_id, timeout_s=PATIENCE_S)

    async def check(self, chats: int) -> None:
        """The owner has one Space and so many chats, and the bot has made no other room."""
        async with account_of(self.synapse, self.bot) as account:
            rooms = (await rooms_of_owners(account))[self.owner.user_id]
        assert len(rooms.spaces) == 1
        assert {chat_id: len(of_id) for chat_id, of_id in rooms.chats.items()} == {
            f"C{number}": 1 for number in range(1, chats + 1)
        }
        assert await rooms_created_by(self.admin, self.bot.user_id) == 1 + chats


@pytest.fixture
async def story(
    synapse: ThrowawaySynapse, cluster: Cluster, tmp_path: Path, alice: Person, admin: Person
) -> AsyncIterator[Story]:
    async with AsyncExitStack() as stack:
        hasty = launched("hasty")
        pair = await two_processes(stack, synapse, cluster.database(), tmp_path, command=hasty)
        yield Story(synapse, pair, alice, admin)


@pytest.mark.parametrize("nth", [0, 1], ids=["space", "chat"])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_invite_in_flight_when_the_leader_is_killed(
    story: Story, nth: int, moment: str
) -> None:
    story.kill_around(nth, moment)
    door = await knock(story.owner, story.bot)
    await story.take_over()
    await story.accept(is_space=True)
    await story.accept(is_space=False)
    assert (await story.hear(door)).startswith("Hello!")
    await story.check(chats=1)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_new_chat_in_flight_when_the_leader_is_killed(story: Story, moment: str) -> None:
    home = await move_in(story.owner, story.bot)
    story.kill_around(0, moment)
    await story.owner.say(home.chat, "!new")
    await story.take_over()
    await story.accept(is_space=False)
    assert (await story.hear(home.chat)).startswith("Chat 2 is ready")
    await story.check(chats=2)


async def test_a_new_chat_that_is_made_only_after_the_leader_was_replaced(story: Story) -> None:
    home, held, cut_off = await move_in(story.owner, story.bot), Held(), story.pair.leader
    cut_off.proxy.when(CREATE, held, times=1)
    await story.owner.say(home.chat, "!new")
    await held.began.wait()
    cut_off.relay.freeze()
    await story.take_over()
    held.released.set()
    cut_off.relay.thaw()
    await story.accept(is_space=False)
    assert (await story.hear(home.chat)).startswith("Chat 2 is ready")
    await cut_off.program.wait_for_event("standing_by")
    await story.check(chats=2)
