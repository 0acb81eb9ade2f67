"""What an owner can set for a chat: the model, its instructions, and the rest."""

from dataclasses import replace

import anyio
import pytest
from typing_extensions import override

from actors.model import DEFAULT_CHAT_SETTINGS, SETTINGS_TYPE, ChatSettings, RoomId
from actors.platform import Capabilities
from actors.rules.setting_values import MODEL_LIMIT, SYSTEM_LIMIT
from actors.texts import ENGLISH, RUSSIAN
from tests.simulation.faults import Fault
from tests.simulation.reading import read_settings
from tests.stepping.harness import BOT, Run, ScriptedPlatform, World, quiet
from tests.stepping.test_commands import ask

pytestmark = pytest.mark.anyio

GROWING = ENGLISH.commands.stream_on
WHOLE = ENGLISH.commands.stream_off
AGAIN = ENGLISH.commands.edits_on
ONCE = ENGLISH.commands.edits_off
MODELS = tuple(f"model-{number}" for number in range(25))


class WithModels(ScriptedPlatform):
    """Names these models to choose from."""

    def __init__(self, *models: str) -> None:
        super().__init__()
        self.models = models

    @property
    @override
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, models=self.models)


def settings_in(world: World, room_id: RoomId) -> ChatSettings | None:
    """The settings that a chat's room has."""
    return read_settings(world.server.room(room_id), BOT)


async def test_the_model_is_shown_with_the_models_to_choose_from() -> None:
    world = World()
    async with world.live(platform=WithModels(*MODELS)) as run:
        home = await run.settle_in(world.alice)
        title, *lines = (await ask(world, home.chat, "!model")).splitlines()
        assert title == "The default model, model-0, answers in this chat."
        assert lines[1:21] == ["model-0 (answers here)", *MODELS[1:20]]
        assert lines[21] == "… and 5 more"
        await ask(world, home.chat, "!model MODEL-7")
        title, *lines = (await ask(world, home.chat, "!model")).splitlines()
        assert title == "The model model-7 answers in this chat."
        assert [line for line in lines if "answers here" in line] == ["model-7 (answers here)"]
        assert settings_in(world, home.chat) == ChatSettings(model="model-7")


async def test_an_unknown_model_changes_nothing_and_similar_names_are_shown() -> None:
    world = World()
    async with world.live(platform=WithModels("llama3.1:8b", "phi")) as run:
        home = await run.settle_in(world.alice)
        answer = await ask(world, home.chat, "!model llama3")
        assert answer == "There is no model llama3 here. Similar names: llama3.1:8b."
        answer = await ask(world, home.chat, "!model zzz")
        assert answer == "There is no model zzz here. !model lists the models to choose from."
        assert settings_in(world, home.chat) is None


async def test_models_that_only_a_check_finds_out_are_shown() -> None:
    world, platform = World(), WithModels()
    check = platform.check

    async def find_out() -> None:
        await check()
        platform.models = ("phi",)

    vars(platform)["check"] = find_out
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        assert "The default model, phi," in await ask(world, home.chat, "!model")
        await ask(world, home.chat, "!model phi")
        assert platform.checks == 1


async def test_without_a_list_any_model_is_taken_and_the_answer_says_so() -> None:
    world = World()
    async with world.live(platform=WithModels()) as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!model")).splitlines() == [
            "The default model answers in this chat.",
            "There is no list of models to choose from here.",
        ]
        assert "so I can't say whether it exists" in await ask(world, home.chat, "!model phi")
        assert settings_in(world, home.chat) == ChatSettings(model="phi")
        answer = await ask(world, home.chat, "!model " + "x" * (MODEL_LIMIT + 1))
        assert answer == "A name can have at most 200 characters; this one has 201."


async def test_instructions_keep_their_lines_and_are_shown_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        assert "no instructions" in await ask(world, home.chat, "!system")
        text = "Answer briefly.\n\n- In Russian: кратко 🙂\n    indented"
        assert f"({len(text)} characters)" in await ask(world, home.chat, f"!SYSTEM\n{text}\n")
        assert settings_in(world, home.chat) == ChatSettings(system=text)
        assert await ask(world, home.chat, "!system") == f"The instructions for this chat:\n{text}"


async def test_instructions_that_are_too_long_change_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        answer = await ask(world, home.chat, "!system " + "x" * (SYSTEM_LIMIT + 1))
        assert answer == "Instructions can have at most 8000 characters; these have 8001."
        assert settings_in(world, home.chat) is None
        await ask(world, home.chat, "!system " + "x" * SYSTEM_LIMIT)
        assert settings_in(world, home.chat) == ChatSettings(system="x" * SYSTEM_LIMIT)


@pytest.mark.parametrize(
    ("command", "answer", "settings"),
    [
        ("!settings temperature 0.7", "temperature: 0.7", ChatSettings(temperature=0.7)),
        ("!settings Temperature 0,7", "temperature: 0.7", ChatSettings(temperature=0.7)),
        ("!settings  temp\n1", "temperature: 1", ChatSettings(temperature=1.0)),
        ("!settings ѕtream OFF", f"stream: off. {WHOLE}", ChatSettings(stream=False)),
        ("!settings edits on", f"edits: on. {AGAIN}", ChatSettings(answer_edits=True)),
        ("!settings edits да", f"edits: on. {AGAIN}", ChatSettings(answer_edits=True)),
        ("!settings stream", f"stream: on. {GROWING}", None),
        ("!settings edits", f"edits: off. {ONCE}", None),
        ("!settings system Be\nkind", None, ChatSettings(system="Be\nkind")),
        ("!settings model phi", None, ChatSettings(model="phi")),
        ("!settings temperature", "temperature: default", None),
        ("!settings temperature 2.5", "The temperature is a number from 0 to 2", None),
        ("!settings temperature hot", "The temperature is a number from 0 to 2", None),
        ("!settings stream maybe", "The setting stream can be on or off", None),
        ("!settings top_p 1", "There is no setting top_p. There are: model, system,", None),
        ("!settings " + "x" * 9_000, "There is no setting xxx", None),
    ],
)
async def test_a_setting_is_changed_or_the_answer_says_why_not(
    command: str, answer: str | None, settings: ChatSettings | None
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        said = await ask(world, home.chat, command)
        assert answer is None or said.startswith(answer)
        assert len(said) < 500
        assert settings_in(world, home.chat) == settings


async def test_all_settings_are_listed() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "!settings temperature 0.3")
        await ask(world, home.chat, "!system " + "Be kind. " * 20)
        _, *lines, _ = (await ask(world, home.chat, "!settings")).splitlines()
        assert lines[0] == "model: default"
        assert lines[1].startswith("system: Be kind. Be kind.")
        assert len(lines[1]) < 80
        assert lines[2:] == ["temperature: 0.3", "stream: on", "edits: off"]


@pytest.mark.parametrize(
    ("command", "left"),
    [
        ("!model default", ChatSettings(system="Be kind.", temperature=0.3)),
        ("!system DEFAULT", ChatSettings(model="phi", temperature=0.3)),
        ("!settings temperature default", ChatSettings(model="phi", system="Be kind.")),
        ("!settings defаult", DEFAULT_CHAT_SETTINGS),
    ],
)
async def test_a_setting_goes_back_to_its_default_and_the_others_stay(
    command: str, left: ChatSettings
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for text in ("!model phi", "!system Be kind.", "!settings temperature 0.3"):
            await ask(world, home.chat, text)
        await ask(world, home.chat, command)
        assert settings_in(world, home.chat) == left


async def test_each_chat_has_settings_of_its_own() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        await ask(world, second, "!model phi")
        assert "default" in (await ask(world, home.chat, "!model")).splitlines()[0]


async def test_a_guest_changes_no_settings() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.invite(home.chat, world.bob.user_id)
        world.bob.join_all()
        world.bob.say(home.chat, "!system Be rude.")
        await quiet()
        assert world.alice.replies(home.chat)[-1].startswith("Only alice can use")
        assert settings_in(world, home.chat) is None


async def test_a_setting_in_a_thread_is_answered_there_and_counts_for_the_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        root = world.alice.say(home.chat, "hello")
        await quiet()
        relation = {"rel_type": "m.thread", "event_id": root}
        world.alice.send_raw(
            home.chat, {"msgtype": "m.text", "body": "!model phi", "m.relates_to": relation}
        )
        await quiet()
        answered_in = world.server.room(home.chat).timeline[-1].content["m.relates_to"]
        assert isinstance(answered_in, dict)
        assert answered_in["event_id"] == root
        assert settings_in(world, home.chat) == ChatSettings(model="phi")


async def test_settings_are_talked_about_in_the_bots_language() -> None:
    world = World()
    async with world.live(texts=RUSSIAN) as run:
        home = await run.settle_in(world.alice)
        assert await ask(world, home.chat, "!settings stream нет") == (
            f"stream: выкл. {RUSSIAN.commands.stream_off}"
        )


async def test_settings_that_the_server_refuses_to_keep_are_not_confirmed() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("write_settings", Fault.REFUSED)
        answer = await ask(world, home.chat, "!model phi")
        assert answer == "The homeserver did not let me do that (Refused by chance)."
        assert "default" in (await ask(world, home.chat, "!model")).splitlines()[0]


@pytest.mark.parametrize("fault", [Fault.AFTER_EFFECT, Fault.SERVER_ERROR])
async def test_a_setting_that_meets_an_outage_is_written_once_and_confirmed_once(
    fault: Fault,
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("write_settings", fault)
        world.alice.say(home.chat, "!settings temperature 1")
        await quiet(60)
        assert world.alice.replies(home.chat) == ("temperature: 1",)
        assert len(written(world, home.chat)) == 1


async def test_a_kill_between_the_write_and_the_commit_repeats_neither() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        hang_after_the_write(run)
        world.alice.say(home.chat, "!settings temperature 1")
        await quiet()
        assert world.alice.replies(home.chat) == ()
    async with world.live() as run:
        await quiet(60)
        assert world.alice.replies(home.chat) == ("temperature: 1",)
    assert len(written(world, home.chat)) == 1


def written(world: World, room_id: RoomId) -> list[object]:
    timeline = world.server.room(room_id).timeline
    return [event for event in timeline if event.type == SETTINGS_TYPE]


def hang_after_the_write(run: Run) -> None:
    """Let the bot never hear that its settings were written."""
    contents = run.homeserver.contents
    write = contents.write_settings

    async def write_and_hang(room_id: RoomId, settings: ChatSettings) -> None:
        await write(room_id, settings)
        await anyio.sleep_forever()

    vars(contents)["write_settings"] = write_and_hang


async def test_a_chat_that_turns_streaming_on_is_told_that_the_whole_bot_does_not_stream() -> None:
    world = World()
    async with world.boot(streams=False) as run:
        await run.go_live()
        run.let_run()
        home = await run.settle_in(world.alice)
        assert await ask(world, home.chat, "!settings stream on") == (
            "stream: on. But this bot sends all answers only when they are complete."
        )
        assert await ask(world, home.chat, "!settings stream off") == f"stream: off. {WHOLE}"
