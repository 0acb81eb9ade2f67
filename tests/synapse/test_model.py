"""Conversations of the real bot with a real model, behind llama.cpp's own server."""

from contextlib import AsyncExitStack
from itertools import product

import anyio
import pytest

from demo.model_server import LlamaServer
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.model_recorder import ModelRecorder
from tests.synapse.conftest import MakeBot, MakePerson
from tests.synapse.exchanges import heard, settings_of, until_answered
from tests.synapse.home import eventually, move_in
from tests.synapse.talk import Chatroom, gather, seeded

pytestmark = pytest.mark.anyio

SECRET = "The secret word is pineapple."
WHICH = "What is the secret word?"
STORY = "Tell a very long story of a fox. It must not end."
PLACES = ("Paris", "Rome", "Berlin", "Madrid", "Vienna", "Athens", "Oslo", "London")
STRETCHES, KILLS_IN_A_STRETCH = 5, 10


async def test_a_word_is_remembered_when_all_files_are_lost_in_the_middle(
    make_bot: MakeBot, alice: Person, llama: LlamaServer
) -> None:
    """What was under way is answered as well: all of it is in the room."""
    async with ModelRecorder(llama.url) as recorder:
        settings = settings_of(llama, OPENAI_BASE_URL=recorder.url)
        bot = await make_bot(**settings)
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        await home.ask(SECRET)
        await alice.say(home.chat, "Where is Rome?")
        await eventually(lambda: len(recorder.asked) == 2, "the second question")
        await bot.kill()
        bot.wipe()
        await alice.say(home.chat, "And where is Oslo?")
        await bot.start_and_go_live()
        await alice.say(home.chat, WHICH)
        now = await until_answered(alice, home.chat, bot)
        assert [it.states for it in now.exchanges] == [("done",)] * 4
        assert "pineapple" in now.exchanges[-1].text.lower()
        *before, last = now.exchanges
        told = [text for it in before for text in (it.question, it.text)]
        assert recorder.texts() == [*told, last.question]


async def test_ten_turns_are_remembered(
    make_bot: MakeBot, alice: Person, llama: LlamaServer
) -> None:
    async with ModelRecorder(llama.url) as recorder:
        bot = await make_bot(**settings_of(llama, OPENAI_BASE_URL=recorder.url))
        await bot.start_and_go_live()
        home = await move_in(alice, bot)
        questions = [SECRET, *(f"Where is {place}?" for place in PLACES), WHICH]
        said = []
        for question in questions:
            said.append(question)
            answer = await alice.ask(home.chat, question, timeout_s=60)
            assert recorder.texts() == said
            said.append(answer)
        assert "pineapple" in said[-1].lower()
        (await heard(alice, home.chat, bot)).assert_answered_once_in_order()


@pytest.mark.parametrize("stretch", range(STRETCHES))
async def test_whenever_the_bot_is_killed_each_question_is_answered_once(
    synapse: ThrowawaySynapse, make_bot: MakeBot, llama: LlamaServer, stretch: int
) -> None:
    bot = await make_bot(**settings_of(llama, OPENAI_MAX_TOKENS="8", OPENAI_SYSTEM_PROMPT=""))
    await bot.start_and_go_live()
    random = seeded(stretch)
    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        company = await gather(stack, synapse, bot)
        mouths = [(room, person) for room in company.rooms for person in room.people]
        for kill in range(KILLS_IN_A_STRETCH):
            await bot.kill()
            bot.start()
            for room, person in mouths:
                if random.random() < 0.3:
                    place = random.choice(PLACES)
                    tasks.start_soon(room.say, person, f"Where is {place}? {kill}:")
            if kill % 2:
                await answering(llama, company.rooms[0], "Where is Rome?")
                await anyio.sleep(random.uniform(0, 0.3))
            else:
                await anyio.sleep(random.uniform(0, 2.5))
        for room in company.rooms:
            now = await until_answered(room.owner, room.room_id, bot, timeout_s=120)
            assert len(now.exchanges) == room.spoken
        assert await bot.terminate() == 0
        await bot.start_and_go_live()
        for room in company.rooms:
            await room.say(room.owner, "Where is Rome?")
            now = await until_answered(room.owner, room.room_id, bot)
            now.assert_answered_once_in_order()
        assert [it for it in bot.events() if it["event"] == "message_dead"] == []


async def answering(llama: LlamaServer, room: Chatroom, question: str) -> None:
    """Ask something, and wait until the server works on an answer."""
    begun = llama.log().count("launch_slot_")
    await room.say(room.owner, question)
    await eventually(lambda: llama.log().count("launch_slot_") > begun, "an answer", timeout_s=60)


async def test_stop_ends_the_generation_on_the_server(
    make_bot: MakeBot, alice: Person, llama: LlamaServer
) -> None:
    bot = await make_bot(**settings_of(llama, OPENAI_MAX_TOKENS="1500", OPENAI_SYSTEM_PROMPT=""))
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    begun, cancelled = (llama.log().count(it) for it in ("launch_slot_", "cancel task"))
    await alice.say(home.chat, STORY)
    await eventually(lambda: llama.log().count("launch_slot_") > begun, "the generation")
    await anyio.sleep(1)  # some words are to be there
    await alice.say(home.chat, "!stop")
    await eventually(lambda: llama.log().count("cancel task") > cancelled, "its end")
    now = await until_answered(alice, home.chat, bot)
    assert now.exchanges[0].states == ("stopped",)
    assert len(now.exchanges[0].text) > 0
    await alice.say(home.chat, "Answer with the word Yes.")
    now = await until_answered(alice, home.chat, bot, timeout_s=90)
    assert [it.states for it in now.exchanges] == [("stopped",), ("done",)]


async def test_while_the_platform_is_down_everyone_waits_and_is_told_once(
    make_bot: MakeBot, make_person: MakePerson
) -> None:
    async with LlamaServer() as llama:
        bot = await make_bot(**settings_of(llama, OPENAI_MAX_TOKENS="8", OPENAI_SYSTEM_PROMPT=""))
        await bot.start_and_go_live()
        people = [await make_person(f"person{number}") for number in range(10)]
        homes = [await move_in(person, bot) for person in people]
        assert await homes[0].ask("Where is Rome?")
        await llama.stop()
        for place, home in product(PLACES[:2], homes):
            await home.owner.say(home.chat, f"Where is {place}?")
        for home in homes:
            await home.owner.wait_for(
                lambda event: "can't be reached at the moment" in event.body,
                timeout_s=40,
                what="word of the outage",
            )
        await llama.start()
        for home in homes:
            now = await until_answered(home.owner, home.chat, bot, timeout_s=120)
            now.assert_answered_once_in_order()
            assert len([it for it in now.notices if "at the moment" in it]) == 1
        names = [it["event"] for it in bot.events()]
        assert "message_dead" not in names
        assert [it.dst for it in bot.transitions()][-1] == "live"
        assert names.count("platform_down") == names.count("platform_back") == 1
