"""What an owner can ask for in a chat room."""

import pytest

from actors.model import RoomId
from actors.room.commands import help_lines
from actors.rules.wording import in_lines
from actors.texts import ENGLISH, RUSSIAN
from tests.simulation.faults import Fault
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOT, Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


async def ask(world: World, room_id: RoomId, text: str) -> str:
    """Say something and wait for what comes back; it must be one message."""
    before = len(world.alice.replies(room_id))
    world.alice.say(room_id, text)
    await quiet()
    (answer,) = world.alice.replies(room_id)[before:]
    return answer


async def with_a_second_chat(world: World, run: Run) -> tuple[Home, RoomId]:
    home = await run.settle_in(world.alice)
    await ask(world, home.chat, "!new Holidays")
    (invite,) = world.server.invites(ALICE)
    world.alice.join(invite.room_id)
    await quiet()
    return home, invite.room_id


async def chat_names(world: World) -> dict[str, str]:
    rows = await world.store.rows(f"chat:{ALICE}:")
    return {str(row["chat_id"]): str(row["name"]) for row in rows.values() if row}


async def test_help_lists_the_commands() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        assert await ask(world, home.chat, "!help") == in_lines(help_lines(ENGLISH)).body


async def test_an_unknown_command_gets_a_hint() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        answer = await ask(world, home.chat, "!frobnicate now")
        assert answer == "I don't know the command !frobnicate. Write !help for the list."


async def test_new_makes_a_chat_with_the_next_number_in_the_space() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_a_second_chat(world, run)
        seen = read_snapshot(world.server.room(second), BOT)
        assert seen.name == "Holidays"
        assert seen.marker is not None
        assert (seen.marker.chat_id, seen.marker.space_id) == ("C2", home.space)
        space = read_snapshot(world.server.room(home.space), BOT)
        assert space.children == {home.chat, second}
        assert space.marker is not None
        assert space.marker.next_chat_index == 3
        assert await chat_names(world) == {"C1": "Chat 1", "C2": "Holidays"}
        assert await ask(world, second, "hello") == "You said: hello"


async def test_new_without_a_name_takes_the_default_one() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        answer = await ask(world, home.chat, "!new")
        assert answer.startswith(
            "Chat 2 is ready. Accept the invite to it, then write there. https://"
        )


async def test_several_new_chats_are_made_in_order() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for name in ("a", "b", "c", "d"):
            world.alice.say(home.chat, f"!new {name}")
        await quiet()
        assert await chat_names(world) == {
            "C1": "Chat 1", "C2": "a", "C3": "b", "C4": "c", "C5": "d",
        }  # fmt: skip


async def test_chats_lists_the_owners_chats() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_a_second_chat(world, run)
        await ask(world, second, "!archive")
        await ask(world, second, "!yes")
        assert await ask(world, home.chat, "!chats") == (
            "Your chats:\nC1: Chat 1\nC2: Holidays (archived)"
        )


async def test_rename_renames_the_room_and_the_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        answer = await ask(world, home.chat, "!rename  Garden   plans ")
        assert answer == "This chat is now called Garden plans."
        assert read_snapshot(world.server.room(home.chat), BOT).name == "Garden plans"
        assert await chat_names(world) == {"C1": "Garden plans"}
        row = await world.store.row(f"matrix_room:{home.chat}")
        assert row is not None
        assert row["display_name"] == "Garden plans"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("!rename", "Tell me the new name"),
        ("!rename " + "x" * 10_000, "A name can have at most 100 characters; this one has 10000."),
        ("!new " + "x" * 101, "A name can have at most 100 characters; this one has 101."),
        ("!open", "Tell me which chat"),
        ("!open C99", "You have no chat “C99”."),
        ("!open Sesame", "You have no chat “Sesame”."),
        ("!open с99", "You have no chat “с99”."),
        ("!yes", "There is nothing to confirm; if I did ask you, please give the command again."),
        ("!no", "There is nothing to confirm; if I did ask you, please give the command again."),
    ],
)
async def test_a_command_that_cannot_run_says_why_and_changes_nothing(
    command: str, answer: str
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows, creations = await world.rows(), world.creations()
        assert (await ask(world, home.chat, command)).startswith(answer)
        assert await world.rows() == rows
        assert world.creations() == creations


async def test_a_rename_that_the_server_refuses_says_so() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("set_name", Fault.REFUSED)
        answer = await ask(world, home.chat, "!rename Garden")
        assert answer == "The homeserver did not let me do that (Refused by chance)."
        assert await chat_names(world) == {"C1": "Chat 1"}


async def test_renaming_the_room_in_a_client_renames_the_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.rename(home.chat, "Garden")
        await quiet()
        assert await chat_names(world) == {"C1": "Garden"}
        world.alice.rename(home.chat, "")
        await quiet()
        assert await chat_names(world) == {"C1": "Chat 1"}


async def test_archive_and_yes_put_the_chat_away() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        assert (await ask(world, home.chat, "!archive")).startswith("Archive Chat 1?")
        assert (await ask(world, home.chat, "!yes")).startswith("Chat 1 is archived.")
        marker = read_snapshot(world.server.room(home.chat), BOT).marker
        assert marker is not None
        assert marker.archived
        row = await world.store.row(f"chat:{ALICE}:C1")
        assert row is not None
        assert row["is_archived"] is True
        assert (await ask(world, home.chat, "hello")).startswith("This chat is archived.")
        assert (await ask(world, home.chat, "!archive")).startswith("Chat 1 is already archived")


async def test_a_yes_to_an_archived_chat_says_that_it_is_archived() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "!archive")
        await ask(world, home.chat, "!yes")
        assert (await ask(world, home.chat, "!yes")).startswith("Chat 1 is already archived")


async def test_archive_and_no_keep_the_chat() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "!archive")
        assert await ask(world, home.chat, "!no") == "All right, nothing was archived."
        assert (await ask(world, home.chat, "!yes")).startswith("There is nothing to confirm")
        assert await ask(world, home.chat, "hello") == "You said: hello"


async def test_a_yes_after_a_minute_archives_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "!archive")
        await quiet(60)
        assert (await ask(world, home.chat, "!yes")).startswith("There is nothing to confirm")


async def test_open_invites_the_owner_to_a_chat_again() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_a_second_chat(world, run)
        world.alice.leave(second)
        answer = await ask(world, home.chat, "!open c2")
        assert answer.startswith(
            "You are invited to Holidays (C2). Accept the invite, then write there. "
            f"https://matrix.to/#/{second}"
        )
        assert [invite.room_id for invite in world.server.invites(ALICE)] == [second]


@pytest.mark.parametrize("ref", ["2", "С2", "<C02>", "#2", "holidays", "Chat 2"])
async def test_open_takes_what_a_person_would_type(ref: str) -> None:
    world = World()
    async with world.live() as run:
        home, _ = await with_a_second_chat(world, run)
        assert (await ask(world, home.chat, f"!open {ref}")).startswith(
            "You are already there: Holidays (C2). https://"
        )


async def test_open_brings_an_archived_chat_back() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_a_second_chat(world, run)
        for room_id in (home.chat, second):
            await ask(world, room_id, "!archive")
            await ask(world, room_id, "!yes")
        assert await ask(world, home.chat, "!open C1") == "Chat 1 is open again."
        assert await ask(world, home.chat, "hello") == "You said: hello"
        answer = await ask(world, home.chat, "!open C2")
        assert answer.startswith(
            f"Holidays (C2) is open again, and you are already there. https://matrix.to/#/{second}"
        )
        await quiet()
        assert await ask(world, second, "hello") == "You said: hello"
        await ask(world, second, "!archive")
        await ask(world, second, "!yes")
        told = await ask(world, second, "!help")
        assert told.startswith("This chat is archived. !open C2 reopens it"), "no answer comes here"
        world.alice.leave(second)
        assert (await ask(world, home.chat, "!open C2")).startswith(
            "Holidays (C2) is open again. Accept the invite to it, then write there."
        )


async def test_status_says_where_one_is() -> None:
    world = World()
    async with world.live() as run:
        _, second = await with_a_second_chat(world, run)
        await ask(world, second, "!archive")
        await ask(world, second, "!yes")
        assert await ask(world, second, "!status") == (
            "This is Holidays (C2). Your chats: 1 active, 1 archived."
        )


async def test_commands_are_answered_in_the_bots_language() -> None:
    world = World()
    async with world.live(texts=RUSSIAN) as run:
        home = await run.settle_in(world.alice)
        assert await ask(world, home.chat, "!rename Сад") == "Теперь этот чат называется «Сад»."


async def test_commands_of_the_owner_are_handled_while_a_question_is_in_work() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 5.0
        world.alice.say(home.chat, "first")
        world.alice.say(home.chat, "!status")
        world.alice.say(home.chat, "second")
        await quiet(15)
        assert [answer[:8] for answer in world.alice.replies(home.chat)] == [
            "This is ", "You said", "You said",
        ]  # fmt: skip


@pytest.mark.parametrize("failures", [1, 4])
async def test_a_yes_that_meets_an_outage_is_carried_out_after_it(failures: int) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await ask(world, home.chat, "!archive")
        faults = run.homeserver.faults
        faults.next("read_room", Fault.SERVER_ERROR, room_id=home.chat, times=failures)
        world.alice.say(home.chat, "!yes")
        await quiet(200)
        assert faults.planned == 0
        assert world.alice.replies(home.chat)[-1].startswith("Chat 1 is archived.")


async def test_only_the_first_answer_counts() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!archive")
        world.alice.say(home.chat, "!no")
        world.alice.say(home.chat, "!yes")
        await quiet()
        assert world.alice.replies(home.chat)[1:] == (
            "All right, nothing was archived.",
            ENGLISH.chats.nothing_to_confirm,
        )
