"""Files in chats: as questions, in answers, and across kills."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Final

import anyio
import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.model import EventId, RoomId
from actors.platform import Ask, Attachment, Capabilities, Delta, Done, File, Text
from actors.port_errors import PlatformRefused, Unsupported
from tests.pictures import png
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, Home, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

CAT: Final = File("cat.png", "image/png", png(20, 10))
PLOT: Final = File("../plot\u202e.png", "image/png", png(30, 30))
NOTES: Final = File("notes.txt", "text/plain", b"milk, bread")
VOICE: Final = File("voice.ogg", "audio/ogg", b"OggS\0\0")
IS_VOICE: Final[Mapping[str, object]] = {"org.matrix.msc3245.voice": {}}


class Seeing(ScriptedPlatform):
    """A platform that takes files of some types, and draws when it is asked to."""

    def __init__(self, *accepts: str, draws: tuple[File, ...] = (PLOT,)) -> None:
        super().__init__()
        self.accepts = accepts
        self.script["draw"] = self.draw
        self.draws = draws
        self.unsupported: tuple[str, ...] = ()
        self.refuses_pictures = False
        self.remembers = True

    @property
    @override
    def capabilities(self) -> Capabilities:
        """Files of these types, with the question alone or with the whole conversation."""
        return Capabilities(keeps_history=self.remembers, accepts=self.accepts)

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """As planned, unless it is shown what it can't take after all."""
        shown = [file.mime_type for file in ask.question.attachments]
        if refused := tuple(each for each in shown if each in self.unsupported):
            raise Unsupported(refused)
        if self.refuses_pictures and any(turn.attachments for turn in ask.turns):
            raise PlatformRefused("Not that picture.")
        async for delta in super().answer(ask):
            yield delta

    async def draw(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """Words before and after each file."""
        await anyio.lowlevel.checkpoint()
        yield Text("Here:")
        for file in self.draws:
            yield Attachment(file)
        yield Text("There.")
        yield Done()

    @property
    def shown(self) -> list[tuple[str, ...]]:
        """The names of the files in each question."""
        return [tuple(file.name for file in ask.question.attachments) for ask in self.asks]


def said(world: World, room_id: RoomId) -> list[tuple[str, str]]:
    """Type and body of each message of the bot in a room."""
    return [
        (str(event.content["msgtype"]), str(event.content["body"]))
        for event in world.server.room(room_id).timeline
        if event.type == "m.room.message" and event.sender == BOT
    ]


async def asked(
    platform: Seeing, show: Callable[[World, Home], EventId]
) -> tuple[World, list[tuple[str, str]]]:
    """What the bot says in a chat after a person has shown something."""
    world = World()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        show(world, home)
        await quiet(10)
        assert await world.store.waiting_counts() == {}
        return world, said(world, home.chat)


async def test_a_picture_without_a_caption_is_a_question_to_a_platform_that_sees() -> None:
    platform = Seeing("image/*")
    _, answers = await asked(platform, lambda world, home: world.alice.show(home.chat, CAT))
    assert answers == [("m.text", "You said:")]
    assert platform.asks[0].question.attachments == (CAT,)


async def test_a_picture_that_the_platform_does_not_take_gets_the_reason() -> None:
    platform = Seeing()
    world, answers = await asked(platform, lambda world, home: world.alice.show(home.chat, CAT))
    assert answers == [("m.notice", "I can't read files of this type: cat.png (image/png).")]
    assert (platform.asks, world.server.media.read) == ([], [])


async def test_a_caption_is_answered_and_what_was_left_out_is_told_once() -> None:
    platform = Seeing()
    _, answers = await asked(
        platform, lambda world, home: world.alice.show(home.chat, CAT, "what is it?")
    )
    assert answers == [
        ("m.text", "You said: what is it?\n\n[image: cat.png]"),
        ("m.notice", "I can't read files of this type: cat.png (image/png)."),
    ]


async def test_a_file_of_text_is_a_question_to_any_platform() -> None:
    platform = Seeing()
    _, answers = await asked(platform, lambda world, home: world.alice.show(home.chat, NOTES))
    assert answers == [("m.text", "You said: [file: notes.txt]\n```\nmilk, bread\n```")]


@pytest.mark.parametrize(("accepts", "is_heard"), [((), False), (("audio/*",), True)])
async def test_a_voice_message_is_a_question_to_a_platform_that_hears(
    accepts: tuple[str, ...],
    is_heard: bool,  # noqa: FBT001
) -> None:
    platform = Seeing(*accepts)
    _, (answer,) = await asked(
        platform, lambda world, home: world.alice.show(home.chat, VOICE, more=IS_VOICE)
    )
    assert platform.shown == ([("voice.ogg",)] if is_heard else [])
    assert ("can't understand voice" in answer[1]) is not is_heard


async def test_a_picture_that_the_model_does_not_take_after_all_is_not_asked_again() -> None:
    platform = Seeing("image/*")
    platform.unsupported = ("image/png",)
    _, answers = await asked(platform, lambda world, home: world.alice.show(home.chat, CAT))
    assert answers == [("m.text", "I can't read files of this type: cat.png (image/png).")]
    assert platform.asks == []


async def test_a_voice_message_that_is_refused_after_all_gets_the_line_about_voice() -> None:
    platform = Seeing("audio/*")
    platform.unsupported = ("audio/ogg",)
    _, answers = await asked(
        platform, lambda world, home: world.alice.show(home.chat, VOICE, more=IS_VOICE)
    )
    assert answers == [("m.text", "I can't understand voice messages. Please write to me instead.")]


async def test_a_refused_file_says_nothing_about_the_files_of_other_people() -> None:
    platform, world = Seeing("image/*"), World()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        elsewhere = await run.settle_in(world.bob)
        platform.unsupported = ("image/png",)
        world.alice.show(home.chat, CAT)
        await quiet(10)
        platform.unsupported = ()
        world.bob.show(elsewhere.chat, CAT)
        await quiet(10)
        assert platform.shown == [("cat.png",)]
        assert said(world, elsewhere.chat) == [("m.text", "You said:")]


async def test_a_file_that_is_gone_does_not_block_the_chat() -> None:
    platform = Seeing("image/*")

    def show(world: World, home: Home) -> EventId:
        shown = world.alice.show(home.chat, CAT)
        world.server.media.files.clear()
        world.alice.say(home.chat, "hello")
        return shown

    _, answers = await asked(platform, show)
    assert answers == [
        ("m.text", "I can't find cat.png on the homeserver."),
        ("m.text", "You said: hello"),
    ]


async def test_a_question_waits_for_a_file_that_can_t_be_read_now() -> None:
    platform, world = Seeing("image/*"), World()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("download", Fault.RATE_LIMITED, times=3)
        world.alice.show(home.chat, CAT)
        await quiet(60)
        assert platform.shown == [("cat.png",)]
        assert said(world, home.chat) == [("m.text", "You said:")]


async def test_files_of_an_answer_are_shown_where_they_stand_in_it() -> None:
    world, answers = await asked(
        Seeing(draws=(PLOT, NOTES)), lambda world, home: world.alice.say(home.chat, "draw")
    )
    assert answers == [
        ("m.text", "Here:"),
        ("m.image", "plot.png"),
        ("m.file", "notes.txt"),
        ("m.text", "There."),
    ]
    assert world.server.media.uploads == ["plot.png", "notes.txt"]


async def test_a_file_that_the_homeserver_does_not_take_leaves_a_line_in_the_answer() -> None:
    def ask(world: World, home: Home) -> EventId:
        world.server.media.largest = 20
        return world.alice.say(home.chat, "draw")

    _, answers = await asked(Seeing(draws=(PLOT, NOTES)), ask)
    assert answers == [
        ("m.text", "Here:\n\n[file plot.png: could not be sent: too large for the homeserver]"),
        ("m.file", "notes.txt"),
        ("m.text", "There."),
    ]


async def test_of_too_many_files_only_the_names_are_kept() -> None:
    most = Bounds().answer_files
    draws = tuple(File(f"{number}.txt", "text/plain", b"x") for number in range(most + 1))
    _, answers = await asked(
        Seeing(draws=draws), lambda world, home: world.alice.say(home.chat, "draw")
    )
    assert [kind for kind, _ in answers].count("m.file") == most
    line = f"[file {most}.txt: could not be sent: too much for one answer]"
    assert answers[-1] == ("m.text", f"{line}\n\nThere.")


async def test_too_many_bytes_are_too_much_for_one_answer() -> None:
    world = World()
    world.bounds = replace(Bounds(), answer_file_bytes=2 * len(NOTES.data))
    platform = Seeing(draws=(NOTES, PLOT, NOTES))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "draw")
        await quiet(10)
    assert [name for kind, name in said(world, home.chat) if kind == "m.file"] == ["notes.txt"] * 2


@pytest.mark.parametrize("fault", [Fault.AFTER_EFFECT, Fault.RATE_LIMITED, Fault.SERVER_ERROR])
async def test_an_upload_that_fails_is_repeated_and_the_file_is_shown_once(fault: Fault) -> None:
    world, platform = World(), Seeing()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("upload", fault, times=2)
        world.alice.say(home.chat, "draw")
        await quiet(60)
    assert said(world, home.chat) == [
        ("m.text", "Here:"), ("m.image", "plot.png"), ("m.text", "There."),
    ]  # fmt: skip
    assert len(platform.asks) == 1


INSTANTS: Final = tuple(round(0.04 * number, 2) for number in range(20))


@pytest.mark.parametrize("instant", INSTANTS)
async def test_a_file_is_shown_once_whenever_the_bot_is_killed(instant: float) -> None:
    world = World()
    async with world.live(platform=Seeing()) as run:
        home = await run.settle_in(world.alice)
    world.server.slow_s = 0.1
    async with world.live(platform=Seeing()):
        world.alice.say(home.chat, "draw")
        await anyio.sleep(instant)
    async with world.live(platform=Seeing()):
        await quiet(30)
    assert said(world, home.chat) == [
        ("m.text", "Here:"), ("m.image", "plot.png"), ("m.text", "There."),
    ]  # fmt: skip


async def test_a_picture_stays_in_the_conversation() -> None:
    world, platform = World(), Seeing("image/*")
    platform.remembers = False
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.show(home.chat, CAT)
        await quiet()
        world.alice.say(home.chat, "what was that?")
        await quiet()
        world.alice.show(home.chat, NOTES, "and this?")
        await quiet()
    first, *_, last = platform.asks[-1].turns
    assert first.attachments == (CAT,)
    assert "milk, bread" in last.text
    assert [turn.text for turn in platform.asks[-1].turns][2] == "what was that?"
    assert len(world.server.media.read) == 2


async def test_a_picture_that_was_refused_is_not_told_again() -> None:
    world, platform = World(), Seeing()
    platform.remembers = False
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.show(home.chat, CAT)
        await quiet()
        world.alice.say(home.chat, "what was that?")
        await quiet()
    assert [kind for kind, _ in said(world, home.chat)] == ["m.notice", "m.text"]
    (ask,) = platform.asks
    assert [turn.text for turn in ask.turns] == ["what was that?\n\n[image: cat.png]"]


async def test_an_earlier_picture_that_is_refused_does_not_spoil_the_conversation() -> None:
    world, platform = World(), Seeing("image/*")
    platform.remembers = False
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.alice.show(home.chat, CAT, "what is that?")
        await quiet()
        platform.refuses_pictures = True
        world.alice.say(home.chat, "hello")
        await quiet()
        world.alice.show(home.chat, CAT, "and this?")
        await quiet()
    assert said(world, home.chat)[1:] == [
        ("m.text", "You said: hello"),
        ("m.text", "Not that picture."),
    ]
    ask = platform.asks[-1]
    assert [turn.attachments for turn in ask.turns] == [(), (), ()]
    assert ask.turns[0].text == "what is that?\n\n[image: cat.png]"
