"""An edit of the last question is answered anew, if the chat's owner wants that."""

import pytest

from actors.model import EventId, RoomId
from tests.stepping.harness import Home, Run, World, quiet
from tests.stepping.test_commands import ask
from tests.stepping.test_reply_commands import Model

pytestmark = pytest.mark.anyio


async def with_edits(world: World, run: Run) -> Home:
    """A chat in which edits are answered."""
    home = await run.settle_in(world.alice)
    assert await ask(world, home.chat, "!settings edits on") == "edits: on"
    return home


async def say(world: World, room_id: RoomId, text: str) -> EventId:
    event_id = world.alice.say(room_id, text)
    await quiet(5)
    return event_id


async def edit(world: World, room_id: RoomId, event_id: EventId, text: str) -> EventId:
    edited = world.alice.edit(room_id, event_id, text)
    await quiet(5)
    return edited


async def test_by_default_an_edit_gets_no_answer() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        question = await say(world, home.chat, "hello")
        await edit(world, home.chat, question, "good morning")
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


async def test_an_edit_in_a_direct_chat_gets_no_answer() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        said = await say(world, home.direct, "hello")
        before = world.alice.replies(home.direct)
        await quiet(world.bounds.way_again_s)
        await edit(world, home.direct, said, "good morning")
        assert world.alice.replies(home.direct) == before
