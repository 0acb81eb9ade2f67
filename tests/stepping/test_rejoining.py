"""What was said while the bot was out of a room was not said to it, and what is queued is void."""

from collections.abc import Callable

import pytest

from actors.model import RoomId
from tests.simulation.faults import Fault
from tests.stepping.growing import answer, free, story, telling
from tests.stepping.harness import BOT, Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def by_an_invite(world: World, room_id: RoomId) -> None:
    world.server.evict(room_id, BOT)
    world.alice.invite(room_id, BOT)


def by_somebody_elses_doing(world: World, room_id: RoomId) -> None:
    by_an_invite(world, room_id)
    world.server.set_membership(BOT, room_id, BOT, "join")


@pytest.fixture(params=[by_an_invite, by_somebody_elses_doing])
def comes_back(request: pytest.FixtureRequest) -> Callable[[World, RoomId], None]:
    """How the bot comes back to a room that it is taken out of, all between two syncs."""
    way: Callable[[World, RoomId], None] = request.param
    return way


async def home_where_a_reply_waits(run: Run) -> Home:
    """Alice's home, in whose chat the reply to what she said could not be sent."""
    home = await run.settle_in(run.world.alice)
    run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=home.chat, times=9)
    run.world.alice.say(home.chat, "never sent")
    await quiet(0.1)
    return home


async def test_while_the_bot_is_live(comes_back: Callable[[World, RoomId], None]) -> None:
    world = World()
    async with world.live() as run:
        home = await home_where_a_reply_waits(run)
        comes_back(world, home.chat)
        await quiet()
        run.homeserver.faults.healed()
        await quiet(60)
        world.alice.say(home.chat, "after")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: after",)


async def test_while_the_bot_is_down(comes_back: Callable[[World, RoomId], None]) -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await home_where_a_reply_waits(run)
        platform.takes_s = 600
        world.alice.say(home.chat, "never asked again")
        await quiet()
    comes_back(world, home.chat)
    world.alice.say(home.chat, "after")
    async with world.live():
        await quiet()
        assert await world.store.waiting_counts() == {}
        assert sum((await world.store.unsent_counts()).values()) == 0
        world.alice.say(home.chat, "and now")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: and now"
        replies = world.alice.replies(home.chat)
        assert not [reply for reply in replies if "never" in reply]


@pytest.mark.parametrize("is_down", [False, True])
async def test_an_answer_that_grew_is_taken_back(
    comes_back: Callable[[World, RoomId], None], *, is_down: bool
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(10)
        if not is_down:
            comes_back(world, home.chat)
            await quiet(60)
    if is_down:
        assert answer(world, home.chat, question)[0][0] == "live"
        comes_back(world, home.chat)
        for number in range(3 * world.server.timeline_limit):
            world.alice.say(home.chat, f"after {number}")
        async with world.live(platform=platform):
            await quiet(60)
    assert answer(world, home.chat, question) == []
    assert [text for _, text, _ in platform.asked if text == "go"] == ["go"]


@pytest.mark.parametrize("is_killed", [False, True])
async def test_an_answer_that_grew_is_taken_back_however_late_the_bot_returns(
    *, is_killed: bool
) -> None:
    world, platform = free(), ScriptedPlatform()
    platform.script["go"] = telling(story(25))
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        question = world.alice.say(home.chat, "go")
        await quiet(10)
        world.server.evict(home.chat, BOT)
        await quiet(60)
        if not is_killed:
            world.alice.invite(home.chat, BOT)
            await quiet(60)
    if is_killed:
        async with world.live(platform=platform):
            await quiet()
            world.alice.invite(home.chat, BOT)
            await quiet(60)
    assert answer(world, home.chat, question) == []
    assert not await world.store.unsent_counts()


async def test_what_was_promised_on_the_way_back_is_kept() -> None:
    """The departure still shows when the room comes back, and has been dealt with before."""
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        told = len(world.alice.replies(home.direct))
        world.server.evict(home.direct, BOT)
        await quiet()
        run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=home.direct, times=99)
        run.homeserver.faults.next("sync", Fault.HANG_BEFORE)
        world.alice.invite(home.direct, BOT)
        await quiet(120)
        run.homeserver.faults.healed()
        await quiet(60)
        assert len(world.alice.replies(home.direct)) == told + 1


@pytest.mark.parametrize("lost", [False, True])
async def test_what_was_said_while_the_bot_was_out_is_not_answered(*, lost: bool) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.evict(home.chat, BOT)
        await quiet()
        world.alice.say(home.chat, "!rename By command")
        for number in range(3 * world.server.timeline_limit):
            world.alice.say(home.chat, f"away {number}")
        world.alice.rename(home.chat, "By hand")
        await quiet()
    if lost:
        world.lose_store()
        world.token = None
    async with world.live():
        world.alice.invite(home.chat, BOT)
        await quiet()
        world.alice.say(home.chat, "after")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: after",)
        assert world.server.room(home.chat).content("m.room.name") == {"name": "By hand"}


@pytest.mark.parametrize("later", [1, 30])
async def test_what_is_said_after_the_return_is_answered_in_order(later: int) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.evict(home.chat, BOT)
    for number in range(30):
        world.alice.say(home.chat, f"away {number}")
    by_somebody_elses_doing(world, home.chat)
    texts = [f"later {number}" for number in range(later)]
    for text in texts:
        world.alice.say(home.chat, text)
    async with world.live():
        await quiet()
        assert world.alice.replies(home.chat) == tuple(f"You said: {text}" for text in texts)
