"""The language of each person: chosen with a command, and kept in the person's Space."""

import pytest

from actors.model import SpaceSettings
from actors.texts import ENGLISH, RUSSIAN
from tests.simulation.faults import Fault
from tests.simulation.reading import read_space_settings
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet
from tests.stepping.test_commands import ask

pytestmark = pytest.mark.anyio

NO_MATTER = "Подтверждать нечего;"


def settings(world: World, home: Home) -> SpaceSettings | None:
    return read_space_settings(world.server.room(home.space), BOT)


async def speaking_russian(world: World, run: Run) -> Home:
    home = await run.settle_in(world.alice)
    answer = await ask(world, home.chat, "!language ru")
    assert answer == RUSSIAN.commands.language_set
    return home


async def test_a_chosen_language_counts_in_all_chats_and_for_one_person_only() -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
        of_bob = await run.settle_in(world.bob)
        assert (await ask(world, home.chat, "!no")).startswith(NO_MATTER)
        assert (await ask(world, home.chat, "!new")).startswith("Готово: Чат 2.")
        (second,) = world.alice.join_all()
        await quiet()
        assert (await ask(world, second, "!no")).startswith(NO_MATTER)
        world.bob.say(of_bob.chat, "!no")
        await quiet()
        assert world.bob.replies(of_bob.chat)[-1] == ENGLISH.chats.nothing_to_confirm
        assert world.server.room(home.space).content("m.room.name")["name"] == "Чаты: alice"
        again = world.alice.direct_chat_with(BOT)
        await quiet()
        assert world.alice.replies(again)[-1].startswith("С возвращением!")


async def test_a_chosen_language_counts_from_the_next_command_on() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for line in ("!no", "!language ru", "!no"):
            world.alice.say(home.chat, line)
        await quiet()
        first, _, second = world.alice.replies(home.chat)
        assert first == ENGLISH.chats.nothing_to_confirm
        assert second == RUSSIAN.chats.nothing_to_confirm


@pytest.mark.parametrize("loss", [False, True])
async def test_a_language_survives_a_restart_and_the_loss_of_all_files(*, loss: bool) -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
    if loss:
        world.lose_store()
    async with world.live():
        assert (await ask(world, home.chat, "!no")).startswith(NO_MATTER)
        assert settings(world, home) == SpaceSettings(language="ru", follows_owner=True)


async def test_the_default_takes_the_bots_language_again() -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
        answer = await ask(world, home.chat, "!language default")
        assert answer == ENGLISH.commands.language_set
        assert settings(world, home) == SpaceSettings(follows_owner=True)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("!language", "My own sentences are in English."),
        ("!language Klingon", "I don't speak the language Klingon."),
        ("!language " + "x" * 500, f"I don't speak the language {'x' * 60} …."),
        ("!language РУССКИЙ", RUSSIAN.commands.language_set),
        ("!language english", ENGLISH.commands.language_set),
    ],
)
async def test_a_language_is_read_as_people_type_it(command: str, answer: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, command)).startswith(answer)


async def test_a_language_that_cannot_be_read_now_is_the_bots() -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
    async with world.live() as run:
        run.homeserver.faults.next("space_settings_of", Fault.SERVER_ERROR)
        assert await ask(world, home.chat, "!no") == ENGLISH.chats.nothing_to_confirm
        assert (await ask(world, home.chat, "!no")).startswith(NO_MATTER)


async def test_a_language_that_is_changed_on_the_homeserver_is_noticed() -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
        contents = run.homeserver.contents
        await contents.write_space_settings(home.space, SpaceSettings())
        await quiet()
        assert await ask(world, home.chat, "!no") == ENGLISH.chats.nothing_to_confirm


async def test_a_refused_language_is_told_and_changes_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("write_space_settings", Fault.REFUSED)
        answer = await ask(world, home.chat, "!language ru")
        assert answer == "The homeserver did not let me do that (Refused by chance)."
        assert settings(world, home) == SpaceSettings(follows_owner=True)


async def test_only_so_many_languages_are_kept_in_memory() -> None:
    world = World()
    async with world.live() as run:
        languages = run.bot.services.languages
        for number in range(world.bounds.settings_rooms + 5):
            languages.note(type(ALICE)(f"@{number}:x"), SpaceSettings())
        assert len(languages._known) == world.bounds.settings_rooms


async def test_a_language_that_is_chosen_again_is_not_written_again() -> None:
    world = World()
    async with world.live() as run:
        home = await speaking_russian(world, run)
        await ask(world, home.chat, "!language ru")
        assert world.writes().count(("write_space_settings", home.space)) == 1
