"""The members of a Space join its chats without an invite."""

from dataclasses import replace

import pytest

from actors.model import ChatId, Marker, RoomId, RoomKind
from actors.port_errors import HomeserverRefused
from actors.rules.access import admitted
from actors.snapshots import RoomSnapshot
from tests.simulation.faults import Fault
from tests.simulation.people import Person
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOB, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio


def opened(world: World, room_id: RoomId) -> frozenset[RoomId]:
    """The rooms whose members join a room without an invite."""
    return read_snapshot(world.server.room(room_id), BOT).admits


async def only_in_the_space(world: World, run: Run) -> Home:
    """Alice has accepted the invite to her Space alone."""
    direct = world.alice.direct_chat_with(BOT)
    await quiet()
    home = await run.home_of(world.alice, direct)
    world.alice.join(home.space)
    await quiet()
    return home


async def test_the_invite_to_the_space_is_enough() -> None:
    world = World()
    async with world.live() as run:
        home = await only_in_the_space(world, run)
        world.alice.leave(home.chat)  # the invite to it is rejected
        world.alice.join(home.chat)
        world.alice.say(home.chat, "!new")
        await quiet()
        (invite,) = world.server.invites(ALICE)
        world.alice.leave(invite.room_id)
        world.alice.join(invite.room_id)
        world.alice.say(invite.room_id, "hello")
        await quiet()
        assert world.alice.replies(invite.room_id) == ("You said: hello",)


async def test_an_owner_comes_back_to_a_chat_that_they_left() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.leave(home.chat)
        await quiet()
        world.alice.join(home.chat)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: hello",)
        assert opened(world, home.chat) == {home.space}


async def test_other_people_get_in_neither_by_the_space_nor_by_the_room_of_the_invite() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.invite(home.direct, BOB)
        world.bob.join(home.direct)
        for room_id in (home.space, home.chat):
            with pytest.raises(HomeserverRefused):
                world.bob.join(room_id)


async def test_a_member_of_the_space_whose_invite_is_refused_is_told_to_use_the_link() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.leave(home.chat)
        await quiet()
        before = world.writes().count(("let_in", home.chat))
        run.homeserver.faults.next("invite", Fault.REFUSED)
        world.alice.invite(home.direct, BOB)
        world.bob.join(home.direct)
        world.alice.leave(home.direct)
        again = world.alice.direct_chat_with(BOT)
        await quiet()
        assert "You can join without an invite" in world.alice.replies(again)[-1]
        assert world.writes().count(("let_in", home.chat)) == before


@pytest.mark.parametrize("version", ["6", "7"])
async def test_a_room_version_without_restricted_rooms_needs_the_invite(version: str) -> None:
    world = World()
    world.server.room_version = version
    async with world.live() as run:
        home = await only_in_the_space(world, run)
        assert opened(world, home.chat) == frozenset()
        world.alice.join(home.chat)
        world.alice.leave(home.chat)
        with pytest.raises(HomeserverRefused):
            world.alice.join(home.chat)


async def test_a_recovery_opens_no_room_and_an_older_room_stays_as_it_is() -> None:
    world = World()
    old = Person(world.server, BOT)
    space = old.create_room("Chats of alice", is_space=True)
    chat = old.create_room("Chat 1")
    old.set_child(space, chat)
    for room_id in (space, chat):
        old.invite(room_id, ALICE)
        world.alice.join(room_id)
    async with world.live():
        await quiet(600)
        assert opened(world, chat) == frozenset()
        assert ("let_in", chat) not in world.writes()


async def test_a_chat_stays_open_to_a_space_that_was_upgraded() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.grant(home.space, ALICE, 100)
        new_space = world.alice.upgrade(home.space)
        world.alice.invite(new_space, BOT)
        await quiet(600)
        assert opened(world, home.chat) == {new_space}


SPACE, DOOR, BEFORE = RoomId("!space"), RoomId("!door"), RoomId("!before")
CHAT = Marker(RoomKind.CHAT, ALICE, chat_id=ChatId("C1"), space_id=SPACE)


@pytest.mark.parametrize(
    ("admits", "joined", "expected"),
    [
        (set(), False, set()),
        (set(), True, set()),
        ({SPACE}, True, {SPACE}),
        ({SPACE, DOOR}, False, {SPACE, DOOR}),
        ({SPACE, DOOR}, True, {SPACE}),
        ({DOOR}, True, set()),
        ({BEFORE}, False, {SPACE}),
        ({BEFORE, DOOR}, False, {SPACE, DOOR}),
    ],
)
def test_who_is_admitted(
    admits: set[RoomId],
    joined: bool,  # noqa: FBT001
    expected: set[RoomId],
) -> None:
    chat = RoomSnapshot(
        RoomId("!chat"), BOT, 0, marker=CHAT, parents=frozenset({BEFORE}), admits=frozenset(admits)
    )
    assert admitted(chat, joined=joined) == expected
    assert admitted(replace(chat, marker=None, parents=frozenset()), joined=True) == frozenset()
