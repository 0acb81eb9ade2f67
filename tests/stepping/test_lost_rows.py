"""What the bot knows after it has lost what it knew."""

import pytest

from actors.model import MARKER_TYPE, ChatContext, ChatId, RoomId, RoomKind, RoomMeta
from actors.rows import chat_key, room_key, to_row, user_key
from actors.writes import DeleteRow, PutRow, Write
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

IDLE_S = 20 * 60
"""After so long without a message, actors know nothing but what is in the store."""


async def two_owners_with_chats(world: World, run: Run) -> tuple[Home, Home]:
    """Alice with four chats, one of them archived and one renamed; Bob with two."""
    of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
    for person, room_id, names in (
        (world.alice, of_alice.chat, ("Holidays", "Garden", "Work")),
        (world.bob, of_bob.chat, ("Music",)),
    ):
        for name in names:
            person.say(room_id, f"!new {name}")
    await quiet(5)
    world.alice.join_all()
    world.alice.say(of_alice.chat, "!archive")
    world.alice.say(of_alice.chat, "!yes")
    world.alice.rename(room_of(world, "Garden"), "Garten")
    await quiet(5)
    return of_alice, of_bob


def room_of(world: World, name: str) -> RoomId:
    (room_id,) = (
        room.room_id
        for room in world.server.rooms_of(BOT, "join")
        if room.content("m.room.name").get("name") == name
    )
    return room_id


async def test_a_loss_of_the_store_between_two_boots_gives_identical_rows() -> None:
    world = World()
    async with world.live() as run:
        await two_owners_with_chats(world, run)
    rows, events = await world.rows(), world.server.position
    assert len(rows) == 2 + 2 + 6 + 6
    world.lose_store()
    async with world.boot() as run:
        await run.go_live()
        assert await world.rows() == rows
        run.let_run()
        await quiet(300)
        assert await world.rows() == rows
        assert world.server.position == events


async def test_after_a_loss_of_the_store_the_next_chat_gets_the_next_number() -> None:
    world = World()
    async with world.live() as run:
        of_alice, _ = await two_owners_with_chats(world, run)
    world.lose_store()
    async with world.live():
        world.alice.say(of_alice.chat, "!new Books")
        await quiet(5)
        assert world.alice.replies(of_alice.chat)[-1].startswith("Books (C5) is ready")


async def test_a_loss_of_the_store_under_a_running_bot_is_no_matter_at_the_next_start() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows = await world.rows()
        world.write_from_outside([DeleteRow(key) for key in rows])
    async with world.live():
        await quiet()
        assert await world.rows() == rows
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: hello",)


@pytest.mark.parametrize("lost", ["room", "chat", "both", "all"])
async def test_a_message_in_a_room_without_rows_repairs_it_and_is_then_handled(lost: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await quiet(IDLE_S)
        rows = await world.rows()
        keys = {
            "room": [room_key(home.chat)],
            "chat": [key for key in rows if key.startswith("chat:")],
            "both": [key for key in rows if key.startswith("chat:")] + [room_key(home.chat)],
            "all": list(rows),
        }
        world.write_from_outside([DeleteRow(key) for key in keys[lost]])
        world.alice.say(home.chat, "do you know me?")
        await quiet(30)
        assert await world.rows() == rows
        assert world.alice.replies(home.chat) == ("You said: do you know me?",)
        assert world.creations() == 2


async def test_rows_that_name_another_room_are_mended_at_the_start() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!new Holidays")
        await quiet()
    rows = await world.rows()
    (second,) = (
        RoomId(str(row["surface_ref"]))
        for key, row in rows.items()
        if key.endswith(":C2") and row is not None
    )
    first_row, second_row = rows[f"chat:{ALICE}:C1"], rows[f"chat:{ALICE}:C2"]
    assert first_row is not None
    assert second_row is not None
    world.write_from_outside([
        PutRow(f"chat:{ALICE}:C1", {**first_row, "surface_ref": second}),
        PutRow(f"chat:{ALICE}:C2", {**second_row, "surface_ref": home.chat}),
        PutRow(user_key(ALICE), {"space_id": home.space, "next_chat_index": 1}),
        PutRow(room_key(second), {"nonsense": True}),
    ])  # fmt: skip
    async with world.live():
        await quiet()
        assert await world.rows() == rows


async def test_a_chat_that_was_left_keeps_its_number_for_ever() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!new Holidays")
        await quiet()
        world.server.evict(room_of(world, "Holidays"), BOT)
        await quiet()
    world.lose_store()
    async with world.live():
        world.alice.say(home.chat, "!new Garden")
        await quiet(5)
        assert world.alice.replies(home.chat)[-1].startswith("Garden (C3) is ready")


async def test_a_chat_of_an_earlier_bot_is_taken_over_and_marked() -> None:
    world = World()
    earlier = Person(world.server, BOT)
    space = earlier.create_room("Alice's chats", is_space=True)
    rooms = [earlier.create_room(name) for name in ("Чат 1", "Чат 7", "Recipes")]
    for room_id in (space, *rooms):
        earlier.invite(room_id, ALICE)
        world.alice.join(room_id)
        if room_id != space:
            earlier.set_child(space, room_id)
    async with world.live():
        await quiet(5)
        assert await world.store.row(user_key(ALICE)) == {
            "space_id": space,
            "next_chat_index": 9,
        }
        refs = {
            key: row["surface_ref"]
            for key, row in (await world.store.rows("chat:")).items()
            if row is not None
        }
        assert refs == dict(
            zip([f"chat:{ALICE}:C{number}" for number in (1, 7, 8)], rooms, strict=True)
        )
        world.alice.say(rooms[2], "hello")
        await quiet()
        assert world.alice.replies(rooms[2]) == ("You said: hello",)
    rows = await world.rows()
    world.lose_store()
    async with world.live():
        await quiet()
        assert await world.rows() == rows


async def test_a_chat_that_was_upgraded_goes_on_in_its_replacement() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows = await world.rows()
        world.server.grant(home.chat, ALICE, 100)
        await quiet()
        replacement = world.alice.upgrade(home.chat)
        world.alice.invite(replacement, BOT)
        await quiet(30)
        chat = await world.store.row(chat_key(ALICE, ChatId("C1")))
        assert chat is not None
        assert chat["surface_ref"] == replacement
        row, before = await world.store.row(room_key(replacement)), rows[room_key(home.chat)]
        assert row is not None
        assert before is not None
        assert row["platform_chat_id"] == before["platform_chat_id"]
        world.alice.say(replacement, "hello")
        await quiet()
        assert world.alice.replies(replacement) == ("You said: hello",)
        assert world.creations() == 2


def earlier_chats(world: World, *names: str) -> tuple[RoomId, ...]:
    """A Space of Alice's and chats of these names, all without markers."""
    earlier = Person(world.server, BOT)
    space = earlier.create_room("Alice's chats", is_space=True)
    rooms = tuple(earlier.create_room(name) for name in names)
    for room_id in (space, *rooms):
        earlier.invite(room_id, ALICE)
        world.alice.join(room_id)
        if room_id != space:
            earlier.set_child(space, room_id)
    return rooms


def rows_of_an_earlier_chat(room_id: RoomId, chat_id: ChatId) -> list[Write]:
    """What an earlier bot's database says about a chat."""
    room = RoomMeta(RoomKind.CHAT, chat_id, "Trip", ALICE, RoomId("!its-space"), None)
    chat = ChatContext(ALICE, chat_id, "matrix", room_id, "Trip")
    return [
        PutRow(room_key(room_id), to_row(room)),
        PutRow(chat_key(ALICE, chat_id), to_row(chat)),
    ]


@pytest.mark.parametrize("by", [("alice",), ("bot", "alice"), ("bot", "bot"), ("alice", "bot")])
@pytest.mark.parametrize("rows", ["rows", "no rows"])
async def test_a_chat_that_was_upgraded_before_there_were_markers_keeps_its_number(
    by: tuple[str, ...], rows: str
) -> None:
    world = World()
    upgraded, kept = earlier_chats(world, "Chat 5" if rows == "no rows" else "Trip", "Recipes")
    if rows == "rows":
        world.write_from_outside(rows_of_an_earlier_chat(upgraded, ChatId("C5")))
    replacement = upgraded
    for who in by:
        replacement = upgrade_by(world, who, replacement)
    async with world.live():
        await quiet(5)
        refs = await chat_refs(world)
        assert refs == {
            chat_key(ALICE, ChatId("C5")): replacement,
            chat_key(ALICE, ChatId("C6")): kept,
        }
        world.alice.say(replacement, "hello")
        await quiet()
        assert world.alice.replies(replacement) == ("You said: hello",)
    world.lose_store()
    async with world.live():
        await quiet(5)
        assert await chat_refs(world) == refs


def upgrade_by(world: World, who: str, room_id: RoomId) -> RoomId:
    """Let Alice or the bot's account upgrade a room; both are in the replacement afterwards."""
    upgrading, other = world.alice, Person(world.server, BOT)
    if who == "bot":
        upgrading, other = other, upgrading
    world.server.grant(room_id, ALICE, 100)
    replacement = upgrading.upgrade(room_id)
    upgrading.invite(replacement, other.user_id)
    other.join(replacement)
    if who != "bot":
        world.server.grant(replacement, BOT, 100)
    return replacement


async def test_a_space_that_its_owner_upgraded_before_there_were_markers_is_still_theirs() -> None:
    world = World()
    (room_id,) = earlier_chats(world, "Trip")
    (space,) = (room.room_id for room in world.server.rooms_of(BOT, "join") if room.is_space)
    replacement = upgrade_by(world, "alice", space)
    async with world.live():
        await quiet(5)
        user = await world.store.row(user_key(ALICE))
        assert user is not None
        assert user["space_id"] == replacement
        assert await chat_refs(world) == {chat_key(ALICE, ChatId("C1")): room_id}


async def test_an_upgraded_space_is_as_old_as_the_one_that_it_replaces() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        bot = Person(world.server, BOT)
        younger = bot.create_room("Another", is_space=True)
        bot.write_marker(younger, world.server.room(home.space).content(MARKER_TYPE, BOT))
        bot.invite(younger, ALICE)
        await quiet(5)
        replacement = upgrade_by(world, "bot", home.space)
        await quiet(30)
        user = await world.store.row(user_key(ALICE))
        assert user is not None
        assert user["space_id"] == replacement
        rows = await world.rows()
    async with world.boot() as run:
        await run.go_live()
        assert await world.rows() == rows


async def chat_refs(world: World) -> dict[str, object]:
    """The room of each chat."""
    rows = await world.store.rows("chat:")
    return {key: row["surface_ref"] for key, row in rows.items() if row is not None}


async def test_a_chat_that_was_left_before_there_were_markers_keeps_its_number() -> None:
    world = World()
    (kept,) = earlier_chats(world, "Recipes")
    world.write_from_outside(rows_of_an_earlier_chat(RoomId("!gone"), ChatId("C1")))
    async with world.live():
        await quiet(5)
        row = await world.store.row(chat_key(ALICE, ChatId("C2")))
        assert row is not None
        assert row["surface_ref"] == kept
        world.alice.say(kept, "!new Garden")
        await quiet(5)
        assert world.alice.replies(kept)[-1].startswith("Garden (C3) is ready")


async def test_a_chat_whose_marker_cannot_be_read_keeps_its_number_and_answers() -> None:
    world = World()
    newer, other = earlier_chats(world, "Trip", "Chat 2")
    Person(world.server, BOT).write_marker(newer, {"version": 2})
    world.write_from_outside(rows_of_an_earlier_chat(newer, ChatId("C2")))
    async with world.live():
        await quiet(5)
        assert await chat_refs(world) == {
            chat_key(ALICE, ChatId("C2")): newer,
            chat_key(ALICE, ChatId("C3")): other,
        }
        world.alice.say(newer, "hello")
        await quiet()
        assert world.alice.replies(newer) == ("You said: hello",)
