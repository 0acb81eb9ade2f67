"""What an owner can do about answers: stop one, get another one, forget, and count tokens."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

import anyio
import pytest
from typing_extensions import override

from actors.model import EventId, PlatformChatId, RoomId
from actors.platform import Ask, Delta, Done, Role, Text, Usage
from actors.port_errors import PlatformUnreachable
from actors.rules.reply_mark import REPLY_TYPE
from tests.simulation.events import Content, Event
from tests.stepping.harness import ScriptedPlatform, World, quiet
from tests.stepping.test_commands import ask

pytestmark = pytest.mark.anyio

Script: TypeAlias = Callable[[Ask], AsyncGenerator[Delta, None]]


class Model(ScriptedPlatform):
    """A platform that keeps no history. It counts what it is asked, and numbers its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps_history = False
        self.ended = 0
        """The answers that were closed before their end."""
        self.forgotten: list[PlatformChatId] = []
        self.forget_fails: Exception | None = None
        self.script |= {"count": self._counts, "go on": self._goes_on, "think": self._thinks}

    async def _counts(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The number of the ask, with the tokens that it took."""
        await anyio.lowlevel.checkpoint()
        yield Text(f"answer {len(self.asks)}")
        yield Usage(100 * len(self.asks), len(ask.turns))
        yield Done()

    async def _goes_on(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """A beginning, and no end."""
        yield Text(f"beginning {len(self.asks)}")
        async for delta in self._thinks(ask):
            yield delta

    async def _thinks(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """Nothing, for ever."""
        try:
            await anyio.sleep_forever()
            yield Text(ask.key)
        finally:
            self.ended += 1

    @override
    async def forget(self, chat: PlatformChatId) -> None:
        await anyio.lowlevel.checkpoint()
        if self.forget_fails is not None:
            raise self.forget_fails
        self.forgotten.append(chat)

    def said(self) -> list[tuple[str, str]]:
        """The turns of the latest ask."""
        return [
            ("person" if turn.role is Role.PERSON else "bot", turn.text)
            for turn in self.asks[-1].turns
        ]


def answers(world: World, room_id: RoomId) -> list[Event]:
    """The bot's messages in a room."""
    timeline = world.server.room(room_id).timeline
    me = world.server.room(room_id).creator
    return [event for event in timeline if event.type == "m.room.message" and event.sender == me]


def say_in_thread(world: World, room_id: RoomId, root: EventId, text: str) -> EventId:
    """Let Alice write in a thread."""
    relation: Content = {"rel_type": "m.thread", "event_id": root}
    content: Content = {"msgtype": "m.text", "body": text, "m.relates_to": relation}
    return world.alice.send_raw(room_id, content)


def mark_of(event: Event) -> Content:
    """The reply mark of a message."""
    mark = event.content[REPLY_TYPE]
    assert isinstance(mark, dict)
    return mark


def thread_of(event: Event) -> object:
    """The root of a message's thread."""
    relation = event.content.get("m.relates_to")
    return relation.get("event_id") if isinstance(relation, dict) else None


# ------------------------------------------------------------ !stop


async def test_a_stopped_answer_stays_as_far_as_it_goes_and_the_next_question_is_answered() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go on")
        world.alice.say(home.chat, "count")
        await quiet(5)
        world.alice.say(home.chat, "!stop")
        await quiet(5)
        assert world.alice.replies(home.chat) == ("beginning 1", "I have stopped.", "answer 2")
        assert model.ended == 1
        assert mark_of(answers(world, home.chat)[0])["state"] == "stopped"
        assert model.said() == [
            ("person", "go on"), ("bot", "beginning 1"), ("person", "count"),
        ]  # fmt: skip


async def test_an_answer_is_stopped_before_its_first_word() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "think")
        await quiet(5)
        assert await ask(world, home.chat, " !STOP. ") == "I have stopped."
        assert model.ended == 1
        await quiet(100)
        assert len(model.asks) == 1


async def test_there_is_nothing_to_stop() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!stop")).startswith("There is nothing to stop")


async def test_a_guest_stops_nothing() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.invite(home.chat, world.bob.user_id)
        world.bob.join_all()
        world.alice.say(home.chat, "go on")
        await quiet(5)
        world.bob.say(home.chat, "!stop")
        await quiet(5)
        assert model.ended == 0
        assert [mark_of(event)["state"] for event in answers(world, home.chat)] == ["live"]


async def test_a_kill_while_an_answer_is_stopped_stops_it_once() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go on")
        await quiet(5)
        world.alice.say(home.chat, "!stop")
    async with world.live(platform=model) as run:
        await quiet(60)
        assert world.alice.replies(home.chat).count("I have stopped.") == 1
        assert len(model.asks) == model.ended


# ------------------------------------------------------------ !retry


async def test_another_answer_replaces_the_one_before() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(5)
        world.alice.say(home.chat, "count")
        await quiet(5)
        retry = world.alice.say(home.chat, "!retry")
        await quiet(5)
        assert model.said() == [
            ("person", "hello"), ("bot", "You said: hello"), ("person", "count"),
        ]  # fmt: skip
        assert model.asks[-1].key == retry
        assert mark_of(answers(world, home.chat)[-1])["to"] == retry
        assert world.alice.replies(home.chat)[-1] == "answer 3"
        world.alice.say(home.chat, "and now?")
        await quiet(5)
        assert model.said()[2:] == [
            ("person", "count"), ("bot", "answer 3"), ("person", "and now?"),
        ]  # fmt: skip


async def test_a_platform_that_keeps_the_history_starts_anew() -> None:
    world, model = World(), Model()
    model.keeps_history = True
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        for text in ("hello", "count", "!retry"):
            world.alice.say(home.chat, text)
            await quiet(5)
        assert [each.fresh for each in model.asks] == [False, False, True]
        assert model.said()[-1] == ("person", "count")


async def test_a_second_retry_asks_the_same_question() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        for text in ("count", "!retry", "!retry"):
            world.alice.say(home.chat, text)
            await quiet(5)
        assert world.alice.replies(home.chat) == ("answer 1", "answer 2", "answer 3")
        assert model.said() == [("person", "count")]


async def test_a_question_in_work_begins_anew_and_is_answered_once() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go on")
        await quiet(5)
        model.script["go on"] = model.script["count"]
        world.alice.say(home.chat, "!retry")
        await quiet(5)
        assert world.alice.replies(home.chat) == ("answer 2",)
        assert model.ended == 1


async def test_a_retry_that_meets_a_kill_is_answered_once() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "count")
        await quiet(5)
        model.takes_s = 30
        world.alice.say(home.chat, "!retry")
        await quiet(5)
    async with world.live(platform=model) as run:
        await quiet(100)
        assert world.alice.replies(home.chat) == ("answer 1", "answer 3")


async def test_there_is_nothing_to_answer_again() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!retry")).startswith("There is nothing to answer")
        await ask(world, home.chat, "hello")
        await ask(world, home.chat, "!forget")
        assert (await ask(world, home.chat, "!retry")).startswith("There is nothing to answer")


async def test_a_retry_in_a_thread_asks_its_last_question_there() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "hello")
        await quiet(5)
        say_in_thread(world, home.chat, root, "count")
        await quiet(5)
        world.alice.say(home.chat, "elsewhere")
        await quiet(5)
        say_in_thread(world, home.chat, root, "!retry")
        await quiet(5)
        assert model.said()[-1] == ("person", "count")
        assert thread_of(answers(world, home.chat)[-1]) == root


async def test_an_archived_chat_answers_nothing_again() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        for text in ("hello", "!archive", "!yes"):
            await ask(world, home.chat, text)
        assert (await ask(world, home.chat, "!retry")).startswith("This chat is archived.")


# ------------------------------------------------------------ !forget


async def test_what_was_said_before_is_forgotten() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "hello")
        assert (await ask(world, home.chat, "!forget")).startswith("I have forgotten")
        assert model.forgotten == [model.asks[0].chat]
        await ask(world, home.chat, "count")
        assert model.said() == [("person", "count")]
    world.lose_store()
    async with world.live(platform=model) as run:
        await ask(world, home.chat, "and now?")
        assert model.said()[0] == ("person", "count")


async def test_an_answer_in_work_is_forgotten_as_well() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "go on")
        await quiet(5)
        assert (await ask(world, home.chat, "!forget")).startswith("I have forgotten")
        assert model.ended == 1
        await ask(world, home.chat, "count")
        assert model.said() == [("person", "count")]


async def test_in_a_thread_only_the_thread_is_forgotten() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "hello")
        root = world.alice.say(home.chat, "a root")
        await quiet(5)
        say_in_thread(world, home.chat, root, "inside")
        await quiet(5)
        say_in_thread(world, home.chat, root, "!forget")
        await quiet(5)
        assert "in this thread" in world.alice.replies(home.chat)[-1]
        assert model.forgotten == [model.asks[-1].chat] != [model.asks[0].chat]
        say_in_thread(world, home.chat, root, "count")
        await quiet(5)
        assert model.said() == [("person", "count")]
        await ask(world, home.chat, "outside")
        assert model.said()[0] == ("person", "hello")


@pytest.mark.parametrize("error", [PlatformUnreachable("gone"), KeyError("a bug")])
async def test_a_platform_that_does_not_forget_is_no_reason_to_say_so(error: Exception) -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "hello")
        model.forget_fails = error
        assert (await ask(world, home.chat, "!forget")).startswith("I could not forget")
        await ask(world, home.chat, "count")
        assert len(model.said()) == 3


# ------------------------------------------------------------ !usage


async def test_the_tokens_of_all_answers_are_told() -> None:
    world, model = World(), Model()
    async with world.live(platform=model) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!usage")).startswith("No answer")
        await ask(world, home.chat, "count")
        await ask(world, home.chat, "count")
        assert (await ask(world, home.chat, "!usage")).splitlines() == [
            "The last answer took 200 tokens to read and 3 to write (default).",
            "All answers in this chat that say it (2): 300 read, 4 written.",
        ]
    world.lose_store()
    async with world.live(platform=model) as run:
        assert "300 read, 4 written." in await ask(world, home.chat, "!usage")
