"""Nothing is made for an owner while a room that may be the owner's can't be read."""

import pytest

from actors.messages import RoomChanged
from actors.model import MARKER_TYPE, ChatId, RoomId, UserId
from actors.rows import chat_key, room_key, user_key
from actors.texts import ENGLISH
from actors.writes import DeleteRow
from tests.simulation.faults import Fault
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

BAD = "500: M_UNKNOWN: Internal server error"
PROBED_S = 200.0
"""By then a room that can be read again has been probed."""


async def home_of_alice(world: World, more_chats: int = 0) -> tuple[Home, tuple[RoomId, ...]]:
    """Alice's Space and chats, made in a run of their own."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        return home, await run.more_chats(world.alice, home, more_chats)


async def bob_is_served(world: World) -> None:
    made = world.creations()
    world.bob.direct_chat_with(BOT)
    await quiet(5)
    assert world.creations() == made + 2


async def bob_waits(world: World) -> None:
    made, direct = world.creations(), world.bob.direct_chat_with(BOT)
    await quiet(60)
    assert world.creations() == made
    assert world.bob.replies(direct) == (ENGLISH.creation_waits,)


async def test_an_owner_whose_only_chat_cannot_be_read_gets_no_second_first_chat() -> None:
    world = World()
    home, _ = await home_of_alice(world)
    world.server.unreadable[home.chat] = BAD
    world.lose_store()
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await quiet(60)
        assert world.alice.replies(direct) == (ENGLISH.creation_waits,)
        await bob_is_served(world)
        world.server.unreadable.clear()
        await quiet(PROBED_S)
        assert world.creations() == 2 + 2
        _, told = world.alice.replies(direct)
        assert told.startswith("Welcome back!")


async def test_new_waits_for_another_chat_without_a_row_that_the_space_lists() -> None:
    world = World()
    home, (second,) = await home_of_alice(world, more_chats=1)
    world.server.unreadable[second] = BAD
    world.lose_store()
    async with world.live():
        world.alice.say(home.chat, "!new Garden")
        await quiet(60)
        assert world.alice.replies(home.chat)[-1] == ENGLISH.creation_waits
        assert world.creations() == 3
        await bob_is_served(world)
        world.server.unreadable.clear()
        await quiet(PROBED_S)
        assert world.alice.replies(home.chat)[-1].startswith("Garden (C3) is ready")


async def test_a_chat_that_names_an_unreadable_space_keeps_only_its_owner_waiting() -> None:
    world = World()
    home, _ = await home_of_alice(world)
    world.server.unreadable[home.space] = BAD
    world.lose_store()
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await bob_is_served(world)
        await quiet(60)
        assert world.alice.replies(direct) == (ENGLISH.creation_waits,)
        assert world.creations() == 2 + 2


async def test_an_owner_with_a_row_waits_for_an_unreadable_space() -> None:
    world = World()
    home, _ = await home_of_alice(world)
    world.server.unreadable[home.space] = BAD
    world.write_from_outside([DeleteRow(room_key(home.space))])
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        world.alice.say(home.chat, "!new Garden")
        await quiet(60)
        assert ENGLISH.creation_waits in world.alice.replies(home.chat) + world.alice.replies(
            direct
        )
        assert world.creations() == 2


@pytest.mark.parametrize("end", ["read", "gone"])
async def test_a_room_without_any_evidence_may_be_anyones(end: str) -> None:
    world = World()
    home, _ = await home_of_alice(world)
    Person(world.server, BOT).unset_child(home.space, home.chat)
    world.server.unreadable[home.chat] = BAD
    world.lose_store()
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await bob_waits(world)
        assert world.alice.replies(direct) == (ENGLISH.creation_waits,)
        if end == "gone":
            world.server.evict(home.chat, BOT)
        world.server.unreadable.clear()
        await quiet(PROBED_S)
        assert world.creations() == 2 + 2 + (end == "gone")
        assert len(world.alice.replies(direct)) == 2


@pytest.mark.parametrize("kept", ["the chat's", "the room's", "the Space's"])
async def test_a_row_says_whose_an_unreadable_room_is(kept: str) -> None:
    world = World()
    home, _ = await home_of_alice(world)
    Person(world.server, BOT).unset_child(home.space, home.chat)
    unreadable = home.space if kept == "the Space's" else home.chat
    world.server.unreadable[unreadable] = BAD
    world.write_from_outside(
        [
            DeleteRow(key)
            for name, key in {
                "the chat's": chat_key(ALICE, ChatId("C1")),
                "the room's": room_key(home.chat),
                "the Space's": user_key(ALICE),
            }.items()
            if name != kept
        ]
    )
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await bob_is_served(world)
        await quiet(60)
        assert world.alice.replies(direct) == (ENGLISH.creation_waits,)
        assert world.creations() == 2 + 2


async def test_a_room_is_looked_for_although_rooms_of_others_cannot_be_read() -> None:
    world = World()
    home, _ = await home_of_alice(world)
    world.server.unreadable[home.chat] = BAD
    world.lose_store()
    async with world.live() as run:
        run.homeserver.faults.next("create_room", Fault.REFUSE_BEFORE)
        direct = world.bob.direct_chat_with(BOT)
        await quiet(120)
        assert world.bob.replies(direct)[-1].startswith("Hello!")
        assert world.creations() == 2 + 2


async def test_a_room_that_can_never_be_read_keeps_only_its_inviter_waiting() -> None:
    world = World()
    home, _ = await home_of_alice(world)
    async with world.live() as run:
        world.server.unreadable[door := world.mallory.create_room("Hall")] = BAD
        guest = Person(world.server, UserId("@guest:sim.test"))
        world.mallory.invite(door, guest.user_id)
        guest.join(door)
        world.server.grant(door, guest.user_id, 100)
        guest.invite(door, BOT)
        await quiet(20)
        assert door in run.bot.services.rooms_with_failed_check()
        await bob_is_served(world)
        world.alice.say(home.chat, "!new Garden")
        await quiet(5)
        assert world.alice.replies(home.chat)[-1].startswith("Garden (C2) is ready")


async def test_a_room_that_was_no_chat_when_it_could_be_read_keeps_no_one_waiting() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        group = await group_with(world, run)
        world.server.unreadable[group] = BAD
        for _ in range(5):
            run.bot.services.tell_room(group, RoomChanged())
            await quiet(20)
        assert group in run.bot.services.rooms_with_failed_check()
        await bob_is_served(world)
        world.alice.say(home.chat, "!new Garden")
        await quiet(5)
        assert world.alice.replies(home.chat)[-1].startswith("Garden (C2) is ready")


async def group_with(world: World, run: Run) -> RoomId:
    """A group room of other people, which the bot has read."""
    group = world.alice.create_room("Neighbours")
    guest = Person(world.server, UserId("@guest:sim.test"))
    world.alice.invite(group, guest.user_id)
    guest.join(group)
    world.alice.invite(group, BOT)
    await quiet(5)
    assert not world.server.room(group).content(MARKER_TYPE, BOT)
    assert group not in run.bot.services.rooms_with_failed_check()
    return group
