"""Every message is answered exactly once, in order: whoever is killed, whatever is cut off or lost.

What counts is what the rooms' timelines say to somebody who reads them over HTTP. `KILLS` says how
often a process is killed, `SEED` when.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import anyio
import pytest

from supervisor.demo.bot import BotProcess
from supervisor.demo.synapse import ThrowawaySynapse
from tests.synapse.talk import KILLS, Company, gather, seeded, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
async def company(synapse: ThrowawaySynapse, bot: BotProcess) -> AsyncIterator[Company]:
    """People in the rooms of a bot that is live."""
    async with AsyncExitStack() as stack:
        await bot.start_and_go_live()
        yield await gather(stack, synapse, bot)


async def test_whenever_the_bot_is_killed(company: Company, bot: BotProcess) -> None:
    random = seeded()
    async with company.talking(pause_s=1.5):
        for _ in range(KILLS):
            await bot.kill()
            bot.start()
            if random.random() < 0.5:
                await bot.wait_for_state("live")
                await anyio.sleep(random.uniform(0, 0.5))
            else:
                await anyio.sleep(random.uniform(0, 2))
    await settle(company, bot)
