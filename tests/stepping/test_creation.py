"""Making rooms when the answer is unclear, the server wants us to wait, or we are killed."""

import math

import anyio
import pytest

from actors.chats import ChatManager
from actors.model import MARKER_TYPE, ChatId, Intent, IntentKind, IntentStep, Nonce, RoomId
from actors.rows import room_key, user_key
from actors.texts import ENGLISH
from actors.writes import PutIntent
from tests.simulation.connection import LATE_CREATION_S, LATE_S
from tests.simulation.faults import Fault
from tests.simulation.limits import RateLimit, stock_creation_limit
from tests.simulation.people import Person
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOT, World, quiet

pytestmark = pytest.mark.anyio


async def chat_ids(world: World) -> list[ChatId]:
    return [chat.chat_id for chat in await ChatManager(world.store).list_all(ALICE)]


async def nothing_is_owed(world: World) -> bool:
    return await world.store.intent_owners() == ()


def spaces(world: World) -> list[RoomId]:
    return [room.room_id for room in world.server.rooms_of(BOT, "join") if room.is_space]


@pytest.mark.parametrize("fault", [Fault.AFTER_EFFECT, Fault.HANG_AFTER])
async def test_a_room_that_was_created_without_an_answer_is_adopted_by_its_nonce(
    fault: Fault,
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", fault)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(5)
    async with world.live():
        await quiet(90)
        assert world.creations() == 3
        assert await chat_ids(world) == ["C1", "C2"]
        assert await nothing_is_owed(world)
        assert len(world.alice.replies(home.chat)) == 1


@pytest.mark.parametrize("fault", [Fault.REFUSE_BEFORE, Fault.SERVER_ERROR])
async def test_a_room_that_was_certainly_not_created_is_created_again(fault: Fault) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", fault)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(5)
        assert world.creations() == 2
        await quiet(90)
        assert world.creations() == 3
        assert await chat_ids(world) == ["C1", "C2"]
        assert len(world.alice.replies(home.chat)) == 1


@pytest.mark.parametrize("set_s", [-3600.0, -30.0, 3600.0, 86_400.0])
async def test_an_unclear_creation_waits_its_time_whatever_happens_to_the_clock(
    set_s: float,
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSE_BEFORE)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(5)
        world.server.skip(set_s)
        await quiet(world.bounds.unclear_for_s - 10)
        assert world.creations() == 2
        await quiet(10)
        assert world.creations() == 3


@pytest.mark.parametrize("set_s", [-3600.0, -86_400.0])
async def test_an_unclear_creation_that_began_in_the_future_began_now(set_s: float) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSE_BEFORE)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(5)
    world.server.skip(set_s)
    async with world.live():
        await quiet(world.bounds.unclear_for_s - 5)
        assert world.creations() == 2
        await quiet(10)
        assert world.creations() == 3


async def test_an_interrupted_creation_waits_its_time_whatever_happens_to_the_clock() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.HANG_BEFORE)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(25)
        run.bot.system.interrupt()
        world.server.skip(86_400.0)
        await quiet(world.bounds.unclear_for_s - 10)
        assert world.creations() == 2
        await quiet(30)
        assert world.creations() == 3


async def test_a_limited_creation_is_not_tried_again_before_its_time() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.retry_after_s = 600.0
        run.homeserver.faults.next("create_room", Fault.RATE_LIMITED)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(590)
        assert world.creations() == 2
        await quiet(20)
        assert world.creations() == 3


async def test_a_room_that_the_homeserver_makes_long_after_its_answer_is_adopted() -> None:
    world = World()
    async with world.live() as run, anyio.create_task_group() as tasks:
        tasks.start_soon(world.server.run_postponed)
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.LATE)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(LATE_S)
        assert world.creations() == 2
        await quiet(LATE_CREATION_S)
        assert world.creations() == 3
        assert await nothing_is_owed(world)
        await quiet(90)
        assert world.creations() == 3
        assert await chat_ids(world) == ["C1", "C2"]
        assert len(world.alice.replies(home.chat)) == 1
        tasks.cancel_scope.cancel()


async def test_a_room_that_comes_during_a_slow_look_is_adopted() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.LATE)
        world.alice.say(home.chat, "!new Holidays")
        await quiet(world.bounds.unclear_for_s - 20)
        world.server.reading_s = 30.0
        world.alice.say(home.chat, "!new Garden")  # the bot looks at once
        await quiet(5)
        world.server.run_postponed_until(math.inf)
        world.server.reading_s = 0.0
        await quiet(90)
        assert world.creations() == 4
        assert await chat_ids(world) == ["C1", "C2", "C3"]
        assert await nothing_is_owed(world)


async def test_an_unclear_answer_while_onboarding_makes_no_second_space() -> None:
    world = World()
    async with world.live() as run:
        run.homeserver.faults.next("create_room", Fault.AFTER_EFFECT, times=2)
        direct = world.alice.direct_chat_with(BOT)
        await quiet(60)
        assert world.creations() == 2
        assert len(spaces(world)) == 1
        assert len(world.alice.replies(direct)) == 1
        assert len(world.server.invites(ALICE)) == 2


async def test_a_refused_creation_is_told_and_given_up() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSED)
        world.alice.say(home.chat, "!new Holidays")
        world.alice.say(home.chat, "!new Garden")
        await quiet(60)
        refused, made = world.alice.replies(home.chat)
        assert refused == ENGLISH.creation_refused.format(reason="Refused by chance")
        assert made.startswith("Garden (C3) is ready")
        assert await nothing_is_owed(world)


async def test_a_refused_space_is_told_once_and_asked_for_again_only_by_its_owner() -> None:
    world = World()
    async with world.live() as run:
        run.homeserver.faults.next("create_room", Fault.REFUSED, times=50)
        direct = world.alice.direct_chat_with(BOT)
        await quiet(60)
        refused = ENGLISH.creation_refused.format(reason="Refused by chance")
        assert world.alice.replies(direct) == (refused,)
        assert await nothing_is_owed(world)
        run.homeserver.healed()
        world.alice.say(direct, "hello?")
        await quiet()
        assert world.alice.replies(direct)[-1].startswith("Hello! Your Space is ready")


async def test_a_rate_limited_creation_is_told_once_and_carried_out() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.creation_limit = RateLimit(burst=1, per_s=1 / 60)
        world.alice.say(home.chat, "!new one")
        world.alice.say(home.chat, "!new two")
        await quiet(5)
        made, queued = world.alice.replies(home.chat)
        assert made.startswith("one (C2) is ready")
        assert queued.startswith("The homeserver limits how many rooms I can create at a time.")
        await quiet(120)
        assert [text[:12] for text in world.alice.replies(home.chat)[2:]] == ["two (C3) is "]
        assert await nothing_is_owed(world)


async def test_a_stock_rate_limit_is_lived_with_across_restarts() -> None:
    world = World()
    world.server.creation_limit = stock_creation_limit()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for number in range(2, 14):
            world.alice.say(home.chat, f"!new {number}")
        await quiet(30)
        assert world.creations() == 10
    async with world.live():
        await quiet(45)
    async with world.live():
        await quiet(600)
        assert await chat_ids(world) == [f"C{number}" for number in range(1, 14)]
        queued = [text for text in world.alice.replies(home.chat) if "queued" in text]
        assert len(queued) == 1
        assert world.creations() == 14


async def test_while_a_creation_waits_the_owners_chats_are_answered() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.creation_limit = RateLimit(burst=1, per_s=1 / 3600)
        world.alice.say(home.chat, "!new one")
        world.alice.say(home.chat, "!new two")
        await quiet()
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_one_owners_wait_is_not_anothers() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.RATE_LIMITED)
        run.homeserver.faults.retry_after_s = 600.0
        world.alice.say(home.chat, "!new Holidays")
        await quiet()
        of_bob = await run.settle_in(world.bob)
        assert world.server.room(of_bob.chat).membership(world.bob.user_id) == "join"


async def test_nothing_is_created_while_the_bot_is_degraded() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.down = True
        world.alice.say(home.chat, "!new Holidays")
        await quiet(600)
        assert world.creations() == 2
        world.server.down = False
        await quiet(120)
        assert world.creations() == 3


KILLS = [number / 10 for number in range(1, 52, 2)]
"""Two for each request, of which one falls into its first half and one into its second."""


@pytest.mark.parametrize("killed_after_s", KILLS)
async def test_a_kill_at_any_instant_of_onboarding_makes_no_second_space(
    killed_after_s: float,
) -> None:
    world = World()
    world.server.slow_s = 0.4
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await quiet(killed_after_s)
    async with world.live() as run:
        await quiet(90)
        assert world.creations() == 2
        assert len(spaces(world)) == 1
        assert len(world.server.invites(ALICE)) == 2
        assert len(world.alice.replies(direct)) == 1
        world.alice.join_all()
        await quiet(5)
        home = await run.home_of(world.alice, direct)
        assert read_snapshot(world.server.room(home.space), BOT).children == {home.chat}
        assert await nothing_is_owed(world)


@pytest.mark.parametrize("killed_after_s", KILLS)
async def test_a_kill_at_any_instant_of_new_makes_one_chat(killed_after_s: float) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.slow_s = 0.4
    async with world.live():
        world.alice.say(home.chat, "!new Holidays")
        await quiet(killed_after_s)
    async with world.live():
        await quiet(90)
        assert world.creations() == 3
        assert await chat_ids(world) == ["C1", "C2"]
        assert len(world.alice.replies(home.chat)) == 1
        space = read_snapshot(world.server.room(home.space), BOT)
        assert len(space.children) == 2
        assert space.marker is not None
        assert space.marker.next_chat_index == 3


@pytest.mark.parametrize("killed_after_s", KILLS[::2])
async def test_a_kill_and_a_loss_of_the_store_give_no_number_out_twice(
    killed_after_s: float,
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.slow_s = 0.4
    async with world.live():
        world.alice.say(home.chat, "!new Holidays")
        await quiet(killed_after_s)
    world.lose_store()
    async with world.live():
        await quiet(90)
        world.alice.say(home.chat, "!new Garden")
        await quiet(90)
        ids = [
            snapshot.marker.chat_id
            for room in world.server.rooms_of(BOT, "join")
            if (snapshot := read_snapshot(room, BOT)).marker and not snapshot.is_space
        ]
        assert len(ids) == len(set(ids))
        assert set(await chat_ids(world)) == set(ids)


async def test_what_an_older_database_promises_again_is_not_made_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        event_id = world.alice.say(home.chat, "!new Holidays")
        await quiet(5)
        assert world.creations() == 3
    intent = Intent(
        Nonce(f"new.{event_id}"),
        ALICE,
        IntentKind.CHAT,
        IntentStep.WANTED,
        reply_room=home.chat,
        name="Holidays",
    )
    await world.store.commit([PutIntent(intent)])
    await world.distrust()
    async with world.live():
        await quiet(90)
        assert world.creations() == 3
        assert await chat_ids(world) == ["C1", "C2"]
        assert await nothing_is_owed(world)


async def test_a_chat_that_its_space_may_not_list_is_a_chat_all_the_same() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("link", Fault.REFUSED, room_id=home.space, times=99)
        world.alice.say(home.chat, "!new Garden")
        world.alice.say(home.chat, "!new Pond")
        await quiet(60)
        garden, pond = world.alice.join_all()
        assert len(world.alice.replies(home.chat)) == 2
        for room_id in (garden, pond):
            world.alice.say(room_id, "hello")
        await quiet()
        assert world.alice.replies(garden)[-1] == world.alice.replies(pond)[-1] == "You said: hello"
        assert not await world.store.open_intents(ALICE)


async def test_a_chat_whose_number_the_space_may_not_note_takes_none() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        before = await world.rows()
        run.homeserver.faults.next("write_marker", Fault.REFUSED, room_id=home.space, times=1)
        world.alice.say(home.chat, "!new Garden")
        await quiet(60)
        assert world.alice.replies(home.chat) == (
            ENGLISH.number_refused.format(reason="Refused by chance"),
        )
        assert await world.rows() == before
        (chat,) = await run.more_chats(world.alice, home, 1)
        row = await world.store.row(room_key(chat))
        assert row is not None
        assert row["chat_id"] == "C2"


async def next_index(world: World) -> int:
    row = await world.store.row(user_key(ALICE))
    assert row is not None
    return int(str(row["next_chat_index"]))


async def test_an_announced_number_stays_taken_when_its_creation_is_given_up() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.RATE_LIMITED)
        run.homeserver.faults.retry_after_s = 20.0
        world.alice.say(home.chat, "!new Garden")
        await quiet(10)
        assert await next_index(world) == 3
        run.homeserver.faults.next("read_room", Fault.REFUSED, room_id=home.space, times=1)
        await quiet(20)
        assert world.alice.replies(home.chat)[-1].startswith("I can't create a chat")
        space = read_snapshot(world.server.room(home.space), BOT)
        assert space.marker is not None
        assert await next_index(world) == space.marker.next_chat_index == 3
        world.alice.say(home.chat, "!new Pond")
        await quiet()
        assert await chat_ids(world) == ["C1", "C3"]


async def test_a_number_is_in_the_spaces_marker_before_it_is_in_the_row() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("write_marker", Fault.RATE_LIMITED, room_id=home.space)
        run.homeserver.faults.retry_after_s = 20.0
        world.alice.say(home.chat, "!new Garden")
        world.alice.say(home.chat, "!new Pond")
        await quiet(10)
        assert await next_index(world) == 2
        await quiet(20)
        assert await next_index(world) == 4
        assert await chat_ids(world) == ["C1", "C2", "C3"]


async def test_numbers_of_a_lost_space_stay_taken_in_an_old_one_that_comes_back() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await run.more_chats(world.alice, home, 1)
        bot = Person(world.server, BOT)
        marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
        world.server.evict(home.space, BOT)
        await quiet()
        world.server.evict(home.space, BOT, "join")
        bot.write_marker(home.space, {**marker, "next_chat_index": 1})
        await quiet(5)
        assert await next_index(world) == 3
