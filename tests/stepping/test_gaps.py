"""More was said in a room than a sync shows: what is missing comes first, and in order."""

from collections.abc import Sequence
from typing import ClassVar

import anyio
import pytest
from typing_extensions import override

from actors.bounds import Bounds
from actors.gaps import TALKING_S, UNHURRIED_ROOMS
from actors.messages import GapOpened
from actors.model import RoomId
from actors.ports import RecentPage
from actors.rules.room_states import RoomState
from actors.writes import SINCE_LOST, CloseGap, OpenGap, Write
from supervisor.lifecycle import State
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.stepping.harness import BOT, Home, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


async def home_where_so_much_was_missed(world: World, count: int) -> Home:
    """Alice's home, and so many numbers that she said there while the bot was down."""
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    for number in range(count):
        world.alice.say(home.chat, str(number))
    return home


def answers(*numbers: int) -> tuple[str, ...]:
    """What is answered to a range of numbers."""
    return tuple(f"You said: {number}" for number in range(*numbers))


async def test_more_than_a_sync_shows_is_fetched_and_answered_in_order() -> None:
    world = World()
    home = await home_where_so_much_was_missed(world, 35)
    async with world.live():
        await quiet(10)
        assert world.alice.replies(home.chat) == answers(35)


async def test_a_gap_that_may_not_be_read_costs_what_was_in_it_and_nothing_else() -> None:
    world = World()
    home = await home_where_so_much_was_missed(world, 12)
    async with world.boot() as run:
        run.homeserver.faults.next("messages_before", Fault.REFUSED)
        await run.go_live()
        run.let_run()
        await quiet(10)
        assert run.homeserver.faults.planned == 0
        assert world.alice.replies(home.chat) == answers(2, 12)


@pytest.mark.parametrize("end", ["the room can be read again", "the bot is killed"])
async def test_a_gap_that_cannot_be_read_holds_up_its_own_room_alone(end: str) -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
    for number in range(12):
        world.alice.say(of_alice.chat, str(number))
    async with world.boot() as run:
        faults = run.homeserver.faults
        faults.next("messages_before", Fault.SERVER_ERROR, room_id=of_alice.chat, times=99)
        await run.go_live()
        run.let_run()
        await quiet(1)
        world.alice.say(of_alice.chat, "12")
        world.bob.say(of_bob.chat, "hello")
        await quiet(60)
        assert run.state() is State.LIVE
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)
        assert world.alice.replies(of_alice.chat) == ()
        assert run.bot.services.states.of(of_alice.chat) is RoomState.QUARANTINED
        if end == "the room can be read again":
            faults.healed()
            await quiet(900)
            assert run.bot.services.states.of(of_alice.chat) is RoomState.READY
    async with world.live():
        await quiet(10)
        world.alice.say(of_alice.chat, "13")
        await quiet(10)
        assert world.alice.replies(of_alice.chat) == answers(14)
        assert await world.store.gaps() == ()


async def test_rooms_whose_gaps_hang_hold_up_the_others_for_seconds_at_most() -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        chats = await run.more_chats(world.alice, of_alice, 4)
    for room_id in chats:
        for number in range(12):
            world.alice.say(room_id, str(number))
    async with world.boot() as run:
        for room_id in chats:
            run.homeserver.faults.next("messages_before", Fault.HANG_BEFORE, room_id=room_id)
        began = world.server.now()
        await run.go_live()
        run.let_run()
        world.bob.say(of_bob.chat, "hello")
        while not world.bob.replies(of_bob.chat):
            await quiet(0.5)
        assert world.server.now() - began < Bounds().gaps_within_s + 2
        await quiet(60)
        for room_id in chats:
            assert len(world.alice.replies(room_id)) == 12


async def test_what_is_said_while_a_gap_is_filled_comes_after_it() -> None:
    world = World()
    home = await home_where_so_much_was_missed(world, 12)
    async with world.boot() as run:
        run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, room_id=home.chat)
        await run.go_live()
        run.let_run()
        world.server.slow_s = 0.5
        for number in range(12, 20):
            await quiet(0.3)
            world.alice.say(home.chat, str(number))
        await quiet(60)
        assert world.alice.replies(home.chat) == answers(20)


async def test_a_gap_in_which_we_were_away_voids_what_was_queued_before() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 600
        world.alice.say(home.chat, "never answered")
        await quiet()
    platform.takes_s = 0
    world.server.evict(home.chat, BOT)
    world.alice.invite(home.chat, BOT)
    world.server.set_membership(BOT, home.chat, BOT, "join")
    world.alice.say(home.chat, "answered")
    async with world.boot(platform=platform) as run:
        run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, room_id=home.chat)
        await run.go_live()
        run.let_run()
        await quiet(60)
        assert world.alice.replies(home.chat) == ("You said: answered",)


async def test_a_sync_without_news_does_not_open_a_gap_again_that_is_being_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    commit = world.store.commit

    async def commit_slowly(writes: Sequence[Write]) -> None:
        await commit(writes)
        if any(isinstance(write, CloseGap) for write in writes):
            await anyio.sleep(2 * Bounds().poll_s)

    async with world.live() as run:
        home, services = await run.settle_in(world.alice), run.bot.services
        await quiet(Bounds().poll_s)
        position = await world.store.position()
        assert position is not None
        gap = OpenGap(home.chat, SINCE_LOST, position)
        await world.store.commit([gap])
        services.registry.gaps.restore([gap])
        monkeypatch.setattr(world.store, "commit", commit_slowly)
        services.tell_room(home.chat, GapOpened())
        await quiet(1.5 * Bounds().poll_s)
        assert home.chat in services.registry.gaps
        await quiet(Bounds().poll_s)
        assert home.chat not in services.registry.gaps
        assert await world.store.position() == position
        assert await world.store.gaps() == ()


class TakesASecond(SimulatedHomeserver):
    """A homeserver that takes a second to read what a room has missed."""

    reading: ClassVar[set[RoomId]] = set()

    @override
    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        self.reading.add(room_id)
        try:
            await anyio.sleep(1)
            return await super().recent(room_id, token)
        finally:
            self.reading.discard(room_id)


async def test_rooms_that_were_missed_are_read_one_at_a_time_while_somebody_talks() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        chats = await run.more_chats(world.alice, home, 40)
    world.lose_store()
    world.client = TakesASecond
    async with world.live() as run:
        await quiet(1.5)
        assert len(TakesASecond.reading) == UNHURRIED_ROOMS
        for number in range(10):
            world.alice.say(home.chat, str(number))
            await quiet(TALKING_S / 2)
            assert number < 2 or len(TakesASecond.reading - {home.chat}) == 1
        await quiet(TALKING_S + 1)
        assert len(TakesASecond.reading) == UNHURRIED_ROOMS
        await quiet(len(chats))
        assert not run.bot.services.registry.gaps
        assert world.alice.replies(home.chat)[-10:] == answers(10)


async def test_a_gap_that_is_read_while_another_room_hangs_is_closed_in_the_database_too() -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        chats = await run.more_chats(world.alice, of_alice, 12)
    world.lose_store()
    world.client = TakesASecond
    async with world.live() as run:
        gaps = run.bot.services.registry.gaps
        while of_bob.chat in gaps:
            await quiet(0.1)
        left = [room_id for room_id in chats if room_id in gaps]
        assert left
        run.homeserver.faults.next("messages_before", Fault.HANG_BEFORE, room_id=of_bob.chat)
        for room_id in left:
            world.alice.say(room_id, "hello")
        for number in range(14):
            world.bob.say(of_bob.chat, str(number))
        await quiet(120)
        assert not gaps
        assert await world.store.gaps() == ()
        assert all(world.alice.replies(room_id)[-1] == "You said: hello" for room_id in left)


@pytest.mark.parametrize("is_gap_left", [False, True])
async def test_a_room_that_was_left_and_joined_while_its_actor_was_busy_is_served(
    *, is_gap_left: bool
) -> None:
    world = World()
    async with world.live() as run:
        home, faults = await run.settle_in(world.alice), run.homeserver.faults
        await quiet(40)
        faults.next("read_room", Fault.HANG_BEFORE, room_id=home.chat)
        world.alice.rename(home.chat, "Another name")
        await quiet(1)
        if is_gap_left:
            faults.next("messages_before", Fault.SERVER_ERROR, room_id=home.chat)
        world.server.evict(home.chat, BOT)
        await quiet(2)
        world.alice.invite(home.chat, BOT)
        await quiet(3)
        world.server.set_membership(BOT, home.chat, BOT, "join")
        for number in range(14):
            world.alice.say(home.chat, str(number))
        await quiet(400)
        assert world.alice.replies(home.chat)[-14:] == answers(14)
        assert run.bot.services.states.of(home.chat) is RoomState.READY
        assert not run.bot.services.registry.gaps
        assert await world.store.gaps() == ()
