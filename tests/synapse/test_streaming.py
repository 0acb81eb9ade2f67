"""Answers that grow, as people and their clients see them on a real homeserver."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import quote

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.storyteller import Storyteller
from tests.streamed import MOST_EDITS, Question, Timeline
from tests.synapse.conftest import MakeBot, account_of
from tests.synapse.home import move_in
from tests.synapse.proxy import Answer, FaultProxy, Forward, Request
from tests.synapse.streams import LIVELY, Listener, kind_of, listeners

pytestmark = pytest.mark.anyio

SHORT, LONG = (2, 0.3), (40, 8)


@pytest.fixture
async def teller() -> AsyncIterator[Storyteller]:
    async with Storyteller() as server:
        yield server


@pytest.fixture
async def bot(make_bot: MakeBot, teller: Storyteller) -> BotProcess:
    made = await make_bot(command=LIVELY, **teller.environment)
    await made.start_and_go_live()
    return made


@pytest.fixture
async def listener(alice: Person, bot: BotProcess) -> Listener:
    home = await move_in(alice, bot)
    return Listener(alice, home.chat, bot)


def grows(now: Timeline) -> bool:
    """Whether the latest answer was shown growing, and goes on."""
    answers = now.questions[-1].answers
    return bool(answers) and answers[-1].state == "live" and bool(answers[-1].edits)


async def test_a_long_answer_grows_in_one_message_and_a_short_one_has_no_edit(
    listener: Listener,
) -> None:
    await listener.ask(*SHORT)
    await listener.ask(*LONG)
    now = await listener.until_told()
    short, long = now.questions
    assert short.answers[0].edits == ()
    (answer,) = long.answers
    states = [
        edit["content"]["m.new_content"]["io.surfaces.reply"]["state"] for edit in answer.edits
    ]
    assert states == ["live"] * (len(states) - 1) + ["done"]
    assert 2 <= len(states) <= MOST_EDITS
    shown = [answer.first["body"], *(it["content"]["m.new_content"]["body"] for it in answer.edits)]
    assert [len(it) for it in shown] == sorted({len(it) for it in shown})
    assert all(long.body.startswith(it.strip()) for it in shown)
    assert "<em>fox</em>" in answer.content["formatted_body"]
    assert now.beside == []


async def test_each_message_notifies_once_with_words_of_the_answer(
    listener: Listener,
) -> None:
    person = listener.person
    for story in (SHORT, LONG, (500, 6)):
        await listener.ask(*story)
        await listener.until_told()
    now = await listener.timeline()
    path = "/notifications?limit=100"
    found = [
        it["event"]
        for it in (await person.request("GET", path))["notifications"]
        if it["room_id"] == listener.room_id
        and it["event"]["sender"] == listener.bot.user_id
        and it["event"]["type"] == "m.room.message"
    ]
    notified = {it["event_id"]: str(it["content"]["body"]) for it in found}
    answers = {it.event_id: asked.body for asked in now.questions for it in asked.answers}
    assert len(now.questions[-1].answers) > 1
    assert sorted(notified) == sorted(answers)
    for event_id, body in notified.items():
        assert body.strip() in answers[event_id]
        assert len(body) >= 80


async def test_the_newest_page_of_a_room_is_not_much_larger_than_with_plain_answers(
    listener: Listener, alice: Person, synapse: ThrowawaySynapse, bot: BotProcess
) -> None:
    await listener.ask(*LONG)
    now = await listener.until_told()
    async with account_of(synapse, bot) as account:
        sizes = {}
        for name in ("streamed", "plain"):
            room = await alice.create_room(invite=[account.user_id])
            await account.join(room)
            for question in now.questions * 15:
                await alice.say(room, question.text)
                await retell(account, room, question, streamed=name == "streamed")
            path = f"/rooms/{quote(room, safe='')}/messages?dir=b&limit=20"
            page = await alice.request("GET", path)
            assert len(page["chunk"]) == 20
            sizes[name] = len(json.dumps(page))
    assert sizes["streamed"] <= 1.5 * sizes["plain"], sizes


async def retell(account: Person, room_id: str, question: Question, *, streamed: bool) -> None:
    """Send copies of an answer's events, as they were sent or as if the answer were plain."""
    for message in question.answers:
        content = message.first if streamed else message.content
        copy = await account.send(room_id, "m.room.message", content)
        for edit in message.edits if streamed else ():
            relation = {"rel_type": "m.replace", "event_id": copy}
            content = {**edit["content"], "m.relates_to": relation}
            await account.send(room_id, "m.room.message", content)


async def test_when_all_files_are_lost_in_the_middle_the_same_message_goes_on_to_its_end(
    listener: Listener, bot: BotProcess
) -> None:
    question = await listener.ask(*LONG)
    (before,) = (await listener.until(grows, "an answer that grows")).messages
    await bot.kill()
    bot.wipe()
    later = await listener.ask(*SHORT)
    await bot.start_and_go_live()
    now = await listener.until_told()
    assert [it.event_id for it in now.questions] == [question, later]
    assert now.questions[0].answers[0].event_id == before.event_id
    assert now.beside == []


async def test_a_live_edit_that_arrives_after_the_end_does_not_stay(
    alice: Person, proxy: FaultProxy, make_bot: MakeBot, teller: Storyteller
) -> None:
    """The bot is killed while it is on its way, and has ended the answer when it arrives."""
    arrives = anyio.Event()

    async def held(_request: Request, forward: Forward) -> Answer:
        await arrives.wait()
        return await forward()

    bot = await make_bot(homeserver_url=proxy.url, command=LIVELY, **teller.environment)
    await bot.start_and_go_live()
    listener = Listener(alice, (await move_in(alice, bot)).chat, bot)
    await listener.ask(20, 5)
    rule = proxy.when("*", held, times=1, matches=lambda it: kind_of(it) == "live")
    with anyio.fail_after(20):
        await rule.hit.wait()
    await bot.kill()
    await bot.start_and_go_live()
    now = await listener.until_told()
    edits = len(now.messages[0].edits)
    arrives.set()
    await listener.until(lambda it: len(it.messages[0].edits) == edits + 2, "it, and one more")
    now = await listener.until_told()
    assert [it.event_id for it in now.messages] == [now.questions[0].answers[0].event_id]


async def test_stop_ends_the_message_with_what_there_is(listener: Listener) -> None:
    await listener.ask(60, 30)
    before = await listener.until(grows, "an answer that grows")
    await listener.person.say(listener.room_id, "!stop")
    now = await listener.until(lambda it: it.questions[0].states == ("stopped",), "the stop")
    (answer,) = now.questions[0].answers
    assert answer.event_id == before.messages[0].event_id
    assert answer.body.startswith(before.messages[0].body.rstrip("… \n")[:80])
    await listener.ask(*SHORT)
    now = await listener.until(lambda it: it.questions[-1].states == ("done",), "the next one")
    assert now.questions[0].states == ("stopped",)


async def test_the_answer_to_a_question_that_is_redacted_goes_with_it(
    listener: Listener, teller: Storyteller
) -> None:
    question = await listener.ask(60, 30)
    await listener.until(grows, "an answer that grows")
    await redact(listener.person, listener.room_id, question)
    await listener.until(lambda it: not it.messages, "the redaction of the answer")
    listener.asked = 1
    await listener.ask(*SHORT)
    now = await listener.until(
        lambda it: it.questions and it.questions[-1].states == ("done",), "the next one"
    )
    assert [it.states for it in now.questions] == [("done",)]
    assert len(now.messages) == 1
    assert len(teller.ended_at) == 1


async def redact(person: Person, room_id: str, event_id: str) -> None:
    path = f"/rooms/{quote(room_id, safe='')}/redact/{quote(event_id, safe='')}/by-its-author"
    await person.request("PUT", path, {})


async def test_a_restart_of_the_homeserver_in_the_middle_is_no_matter(
    own_synapse: ThrowawaySynapse,
    teller: Storyteller,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with AsyncExitStack() as stack:
        user_id = await own_synapse.register("bot", "a password for one test")
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=own_synapse.url,
                user_id=user_id,
                password="a password for one test",
                folder=tmp_path_factory.mktemp("bot") / "bot",
                environment=teller.environment,
                command=LIVELY,
            )
        )
        await bot.start_and_go_live()
        (listener,) = await listeners(stack, own_synapse, bot, 1)
        await listener.ask(*LONG)
        before = await listener.until(grows, "an answer that grows")
        await own_synapse.restart()
        now = await listener.until_told()
        assert [it.event_id for it in now.messages] == [before.messages[0].event_id]
        assert len(teller.begun) == 1


@pytest.mark.parametrize("way", ["the environment", "the settings of the chat"])
async def test_what_is_not_to_grow_is_one_plain_message(
    alice: Person, make_bot: MakeBot, teller: Storyteller, way: str
) -> None:
    off = {"BOT_STREAM": "off"} if way == "the environment" else {}
    bot = await make_bot(command=LIVELY, **teller.environment, **off)
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    listener = Listener(alice, home.chat, bot)
    if not off:
        await home.ask("!settings stream off")
    await listener.ask(30, 5)
    now = await listener.until_told()
    (answer,) = now.questions[0].answers
    assert answer.edits == ()


async def test_an_answer_that_began_to_grow_ends_in_its_message_when_streaming_is_off(
    listener: Listener, bot: BotProcess
) -> None:
    await listener.ask(*LONG)
    before = await listener.until(grows, "an answer that grows")
    await bot.kill()
    bot.environment["BOT_STREAM"] = "off"
    await bot.start_and_go_live()
    now = await listener.until_told()
    (answer,) = now.messages
    assert answer.event_id == before.messages[0].event_id
    assert len(answer.edits) == len(before.messages[0].edits) + 1
