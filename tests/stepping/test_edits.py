"""An edit of the last question is answered anew, if the chat's owner wants that."""

import pytest

from actors.model import EventId, RoomId
from tests.stepping.harness import Home, Run, World, quiet
from tests.stepping.test_commands import ask
from tests.stepping.test_reply_commands import Model, answers, mark_of, say_in_thread, thread_of

pytestmark = pytest.mark.anyio


async def with_edits(world: World, run: Run) -> Home:
    """A chat in which edits are answered."""
    home = await run.settle_in(world.alice)
    assert (await ask(world, home.chat, "!settings edits on")).startswith("edits: on.")
    return home


async def say(world: World, room_id: RoomId, text: str) -> EventId:
    event_id = world.alice.say(room_id, text)
    await quiet(5)
    return event_id


async def edit(world: World, room_id: RoomId, event_id: EventId, text: str) -> EventId:
    edited = world.alice.edit(room_id, event_id, text)
    await quiet(5)
    return edited


async def test_by_default_an_edit_gets_no_answer_but_the_conversation_has_it() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        question = await say(world, home.chat, "hello")
        await edit(world, home.chat, question, "good morning")
        assert len(model.asks) == 1
        await ask(world, home.chat, "count")
        assert model.said()[0] == ("person", "good morning")


async def test_an_edit_of_the_last_question_is_answered_anew() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "hello")
        edited = await edit(world, home.chat, question, "count")
        assert world.alice.replies(home.chat)[1:] == ("You said: hello", "answer 2")
        assert model.said() == [("person", "count")]
        assert model.asks[-1].key == edited
        assert mark_of(answers(world, home.chat)[-1])["to"] == edited
        await ask(world, home.chat, "and now?")
        assert model.said() == [
            ("person", "count"), ("bot", "answer 2"), ("person", "and now?"),
        ]  # fmt: skip


async def test_an_edit_of_an_earlier_question_gets_no_answer() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "hello")
        await say(world, home.chat, "and now?")
        await edit(world, home.chat, question, "good morning")
        assert len(model.asks) == 2


async def test_a_late_edit_gets_no_answer() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "hello")
        await quiet(world.bounds.edit_within_s)
        await edit(world, home.chat, question, "good morning")
        assert len(model.asks) == 1


async def test_an_edit_by_another_person_gets_no_answer() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        world.alice.invite(home.chat, world.bob.user_id)
        world.bob.join_all()
        question = await say(world, home.chat, "hello")
        world.bob.edit(home.chat, question, "forged, @bot:sim.test")
        await quiet(5)
        assert len(model.asks) == 1


async def test_commands_are_not_edited_into_questions_or_back() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        command = await say(world, home.chat, "!chats")
        question = await say(world, home.chat, "hello")
        await edit(world, home.chat, command, "!help")
        await edit(world, home.chat, question, "!new Trip")
        assert len(model.asks) == 1
        assert len(world.alice.replies(home.chat)) == 3
        assert world.creations() == 2


async def test_a_question_in_work_begins_anew_with_its_new_text() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "go on")
        await edit(world, home.chat, question, "count")
        assert world.alice.replies(home.chat)[1:] == ("answer 2",)
        assert model.ended == 1


async def test_a_question_that_waits_is_asked_once_with_its_new_text() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        await say(world, home.chat, "think")
        question = await say(world, home.chat, "hello")
        await edit(world, home.chat, question, "count")
        await say(world, home.chat, "!stop")
        assert world.alice.replies(home.chat)[2:] == ("You said: think\n\ncount",)
        assert len(model.asks) == 2


async def test_of_several_edits_the_newest_is_answered() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "hello")
        world.alice.edit(home.chat, question, "hallo")
        newest = await edit(world, home.chat, question, "count")
        assert [each.key for each in model.asks] == [question, newest]


async def test_an_edit_in_a_thread_is_answered_there() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        root = await say(world, home.chat, "hello")
        question = say_in_thread(world, home.chat, root, "inside")
        await quiet(5)
        await edit(world, home.chat, question, "count")
        assert thread_of(answers(world, home.chat)[-1]) == root


async def test_an_edit_that_meets_a_kill_is_answered_once() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await with_edits(world, run)
        question = await say(world, home.chat, "hello")
        model.takes_s = 30
        await edit(world, home.chat, question, "count")
    async with world.live(platform=model) as run:
        await quiet(100)
        assert world.alice.replies(home.chat)[1:] == ("You said: hello", "answer 3")


async def test_an_edit_in_a_direct_chat_gets_no_answer() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        said = await say(world, home.direct, "hello")
        before = world.alice.replies(home.direct)
        await quiet(world.bounds.way_again_s)
        await edit(world, home.direct, said, "good morning")
        assert world.alice.replies(home.direct) == before
