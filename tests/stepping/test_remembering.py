"""What the platform is told of a conversation, whatever happens to the bot meanwhile."""

from collections.abc import Sequence

import pytest

from actors.port_errors import StoreUnavailable
from actors.writes import SavePosition, Write
from adapter.sqlite.inline import InlineStore
from tests.simulation.faults import Fault
from tests.stepping.harness import World, quiet
from tests.stepping.test_reply_commands import Model, say_in_thread

pytestmark = pytest.mark.anyio


async def test_a_conversation_outlives_every_local_file() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        gone = [world.alice.say(home.chat, text) for text in ("count", "count", "count")][1]
        await quiet(5)
        (first, *_) = [
            event.event_id
            for event in world.server.room(home.chat).timeline
            if event.content.get("body") == "count"
        ]
        world.alice.edit(home.chat, first, "count, please")
        world.alice.redact(home.chat, gone)
        say_in_thread(world, home.chat, first, "count")
        await quiet(5)
        world.alice.say(home.chat, "count")
        await quiet(5)
        told = model.said()
    world.lose_store()
    async with world.live(platform=model):
        world.alice.say(home.chat, "count")
        await quiet(5)
    assert told == [
        ("person", "count, please"),
        ("bot", "answer 1"),
        ("person", "count"),
        ("bot", "answer 3"),
        ("person", "count"),
    ]
    assert model.said() == [*told, ("bot", "answer 5"), ("person", "count")]


async def test_an_answer_that_the_homeserver_refuses_was_never_said() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("send", Fault.REFUSED)
        world.alice.say(home.chat, "count")
        await quiet(5)
        world.alice.say(home.chat, "count")
        await quiet(5)
    assert model.said() == [("person", "count\n\ncount")]


async def test_nothing_is_asked_while_the_history_can_not_be_read() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("history", Fault.SERVER_ERROR, times=2)
        world.alice.say(home.chat, "count")
        await quiet(1)
        assert model.asks == []
        await quiet(120)
    assert world.alice.replies(home.chat) == ("answer 1",)


async def test_messages_that_a_sync_leaves_out_are_part_of_the_conversation() -> None:
    world, model = World(), Model()
    world.server.timeline_limit = 2
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "count")
        await quiet(5)
        for _ in range(5):
            world.alice.say(home.chat, "count")
        await quiet(30)
    assert len(model.said()) == 11
    assert model.said()[-2:] == [("bot", "answer 5"), ("person", "count")]


async def test_news_that_were_stored_without_an_answer_are_no_hole_in_the_conversation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, model = World(), Model()
    commit, lost = InlineStore.commit, list[Sequence[Write]]()

    async def commits_without_an_answer(store: InlineStore, writes: Sequence[Write]) -> None:
        await commit(store, writes)
        if any(isinstance(write, SavePosition) for write in writes) and not lost:
            lost.append(writes)
            raise StoreUnavailable("the answer was lost")

    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        secret = world.alice.say(home.chat, "count")
        await quiet(5)
        with monkeypatch.context() as patch:
            patch.setattr(InlineStore, "commit", commits_without_an_answer)
            world.alice.redact(home.chat, secret)
            await quiet(90)
        assert lost
        world.alice.say(home.chat, "count")
        await quiet(5)
    assert model.said() == [("person", "count")]
