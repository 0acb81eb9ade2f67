"""The bot is killed while a real model's answers grow, and sometimes all its files are deleted.

What the model said to its end is what the messages must say in the end. `KILLS=300` kills it so
often.
"""

from contextlib import AsyncExitStack
from typing import Final

import anyio
import pytest

from demo.model_server import LlamaServer
from demo.synapse import ThrowawaySynapse
from tests.model_recorder import ModelRecorder
from tests.synapse.conftest import MakeBot
from tests.synapse.exchanges import settings_of
from tests.synapse.streams import LIVELY, Listener, listeners, number
from tests.synapse.talk import seeded

pytestmark = pytest.mark.anyio

KILLS: Final = number("KILLS", 6)
KILLS_IN_A_STRETCH: Final = 6
STRETCHES: Final = range(max(1, KILLS // KILLS_IN_A_STRETCH))
HEROES: Final = ("a fox", "two old friends", "a lighthouse", "the last snow")


@pytest.mark.parametrize("stretch", STRETCHES)
async def test_whenever_the_bot_is_killed_each_answer_is_what_the_model_said(
    synapse: ThrowawaySynapse, make_bot: MakeBot, llama: LlamaServer, stretch: int
) -> None:
    random = seeded(stretch)
    async with ModelRecorder(llama.url) as recorder, AsyncExitStack() as stack:
        settings = settings_of(llama, OPENAI_BASE_URL=recorder.url, OPENAI_SYSTEM_PROMPT="")
        bot = await make_bot(
            command=LIVELY, **settings | {"OPENAI_MAX_TOKENS": "250", "BOT_STREAM": "auto"}
        )
        await bot.start_and_go_live()
        rooms = await listeners(stack, synapse, bot, 2)
        lost = random.randrange(KILLS_IN_A_STRETCH)
        for kill in range(KILLS_IN_A_STRETCH):
            if kill % 3 == 0:
                await ask(random.choice(rooms), f"Tell a story of {random.choice(HEROES)}, {kill}.")
            await anyio.sleep(random.uniform(0, 6))
            await bot.kill()
            if kill == lost:
                bot.wipe()
            bot.start()
        for room in rooms:
            await everything_is_told(room, recorder)
        assert await bot.terminate() == 0
        await bot.start_and_go_live()
        for room in rooms:
            await ask(room, "Where is Rome?")
            await everything_is_told(room, recorder)


async def ask(room: Listener, question: str) -> None:
    room.asked += 1
    await room.person.say(room.room_id, question)


async def everything_is_told(room: Listener, recorder: ModelRecorder) -> None:
    now = await room.until_told(timeout_s=100, expected=lambda it: recorder.told.get(it, ""))
    cut = "(The answer was cut off here, because it reached the length limit.)"
    assert set(now.beside) <= {cut}
    assert len(now.beside) <= len(now.questions)
