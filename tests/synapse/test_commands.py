"""Every command, as its owner types it and as they see what comes of it."""

import re

import pytest

from demo.person import Person
from tests.synapse.conftest import MakeBot
from tests.synapse.home import Home, accept, eventually, hear, move_in, words_of

pytestmark = pytest.mark.anyio

COMMANDS = ("!help", "!new", "!chats", "!rename", "!archive", "!open", "!status")


@pytest.mark.quick
async def test_help_names_every_command(commons: Home) -> None:
    answer = await commons.ask("!help")
    assert [command for command in COMMANDS if command not in answer] == []


@pytest.mark.quick
async def test_new_makes_a_numbered_chat_in_the_space(home: Home) -> None:
    alice = home.owner
    second = await home.new_chat()
    assert "Chat 2 is ready" in await hear(alice, home.bot, home.chat)
    assert await alice.name_of(second) == "Chat 2"
    assert await alice.state_of(home.space, "m.space.child", second) == {
        "via": ["localhost"],
        "suggested": True,
        "order": "000002",
    }
    assert (await alice.state_of(second, "m.room.topic") or {})["topic"].startswith("Chat C2.")
    assert (await home.marker(second))["chat_id"] == "C2"
    assert (await home.marker(home.space))["next_chat_index"] == 3
    assert await alice.ask(second, "and here?") == "and here?"


async def test_new_takes_a_name_and_each_chat_its_own_conversation(home: Home) -> None:
    named = await home.new_chat("!new  Holiday   plans ")
    assert await home.owner.name_of(named) == "Holiday plans"
    conversations = {home.row(room)["platform_chat_id"] for room in (home.chat, named)}
    assert len(conversations) == 2


async def test_new_with_a_name_that_is_too_long_makes_nothing(commons: Home, admin: Person) -> None:
    before = await admin.rooms_on_server()
    answer = await commons.ask("!new " + "x" * 101)
    assert "100" in answer
    assert "101" in answer
    assert await admin.rooms_on_server() == before


async def test_many_new_at_once_are_numbered_one_after_the_other(home: Home) -> None:
    for _ in range(3):
        await home.owner.say(home.chat, "!new")
    rooms = [await accept(home.owner, home.bot, is_space=False) for _ in range(3)]
    assert [await home.owner.name_of(room) for room in rooms] == ["Chat 2", "Chat 3", "Chat 4"]


async def test_new_works_from_every_chat_of_the_owner(home: Home) -> None:
    second = await home.new_chat()
    await home.owner.say(second, "!new")
    third = await accept(home.owner, home.bot, is_space=False)
    assert "Chat 3" in await hear(home.owner, home.bot, second)
    assert home.row(third)["chat_id"] == "C3"


async def test_chats_lists_them_by_number(home: Home) -> None:
    await home.new_chat("!new Tea")
    await hear(home.owner, home.bot, home.chat)
    assert await home.ask("!chats") == "Your chats:\nC1: Chat 1\nC2: Tea"


@pytest.mark.quick
async def test_rename_renames_room_and_rows(home: Home) -> None:
    answer = await home.ask("!rename Отчёт: the *whole* <b>story</b> 🍵")
    name = "Отчёт: the *whole* <b>story</b> 🍵"
    assert name in answer
    assert await home.owner.name_of(home.chat) == name
    await eventually(lambda: home.chat_row("C1")["name"] == name, "the new name")
    assert home.row(home.chat)["display_name"] == name


@pytest.mark.parametrize("command", ["!rename", "!rename   ", "!rename \u200b\n"])
async def test_rename_without_a_name_says_how_to(commons: Home, command: str) -> None:
    assert "!rename Holiday plans" in await commons.ask(command)
    assert await commons.owner.name_of(commons.chat) == "Chat 1"


async def test_rename_with_10_000_characters_says_how_many_there_may_be(commons: Home) -> None:
    answer = await commons.ask("!rename " + "x" * 10_000)
    assert "100" in answer
    assert "10000" in answer
    assert await commons.owner.name_of(commons.chat) == "Chat 1"
    assert commons.chat_row("C1")["name"] == "Chat 1"


async def test_a_rename_in_a_client_renames_the_chat(home: Home) -> None:
    await home.owner.set_state(home.chat, "m.room.name", {"name": "Named by hand"})
    await eventually(lambda: home.chat_row("C1")["name"] == "Named by hand", "the new name")
    assert home.row(home.chat)["display_name"] == "Named by hand"
    assert "C1: Named by hand" in await home.ask("!chats")


async def test_a_name_taken_away_in_a_client_leaves_the_number(home: Home) -> None:
    await home.owner.set_state(home.chat, "m.room.name", {"name": "Named by hand"})
    await eventually(lambda: home.chat_row("C1")["name"] == "Named by hand", "the new name")
    await home.owner.set_state(home.chat, "m.room.name", {"name": ""})
    await eventually(lambda: home.chat_row("C1")["name"] == "Chat 1", "the default name")


async def test_archive_and_no_changes_nothing(commons: Home) -> None:
    question = await commons.ask("!archive")
    assert "!yes" in question
    assert "!no" in question
    await commons.ask("!no")
    assert commons.chat_row("C1")["is_archived"] is False
    assert await commons.ask("still open?") == "still open?"


@pytest.mark.quick
async def test_archive_and_yes_archives_until_open(home: Home) -> None:
    await home.ask("!archive")
    assert "archived" in await home.ask("!yes")
    await eventually(lambda: home.chat_row("C1")["is_archived"], "C1 to be archived")
    assert (await home.marker(home.chat))["archived"] is True
    assert "!open C1" in await home.ask("are you there?")
    assert "C1: Chat 1 (archived)" in await home.ask("!chats")
    await home.ask("!open C1")
    await eventually(lambda: not home.chat_row("C1")["is_archived"], "C1 to be open")
    assert (await home.marker(home.chat))["archived"] is False
    assert await home.ask("and now?") == "and now?"


async def test_archiving_what_is_archived_says_so(home: Home) -> None:
    await home.ask("!archive")
    await home.ask("!yes")
    assert "already" in await home.ask("!archive")


@pytest.mark.parametrize("answer", ["!yes", "!no"])
async def test_an_answer_without_a_question_does_nothing(commons: Home, answer: str) -> None:
    assert "nothing to confirm" in await commons.ask(answer)
    assert commons.chat_row("C1")["is_archived"] is False


async def test_a_question_that_a_restart_forgot_is_said_to_be_gone(home: Home) -> None:
    await home.ask("!archive")
    await home.bot.kill()
    await home.bot.start_and_go_live()
    assert "give the command again" in await home.ask("!yes")
    assert home.chat_row("C1")["is_archived"] is False


async def test_the_number_of_an_archived_chat_is_not_given_again(home: Home) -> None:
    second = await home.new_chat()
    await hear(home.owner, home.bot, home.chat)
    await home.owner.ask(second, "!archive")
    await home.owner.ask(second, "!yes")
    third = await home.new_chat()
    assert home.row(third)["chat_id"] == "C3"


async def test_open_invites_to_a_chat_that_was_left(home: Home) -> None:
    second = await home.new_chat()
    await hear(home.owner, home.bot, home.chat)
    await home.owner.leave(second)
    assert second in await home.ask("!open c2")
    assert await accept(home.owner, home.bot, is_space=False) == second
    assert await home.owner.ask(second, "back again") == "back again"


@pytest.mark.parametrize("ref", ["2", "Holiday plans"])
async def test_open_takes_numbers_and_names_and_says_where_one_is_already(
    home: Home, ref: str
) -> None:
    second = await home.new_chat("!new Holiday plans")
    await hear(home.owner, home.bot, home.chat)
    answer = await home.ask(f"!open {ref}")
    assert answer.startswith("You are already there: Holiday plans (C2).")
    assert second in answer


async def test_open_brings_an_archived_chat_back_from_another_one(home: Home) -> None:
    second = await home.new_chat()
    await hear(home.owner, home.bot, home.chat)
    await home.owner.ask(second, "!archive")
    await home.owner.ask(second, "!yes")
    await home.ask("!open C2")

    def is_open() -> bool:
        return not home.chat_row("C2")["is_archived"] and not home.dirty(second)

    await eventually(is_open, "C2 to be open, and read since")
    assert (await home.marker(second))["archived"] is False
    assert await home.owner.ask(second, "open?") == "open?"


@pytest.mark.parametrize(
    "ref", ["C99", "C0", "C099", "2", "C²", "banana", "C" + "9" * 5000, "%s{0}"]
)
async def test_open_of_what_there_is_not_says_so(commons: Home, ref: str) -> None:
    answer = await commons.ask(f"!open {ref}")
    assert "You have no chat" in answer
    assert len(answer) < 100


async def test_open_without_a_number_says_how_to(commons: Home) -> None:
    assert "!open 2" in await commons.ask("!open")


async def test_open_does_not_reach_other_peoples_chats(commons: Home, bob: Person) -> None:
    bobs = await move_in(bob, commons.bot)
    await bobs.new_chat()
    assert "You have no chat “C2”" in await commons.ask("!open C2")
    assert await commons.owner.new_invites() == []


async def test_status_counts_the_chats(home: Home) -> None:
    second = await home.new_chat("!new Tea")
    await hear(home.owner, home.bot, home.chat)
    await home.owner.ask(second, "!archive")
    await home.owner.ask(second, "!yes")
    answer = await home.ask("!status")
    assert "Chat 1" in answer
    assert "1 active, 1 archived" in answer


async def test_an_unknown_command_gets_one_line(commons: Home) -> None:
    answer = await commons.ask("!dance now")
    assert "!dance" in answer
    assert "!help" in answer
    assert "\n" not in answer


@pytest.mark.parametrize("text", ["!", "!!", "! help me", "!5", "hello !help", "!?"])
async def test_what_is_no_command_is_text(commons: Home, text: str) -> None:
    assert await commons.ask(text) == text


async def test_commands_are_known_in_any_case_and_with_space_around(commons: Home) -> None:
    assert "C1: Chat 1" in await commons.ask(" \n!CHATS ")


async def test_all_of_it_in_russian(make_bot: MakeBot, alice: Person) -> None:
    bot = await make_bot(BOT_LOCALE="ru")
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    assert "Чат 1" in home.greeting
    assert (await alice.name_of(home.space)).startswith("Чаты: ")
    await home.new_chat()
    said = [home.greeting, await hear(alice, bot, home.chat)]
    assert "Чат 2" in said[-1]
    for command, expected in {
        "!help": "!rename <название>",
        "!chats": "C1: Чат 1\nC2: Чат 2",
        "!rename": "!rename Планы",
        "!rename Отчёт": "Отчёт",
        "!yes": "нечего",
        "!archive": "!yes",
        "!no": "не убрано",
        "!open": "!open 2",
        "!open C99": "C99",
        "!open C2": "Чат 2",
        "!status": "активных 2",
        "!dance": "!dance",
        "!new " + "x" * 101: "100",
    }.items():
        said.append(await home.ask(command))
        assert expected in said[-1]
    english = re.compile(r"\b(the|you|chat|chats|your|is|to)\b", re.IGNORECASE)
    prose = [re.sub(r"https://\S+|!\w+", "", words) for words in said]
    assert [words for words in prose if english.search(words)] == []
    assert [words for words in prose if not re.search("[а-яё]", words)] == []


async def test_the_door_is_no_chat(commons: Home, admin: Person) -> None:
    before = await admin.rooms_on_server()
    for words in ("!new", "hello?"):
        await commons.owner.say(commons.door, words)
    way = await hear(commons.owner, commons.bot, commons.door)
    assert commons.space in way
    await commons.ask("said after that")
    said = await words_of(commons.owner, commons.door, commons.bot.user_id)
    assert said == [commons.greeting, way]
    assert await admin.rooms_on_server() == before
