"""What an owner can do about answers: stop one, get another one, forget, and count tokens."""

from collections.abc import AsyncGenerator, Callable
from typing import TypeAlias

import anyio
import pytest
from typing_extensions import override

from actors.model import EventId, PlatformChatId, RoomId
from actors.platform import Ask, Delta, Done, Role, Text, Usage
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
        assert not answers(world, home.chat)


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


# ------------------------------------------------------------ !forget


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


async def test_there_is_nothing_to_answer_again() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!retry")).startswith("There is nothing to answer")


async def test_an_archived_chat_answers_nothing_again() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        for text in ("hello", "!archive", "!yes"):
            await ask(world, home.chat, text)
        assert (await ask(world, home.chat, "!retry")).startswith("This chat is archived.")


async def test_no_answer_says_how_many_tokens_it_took() -> None:
    world = World()
    async with world.live(platform=Model()) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!usage")).startswith("No answer in this chat says")
