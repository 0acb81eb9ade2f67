"""A room with too many messages for the inbox: others go on, and none of its messages is lost."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from actors.bounds import Bounds
from actors.model import RoomId
from actors.rules.room_states import RoomState
from supervisor.lifecycle import State
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, ScriptedPlatform, World, quiet
from tests.stepping.test_gaps import answers
from tests.stepping.test_status_observer import look, observer_in

pytestmark = pytest.mark.anyio

SMALL = replace(Bounds(), inbox_limit=20, inbox_room_limit=10, gap_page=5)


def small_world() -> World:
    """A world with a bot that takes 10 messages of a room, and 20 of all rooms."""
    world = World()
    world.bounds = SMALL
    return world


def break_room(world: World, chat: RoomId) -> None:
    """Let a chat fail from now on: it has changed, and the homeserver does not say how."""
    world.server.unreadable[chat] = "500: cannot be read"
    world.alice.rename(chat, "Broken")


async def waiting_in(world: World, room_id: RoomId) -> int:
    return (await world.store.waiting_counts()).get(room_id, 0)


@pytest.mark.parametrize("at_once", [1, 7, 60])
@pytest.mark.parametrize("restarts", [False, True])
async def test_a_room_that_fails_keeps_its_messages_and_stops_no_other(
    at_once: int, *, restarts: bool
) -> None:
    world = small_world()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        break_room(world, of_alice.chat)
        await quiet(200)
        assert run.bot.services.states.of(of_alice.chat) is RoomState.QUARANTINED
        for number in range(120):
            world.alice.say(of_alice.chat, str(number))
            if number % at_once == at_once - 1:
                await quiet()
                assert await waiting_in(world, of_alice.chat) <= SMALL.inbox_room_limit
        world.bob.say(of_bob.chat, "hello")
        await quiet()
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        assert run.bot.activities.backlog.paused == ""
        if not restarts:
            world.server.healed()
            await quiet(2000)
    if restarts:
        async with world.live():
            await quiet(5)
            world.server.healed()
            await quiet(2000)
    assert world.alice.replies(of_alice.chat) == answers(120)
    assert await world.store.gaps() == ()


async def test_a_kill_while_a_gap_is_filled_repeats_no_answer() -> None:
    world = small_world()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    for number in range(95):
        world.alice.say(home.chat, str(number))
    platform = ScriptedPlatform()
    platform.takes_s = 1.0
    for _ in range(12):
        async with world.live(platform=platform):
            await quiet(9.3)
            assert await waiting_in(world, home.chat) <= SMALL.inbox_room_limit
    assert world.alice.replies(home.chat) == answers(95)
    assert await world.store.gaps() == ()


async def test_a_gap_that_grows_while_it_is_filled_is_filled_in_order() -> None:
    world = small_world()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 1.0
        for number in range(100):
            world.alice.say(home.chat, str(number))
            await quiet(0.3)
            assert await waiting_in(world, home.chat) <= SMALL.inbox_room_limit
        for number in range(100, 160):  # more at once than a timeline shows
            world.alice.say(home.chat, str(number))
        await quiet(200)
        assert world.alice.replies(home.chat) == answers(160)
        assert await world.store.gaps() == ()


async def test_leaving_a_room_voids_what_it_has_left_on_the_homeserver() -> None:
    world = small_world()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        break_room(world, home.chat)
        await quiet(200)
        for number in range(40):
            world.alice.say(home.chat, str(number))
            await quiet(0.1)
        world.server.evict(home.chat, BOT)
        world.alice.invite(home.chat, BOT)
        world.server.set_membership(BOT, home.chat, BOT, "join")
        world.alice.say(home.chat, "after")
        world.server.healed()
        await quiet(2000)
        assert world.alice.replies(home.chat) == ("You said: after",)


async def test_what_is_said_after_a_return_survives_a_restart_while_the_gap_is_filled() -> None:
    world, platform = small_world(), ScriptedPlatform()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.alice.say(home.chat, "void")
    world.server.evict(home.chat, BOT)
    world.alice.invite(home.chat, BOT)
    world.server.set_membership(BOT, home.chat, BOT, "join")
    for number in range(40):
        world.alice.say(home.chat, str(number))
    platform.takes_s = 1.0
    for _ in range(6):
        async with world.live(platform=platform):
            await quiet(9.3)
    assert world.alice.replies(home.chat) == answers(40)


async def test_of_a_very_long_gap_the_newest_messages_are_answered() -> None:
    world = small_world()
    world.bounds = replace(SMALL, gap_messages=30)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    for number in range(100):
        world.alice.say(home.chat, str(number))
    with capture_logs() as logs:
        async with world.live():
            await quiet(100)
    given = world.alice.replies(home.chat)
    assert given == answers(100)[-len(given) :]
    assert 20 < len(given) <= 40  # a part of the newest comes with the sync itself
    assert [entry["limit"] for entry in logs if entry["event"] == "gap_too_long"] == [30]


@pytest.mark.parametrize("count", [4, 9])
async def test_many_rooms_that_fail_stop_no_other(count: int) -> None:
    world = small_world()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        chats = await run.more_chats(world.alice, of_alice, count)
        for room_id in chats:
            break_room(world, room_id)
        await quiet(200)
        for number in range(8):
            for room_id in chats:
                world.alice.say(room_id, str(number))
            await quiet()
        assert sum((await world.store.waiting_counts()).values()) == 8 * count > SMALL.inbox_limit
        for _ in range(20):
            world.bob.say(of_bob.chat, "hello")
            await quiet(5)
        assert len(world.bob.replies(of_bob.chat)) == 20
        world.server.healed()
        await quiet(2000)
        assert [world.alice.replies(room_id) for room_id in chats] == [answers(8)] * count


async def test_while_reading_pauses_the_bot_is_not_ready_and_says_why() -> None:
    world, platform = small_world(), ScriptedPlatform()
    observer = observer_in(world)
    with capture_logs() as logs:
        async with (
            world.live(platform=platform) as run,
            observer.watching("boot", run.bot, run.supervisor),
        ):
            home = await run.settle_in(world.alice)
            chats = await run.more_chats(world.alice, home, 3)
            platform.takes_s = 10.0
            for room_id in chats:
                for number in range(9):
                    world.alice.say(room_id, str(number))
            seen = await look(observer)
            assert run.state() is State.LIVE
            assert seen.reading_paused is not None
            assert "more than 20 messages wait" in seen.reading_paused
            assert observer.readiness() == (False, seen.reading_paused)
            assert b"\nsurfaces_bot_reading_paused 1.0\n" in await observer.metrics()
            await quiet(300)
            assert observer.readiness()[0]
            assert (await look(observer)).reading_paused is None
            assert [len(world.alice.replies(room_id)) for room_id in chats] == [9] * 3
    events = [entry["event"] for entry in logs]
    assert events.count("reading_resumed") == 1
    assert events.index("reading_paused") < events.index("reading_resumed")


async def test_a_room_with_more_on_the_homeserver_is_counted() -> None:
    world = small_world()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        home = await run.settle_in(world.alice)
        break_room(world, home.chat)
        await quiet(200)
        for number in range(30):
            world.alice.say(home.chat, str(number))
            await quiet(0.1)
        seen = await look(observer)
        assert (seen.rooms_behind, seen.reading_paused) == (1, None)
        assert observer.readiness()[0]


async def test_rooms_that_give_no_answer_delay_no_reply_in_another_room() -> None:
    world = small_world()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        chats = await run.more_chats(world.alice, of_alice, Bounds().homeserver_slots + 4)
        for room_id in chats:
            run.homeserver.faults.next("read_room", Fault.HANG_BEFORE, room_id=room_id, times=99)
            world.alice.rename(room_id, "Broken")
        await quiet(5)
        world.bob.say(of_bob.chat, "hello")
        await quiet(1)
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)


async def test_a_gap_that_grows_survives_a_kill_at_any_time() -> None:
    world = small_world()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    platform, said = ScriptedPlatform(), 0
    platform.takes_s = 0.1
    for turn in range(40):
        world.server.slow_s = 0.4
        async with world.live(platform=platform):
            for _ in range(4):
                for _ in range(3):
                    world.alice.say(home.chat, str(said))
                    said += 1
                await quiet(0.4)
            await quiet(turn * 0.037)
    world.server.slow_s = 0.0
    async with world.live():
        await quiet(100)
    assert world.alice.replies(home.chat) == answers(said)
    assert await world.store.gaps() == ()


@pytest.mark.parametrize("count", [11, 14, 19])
async def test_a_gap_and_the_timeline_after_it_do_not_overfill_the_inbox(count: int) -> None:
    world, platform = small_world(), ScriptedPlatform()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    for number in range(count):
        world.alice.say(home.chat, str(number))
    platform.takes_s = 100.0
    async with world.live(platform=platform):
        await quiet(5)
        assert 0 < await waiting_in(world, home.chat) <= SMALL.inbox_room_limit
    async with world.live():
        await quiet(10)
    assert world.alice.replies(home.chat) == answers(count)


async def test_after_a_restart_a_full_inbox_waits_until_its_gap_was_looked_at() -> None:
    world, platform = small_world(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 600
        for number in range(8):
            world.alice.say(home.chat, f"void {number}")
        await quiet()
    world.server.evict(home.chat, BOT)
    world.alice.invite(home.chat, BOT)
    world.server.set_membership(BOT, home.chat, BOT, "join")
    world.alice.say(home.chat, "answered")
    platform.takes_s = 0
    for faults in (9, 2):
        async with world.boot(platform=platform) as run:
            run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, times=faults)
            await run.go_live()
            run.let_run()
            await quiet(20)
    assert world.alice.replies(home.chat) == ("You said: answered",)


async def test_a_gap_stays_in_the_store_until_all_of_it_is_fetched() -> None:
    world, platform = small_world(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 0.1
        world.server.slow_s = 0.4
        gaps = run.bot.services.registry.gaps
        for number in range(30):
            world.alice.say(home.chat, str(number))
        for number in range(30, 90):
            world.alice.say(home.chat, str(number))
            for _ in range(10):
                await quiet(0.1)
                known = gaps.get(home.chat)
                if known is not None and known.upto == await world.store.position():
                    assert [gap.upto for gap in await world.store.gaps()] == [known.upto]
        world.server.slow_s = 0.0
        await quiet(60)
        assert world.alice.replies(home.chat) == answers(90)
