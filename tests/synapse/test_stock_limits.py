"""Eight people invite the bot at once, and Synapse has its own rate limits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer, unique
from tests.synapse.home import accept, hear, knock

WITHIN_S = 300.0
"""Far more than it takes: how long it takes is tested on a virtual clock."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(WITHIN_S + 60)]


@pytest.fixture
async def stock_synapse() -> AsyncIterator[ThrowawaySynapse]:
    async with ThrowawaySynapse(stock_limits=True) as homeserver:
        yield homeserver


async def test_the_first_four_of_eight_are_served_in_order_and_the_last_knows_its_place(
    stock_synapse: ThrowawaySynapse, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=stock_synapse.url,
                user_id=await stock_synapse.register(unique("bot"), PASSWORD),
                password=PASSWORD,
                folder=tmp_path / "bot",
            )
        )
        people = [await newcomer(stack, stock_synapse, "person") for _ in range(8)]
        await bot.start_and_go_live()
        doors = {person: await knock(person, bot) for person in people}
        with anyio.fail_after(WITHIN_S):
            for person in people[:4]:
                await accept(person, bot, is_space=True, timeout_s=WITHIN_S)
                await accept(person, bot, is_space=False, timeout_s=WITHIN_S)
                while not (await hear(person, bot, doors[person])).startswith("Hello!"):
                    pass  # until then, a person may be told the place in the queue
                if person is people[0]:
                    assert await has_no_invite(people[2])
            last = people[-1]
            assert "you are number" in await hear(last, bot, doors[last])


async def has_no_invite(person: Person) -> bool:
    """Whether nothing was made for a person so far."""
    return not await person.new_invites()
