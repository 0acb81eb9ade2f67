"""The name and the picture of the bot's account, and the pictures of new rooms."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final

import pytest
from typing_extensions import override

from actors.appearance import Look
from actors.model import RoomId, RoomKind
from actors.platform import File
from tests.pictures import png
from tests.simulation.connection import Gate
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.stepping.harness import BOT, Run, World, quiet

pytestmark = pytest.mark.anyio

OF_BOT: Final = File("bot.png", "image/png", png(8, 8))
OF_SPACES: Final = File("space.png", "image/png", png(8, 9))
OF_CHATS: Final = File("chat.png", "image/png", png(9, 8))
LOOK: Final = Look(
    name="Assistant",
    picture=OF_BOT,
    rooms={RoomKind.SPACE: OF_SPACES, RoomKind.CHAT: OF_CHATS},
)
ROUND_S: Final = 40.0
"""Long enough for what is announced regularly."""


class CountingGate(Gate):
    """Counts the requests."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()

    @override
    async def before(self, method: str) -> None:
        self.requests[method] += 1


@pytest.fixture
def world() -> World:
    world = World()
    world.look = LOOK
    return world


def profile(world: World) -> tuple[str | None, File | None]:
    """The name that the account was given, and its picture."""
    avatar = world.server.avatars.get(BOT, "")
    return world.server.names.get(BOT), world.server.media.files.get(avatar)


def shown(world: World, room_id: RoomId) -> File | None:
    """The picture of a room."""
    avatar = world.server.room(room_id).content("m.room.avatar").get("url", "")
    return world.server.media.files.get(str(avatar))


def writes(world: World) -> list[str]:
    return [action for action, _ in world.writes()]


async def test_a_new_account_and_new_rooms_get_what_the_settings_say(world: World) -> None:
    async with world.live() as run:
        await quiet()
        assert profile(world) == ("Assistant", OF_BOT)
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "!new")
        await quiet()
        (second,) = world.alice.join_all()
        assert shown(world, home.space) == OF_SPACES
        assert shown(world, home.chat) == shown(world, second) == OF_CHATS
        assert sorted(world.server.media.uploads) == ["bot.png", "chat.png", "space.png"]


async def test_nothing_is_written_again_after_a_loss_of_the_database(world: World) -> None:
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    before = writes(world)
    world.lose_store()
    gate = CountingGate()
    world.client = partial(SimulatedHomeserver, gate=gate)
    async with world.live():
        await quiet(ROUND_S)
        assert writes(world) == before
        assert (gate.requests["kept_profile"], gate.requests["profile"]) == (1, 0)
        world.alice.say(home.chat, "!new")
        await quiet()
        assert set(writes(world)[len(before) :]).isdisjoint({"upload", "keep_profile"})
        assert len(world.server.media.uploads) == 3


async def test_a_start_with_nothing_to_write_asks_once(world: World) -> None:
    async with world.live():
        await quiet()
    gate = CountingGate()
    world.client = partial(SimulatedHomeserver, gate=gate)
    async with world.live():
        await quiet(ROUND_S)
    assert (gate.requests["kept_profile"], gate.requests["profile"]) == (1, 0)
    world.look = replace(LOOK, name="", picture=None)
    async with world.live():
        await quiet(ROUND_S)
    assert gate.requests["kept_profile"] == 1


async def test_what_a_person_changed_stays_whatever_the_settings_say(world: World) -> None:
    async with world.live():
        await quiet()
    world.server.name_person(BOT, "Jeeves")
    world.look = replace(LOOK, name="Helper", picture=OF_CHATS)
    async with world.live():
        await quiet(ROUND_S)
    assert profile(world) == ("Jeeves", OF_CHATS)
    world.server.avatars[BOT] = ""
    world.look = replace(LOOK, name="Jeeves the Second")
    async with world.live():
        await quiet(ROUND_S)
    assert profile(world) == ("Jeeves", None)


async def test_an_account_that_is_in_rooms_already_keeps_its_profile(world: World) -> None:
    world.look = Look()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.look = LOOK
    for _ in range(2):
        async with world.live():
            world.alice.say(home.chat, "!new")
            await quiet()
            (chat,) = world.alice.join_all()
            assert shown(world, chat) == OF_CHATS
            assert shown(world, home.chat) is None
            assert profile(world) == (None, None)
    world.look = replace(LOOK, is_chosen=True)
    async with world.live():
        await quiet()
        assert profile(world) == ("Assistant", OF_BOT)


async def test_a_refused_upload_keeps_nobody_waiting_and_is_tried_at_the_next_start(
    world: World,
) -> None:
    async with world.boot() as run:
        run.homeserver.faults.next("upload", Fault.REFUSED, times=3)
        await run.go_live()
        run.let_run()
        home = await run.settle_in(world.alice)
        assert profile(world) == ("Assistant", None)
        world.alice.say(home.chat, "!new")
        await quiet()
        rooms = (home.space, home.chat, *world.alice.join_all())
        assert [shown(world, room_id) for room_id in rooms] == [None, None, None]
        assert world.server.media.uploads == []
        await quiet(ROUND_S)
        assert world.server.media.uploads == []
    async with world.live():
        await quiet()
        assert profile(world) == ("Assistant", OF_BOT)


async def test_a_room_does_not_wait_long_for_its_picture(world: World) -> None:
    world.look = replace(LOOK, name="", picture=None)
    async with world.live() as run:
        run.homeserver.faults.next("upload", Fault.HANG_BEFORE)
        run.homeserver.faults.next("upload", Fault.SERVER_ERROR)
        world.alice.direct_chat_with(BOT)
        await quiet(world.bounds.picture_within_s + 2)
        rooms = world.alice.join_all()
        assert [shown(world, room_id) for room_id in rooms] == [None, None]
        world.alice.say(rooms[-1], "!new")
        await quiet()
        (chat,) = world.alice.join_all()
        assert shown(world, chat) == OF_CHATS


async def test_a_name_that_is_refused_does_not_keep_the_picture_away(world: World) -> None:
    async with world.boot() as run:
        run.homeserver.faults.next("set_own_name", Fault.REFUSED)
        await run.go_live()
        run.let_run()
        await quiet(ROUND_S)
        assert profile(world) == (None, OF_BOT)
    async with world.live():
        await quiet()
        assert profile(world) == ("Assistant", OF_BOT)


@pytest.mark.parametrize("method", ["kept_profile", "keep_profile", "profile", "set_own_avatar"])
async def test_an_outage_is_waited_for(world: World, method: str) -> None:
    async with world.boot() as run:
        run.homeserver.faults.next(method, Fault.SERVER_ERROR)
        await run.go_live()
        run.let_run()
        await quiet()
        await quiet(ROUND_S)
        assert profile(world) == ("Assistant", OF_BOT)
        assert world.server.media.uploads == ["bot.png"]


@pytest.mark.parametrize("method", ["kept_profile", "profile"])
async def test_an_account_that_cannot_be_read_stays_as_it_is(world: World, method: str) -> None:
    async with world.boot() as run:
        run.homeserver.faults.next(method, Fault.REFUSED)
        await run.go_live()
        run.let_run()
        await quiet(ROUND_S)
        assert profile(world) == (None, None)
        await can_serve(world, run)


async def can_serve(world: World, run: Run) -> None:
    home = await run.settle_in(world.alice)
    assert shown(world, home.chat) == OF_CHATS
    world.alice.say(home.chat, "hello")
    await quiet()
    assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_account_data_that_are_refused_cost_only_a_second_upload(world: World) -> None:
    async with world.boot() as run:
        run.homeserver.faults.next("keep_profile", Fault.REFUSED, times=20)
        await run.go_live()
        run.let_run()
        await can_serve(world, run)
        assert profile(world) == ("Assistant", OF_BOT)
    async with world.live() as run:
        world.bob.direct_chat_with(BOT)
        await quiet()
        assert sorted(set(world.server.media.uploads)) == ["bot.png", "chat.png", "space.png"]
