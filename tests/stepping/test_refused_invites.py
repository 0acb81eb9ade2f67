"""Invites that the homeserver refuses: only what has happened is told, and another way in."""

import pytest

from actors.model import RoomId
from actors.port_errors import HomeserverRefused
from tests.simulation.faults import Fault
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOB, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio

NOT_INVITED = "I could not invite you. You can join without an invite"


def admitted(world: World, room_id: RoomId) -> frozenset[RoomId]:
    return read_snapshot(world.server.room(room_id), BOT).admits


async def home_without_invites(world: World, run: Run) -> Home:
    """Alice, whose account accepts no invites, has been onboarded."""
    world.server.blocks_invites.add(ALICE)
    direct = world.alice.direct_chat_with(BOT)
    await quiet()
    return await run.home_of(world.alice, direct)


async def test_a_person_who_accepts_no_invites_is_not_told_of_any() -> None:
    world = World()
    async with world.live() as run:
        home = await home_without_invites(world, run)
        (told,) = world.alice.replies(home.direct)
        opening, space, chat = told.splitlines()
        assert opening == "Hello! Your Space is ready, with a first chat in it."
        assert space.startswith(f"Chats of alice: {NOT_INVITED}")
        assert f"https://matrix.to/#/{home.space}?via=sim.test" in space
        assert chat.startswith(f"Chat 1: {NOT_INVITED}")
        assert f"https://matrix.to/#/{home.chat}?via=sim.test" in chat


async def test_the_owner_joins_by_the_link_and_the_way_in_is_closed_behind_them() -> None:
    world = World()
    async with world.live() as run:
        home = await home_without_invites(world, run)
        assert admitted(world, home.space) == {home.direct}
        assert admitted(world, home.chat) == {home.direct, home.space}
        with pytest.raises(HomeserverRefused):
            world.bob.join(home.chat)
        world.alice.join(home.space)
        world.alice.join(home.chat)
        await quiet()
        assert admitted(world, home.space) == frozenset()
        assert admitted(world, home.chat) == {home.space}
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_a_third_person_in_the_room_of_the_invite_gets_no_way_in() -> None:
    world = World()
    world.server.blocks_invites.add(ALICE)
    async with world.live() as run:
        group = world.alice.create_room()
        world.alice.invite(group, BOB)
        world.bob.join(group)
        world.alice.invite(group, BOT)
        await quiet()
        home = await run.home_of(world.alice, group)
        assert admitted(world, home.space) == frozenset()
        assert admitted(world, home.chat) == {home.space}
        told = world.alice.replies(group)[-1]
        assert "Allow my invites in the settings of your client, then ask to join" in told
        assert "without an invite" not in told


async def test_an_owner_who_asks_to_join_is_invited() -> None:
    world = World()
    async with world.live() as run:
        home = await home_without_invites(world, run)
        world.server.blocks_invites.clear()
        world.bob.knock(home.chat)
        world.alice.knock(home.chat)
        await quiet()
        assert world.server.room(home.chat).membership(ALICE) == "invite"
        assert world.server.room(home.chat).membership(BOB) == "knock"


async def test_a_knock_while_the_bot_is_away_is_answered_afterwards() -> None:
    world = World()
    async with world.live() as run:
        home = await home_without_invites(world, run)
        await run.stop()
    world.server.blocks_invites.clear()
    world.alice.knock(home.chat)
    async with world.boot() as run:
        await run.go_live()
        assert world.server.room(home.chat).membership(ALICE) == "knock"
        run.let_run()
        await quiet()
        assert world.server.room(home.chat).membership(ALICE) == "invite"


async def test_each_room_is_told_of_by_itself() -> None:
    world = World()
    async with world.live() as run:
        run.homeserver.faults.next("invite", Fault.REFUSED)
        direct = world.alice.direct_chat_with(BOT)
        await quiet()
        home = await run.home_of(world.alice, direct)
        _, space, chat = world.alice.replies(direct)[-1].splitlines()
        assert space.startswith(f"Chats of alice: {NOT_INVITED}")
        assert chat == f"Chat 1: I have invited you. https://matrix.to/#/{home.chat}?via=sim.test"


async def test_a_member_of_the_space_is_not_told_of_an_invite_to_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!archive")
        world.alice.say(home.chat, "!yes")
        await quiet()
        second = world.alice.direct_chat_with(BOT)
        await quiet()
        opening, space, chat = world.alice.replies(second)[-1].splitlines()
        assert opening == "Hello! Your Space is ready, with a first chat in it."
        assert space.startswith("Chats of alice: you are in it already.")
        assert chat.startswith("Chat 2: I have invited you.")


async def test_an_owner_who_accepts_the_first_invite_at_once_is_told_of_both() -> None:
    world = World()
    async with world.live() as run:
        run.homeserver.faults.next("link", Fault.RATE_LIMITED)
        direct = world.alice.direct_chat_with(BOT)
        await quiet(0.5)
        world.alice.join_all()
        await quiet(60)
        assert "Accept both invites" in world.alice.replies(direct)[-1]


async def test_a_banned_owner_is_told_of_the_ban_and_not_invited() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.evict(home.chat, ALICE, "ban")
        before = world.writes().count(("invite", home.chat))
        second = world.alice.direct_chat_with(BOT)
        await quiet()
        opening, chat = world.alice.replies(second)[-1].splitlines()
        assert opening == "Welcome back! Your chats are in your Space."
        assert chat.startswith("Chat 1: I can't invite you, because you are banned from it.")
        assert world.writes().count(("invite", home.chat)) == before


@pytest.mark.parametrize(
    ("command", "opening"), [("!new Garden", "Garden (C2) is ready."), ("!open C2", "This is ")]
)
async def test_commands_tell_of_a_refused_invite_as_it_is(command: str, opening: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        if command.startswith("!open"):
            (second,) = await run.more_chats(world.alice, home, 1)
            world.alice.leave(second)
        world.server.blocks_invites.add(ALICE)
        world.alice.say(home.chat, command)
        await quiet()
        told = world.alice.replies(home.chat)[-1]
        assert told.startswith(opening)
        assert NOT_INVITED in told
        assert "invited you" not in told.replace("could not invite", "")
        assert "you are invited" not in told


async def test_a_blocked_owner_with_many_chats_costs_few_invites() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        chats = await run.more_chats(world.alice, home, 8)
        world.server.blocks_invites.add(ALICE)
        for room_id in (home.space, home.chat, *chats):
            world.alice.leave(room_id)
        await quiet()
        before = len([write for write in world.writes() if write[0] == "invite"])
        second = world.alice.direct_chat_with(BOT)
        await quiet(5)
        invites = len([write for write in world.writes() if write[0] == "invite"]) - before
        assert invites == 4
        assert len(world.alice.replies(second)[-1].splitlines()) == 5


async def test_who_may_join_stays_as_a_person_has_set_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        rules = {"join_rule": "public"}
        world.server.set_state(ALICE, second, "m.room.join_rules", rules)
        world.alice.leave(second)
        world.server.blocks_invites.add(ALICE)
        world.alice.say(home.chat, "!open C2")
        await quiet()
        assert world.server.room(second).content("m.room.join_rules") == rules
        assert "your account accepts no invites from me" in world.alice.replies(home.chat)[-1]


async def test_an_owner_who_stays_out_is_told_so_once_in_an_hour_and_every_change_at_once() -> None:
    world = World()
    async with world.live() as run:
        home = await home_without_invites(world, run)
        for _ in range(20):
            world.alice.say(home.direct, "hello")
            await quiet(60)
        _, told = world.alice.replies(home.direct)
        assert told.startswith("Welcome back!")
        assert told.count(NOT_INVITED) == 2
        await quiet(3600)
        world.alice.say(home.direct, "hello")
        await quiet()
        assert world.alice.replies(home.direct)[2:] == (told,)
        world.server.blocks_invites.clear()
        world.alice.say(home.direct, "hello")
        await quiet()
        assert "Accept the invites that you see" in world.alice.replies(home.direct)[-1]
        assert len(world.server.invites(ALICE)) == 2
