"""Who is answered in a chat, and how a conversation between programs comes to an end."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.bounds import Bounds
from actors.model import ChatContext, EventId, InboundMessage, RoomId, UserId
from actors.room.audience import Audience
from actors.rows import from_row
from actors.rules.answers import Answers
from actors.writes import AcceptMessage
from tests.simulation.events import Event
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOB, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

LIMITS = Bounds().exchange
DELAY_S = 0.05


class Program:
    """An account that answers each text of the bot at once, `times` over."""

    def __init__(self, world: World, person: Person, text: str, times: int = 1) -> None:
        self.world = world
        self.person = person
        self.text = text
        self.times = times
        self.said = 0
        world.server.on_event = self.hear

    def hear(self, event: Event) -> None:
        """Answer a text of the bot."""
        is_text = event.type == "m.room.message" and event.content.get("msgtype") == "m.text"
        if is_text and event.sender == BOT:
            for _ in range(self.times):
                self.world.server.later(DELAY_S, self.answer_in(event.room_id))

    def answer_in(self, room_id: RoomId) -> Callable[[], object]:
        def answer() -> None:
            self.said += 1
            self.person.say(room_id, f"{self.text} {self.said}")

        return answer


async def with_bob(world: World, run: Run) -> Home:
    """Alice's first chat, with Bob in it."""
    home = await run.settle_in(world.alice)
    world.alice.invite(home.chat, BOB)
    world.bob.join(home.chat)
    return home


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (Answers.MENTIONS, ("You said: @bot:sim.test hello",)),
        (Answers.EVERYONE, ("You said: hello", "You said: @bot:sim.test hello")),
        (Answers.OWNER, ()),
    ],
)
async def test_a_guest_is_answered_as_the_setting_says(
    answers: Answers, expected: tuple[str, ...]
) -> None:
    world = World()
    async with world.boot(answers=answers) as run:
        await run.go_live()
        run.let_run()
        home = await with_bob(world, run)
        world.bob.say(home.chat, "hello")
        world.bob.say(home.chat, f"{BOT} hello")
        await quiet()
        assert world.bob.replies(home.chat) == expected
        world.alice.say(home.chat, "and I?")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: and I?"
        assert await world.store.waiting_counts() == {}


async def test_a_guest_who_replies_to_the_bot_is_answered() -> None:
    world = World()
    async with world.live() as run:
        home = await with_bob(world, run)
        world.alice.say(home.chat, "hello")
        await quiet()
        answer = world.server.room(home.chat).timeline[-1].event_id
        for number, event_id in enumerate((EventId("$other"), answer)):
            said = InboundMessage(
                EventId(f"$reply-{number}"),
                home.chat,
                BOB,
                0,
                msgtype="m.text",
                body=f"reply {number}",
                reply_to=event_id,
            )
            await world.store.commit([AcceptMessage(said)])
        world.alice.say(home.chat, "and?")
        await quiet()
        assert answers_in(world, home.chat) == [
            "You said: hello",
            "You said: reply 1",
            "You said: and?",
        ]


@pytest.mark.parametrize("person", ["bob", "alice"], ids=["a guest", "the owner"])
async def test_a_program_that_answers_each_answer_is_paused_and_told_once(person: str) -> None:
    world = World()
    async with world.boot(answers=Answers.EVERYONE) as run:
        await run.go_live()
        run.let_run()
        run.let_postponed_run()
        home = await with_bob(world, run)
        program = Program(world, getattr(world, person), "ping")
        program.answer_in(home.chat)()
        await quiet(500)
        limit = LIMITS.quick_turns if person == "bob" else LIMITS.steady_turns
        assert program.said == limit + 1
        told = [text for text in texts_of(program, home.chat, BOT) if "programs" in text]
        assert len(told) == 1
        other = world.alice if person == "bob" else None
        if other is not None:
            other.say(home.chat, "am I answered?")
            await quiet()
            assert "You said: am I answered?" in texts_of(program, home.chat, BOT)
        assert await world.store.waiting_counts() == {}


async def test_after_a_rest_a_paused_sender_is_answered_again() -> None:
    world = World()
    async with world.boot(answers=Answers.EVERYONE) as run:
        await run.go_live()
        run.let_run()
        run.let_postponed_run()
        home = await with_bob(world, run)
        program = Program(world, world.bob, "ping")
        program.answer_in(home.chat)()
        await quiet(30)
        world.bob.say(home.chat, "still paused")
        await quiet()
        assert "You said: still paused" not in texts_of(program, home.chat, BOT)
        await quiet(LIMITS.rest_s)
        world.server.on_event = lambda _: None
        world.bob.say(home.chat, "hello again")
        await quiet()
        assert texts_of(program, home.chat, BOT)[-1] == "You said: hello again"


async def test_a_program_that_gives_two_answers_to_each_ends_as_well() -> None:
    world = World()
    world.bounds = replace(world.bounds, exchange=replace(LIMITS, answers=200))
    async with world.boot(answers=Answers.EVERYONE) as run:
        await run.go_live()
        run.let_run()
        run.let_postponed_run()
        home = await with_bob(world, run)
        program = Program(world, world.bob, "ping", times=2)
        program.answer_in(home.chat)()
        await quiet(300)
        before = program.said
        await quiet(100)
        assert program.said == before
        assert len(texts_of(program, home.chat, BOT)) <= 201


async def test_thirty_lines_that_a_person_pastes_are_all_answered() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for number in range(30):
            world.alice.say(home.chat, str(number))
            await quiet(0.08)
        await quiet(5)
        assert len(world.alice.replies(home.chat)) == 30


async def test_a_room_remembers_a_bounded_number_of_senders() -> None:
    world = World()
    world.bounds = replace(world.bounds, exchange_senders=2)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        chat = from_row(await world.store.row(f"chat:{ALICE}:C1"), ChatContext)
        assert chat is not None
        audience = Audience(home.chat, run.bot.services)
        for number in range(4):
            sender = UserId(f"@guest{number}:sim.test")
            event_id = EventId(f"${number}")
            said = InboundMessage(
                event_id, home.chat, sender, 0, "m.text", "hello", mentions_bot=True
            )
            await audience.hear(said, chat)
        assert list(audience._exchanges) == ["@guest2:sim.test", "@guest3:sim.test"]


def answers_in(world: World, room_id: RoomId) -> list[str]:
    """The texts of the bot in a room."""
    return [
        str(event.content["body"])
        for event in world.server.room(room_id).timeline
        if event.sender == BOT and event.content.get("msgtype") == "m.text"
    ]


def texts_of(program: Program, room_id: RoomId, sender: UserId) -> list[str]:
    """What a sender has written in a room."""
    return [text for by, text in program.person.messages(room_id) if by == sender]
