"""Rooms that were purged on the homeserver: no leave is ever shown of them."""

import pytest
from structlog.testing import capture_logs

from actors.chats import ChatManager
from actors.messages import RoomLeft, room_address
from actors.model import IntentKind, IntentStep, RoomId
from actors.port_errors import StoreUnavailable
from actors.rows import chat_key, room_key, user_key
from actors.rules.room_states import RoomState
from actors.texts import ENGLISH
from supervisor.serving.gone_rooms import note_gone_rooms
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Home, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


async def with_second_chat(world: World, run: Run) -> tuple[Home, RoomId]:
    home = await run.settle_in(world.alice)
    (second,) = await run.more_chats(world.alice, home, 1)
    return home, second


async def asked(world: World, home: Home, text: str) -> str:
    """What the bot says to a command."""
    world.alice.say(home.chat, text)
    await quiet()
    return world.alice.replies(home.chat)[-1]


GONE = "Chats that can't be opened any more: 1."


async def test_a_chat_purged_while_the_bot_is_down_is_not_listed() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_second_chat(world, run)
    world.server.purge(second)
    async with world.live() as run:
        await quiet()
        assert run.bot.services.states.of(second) is RoomState.LEFT
        listed = await asked(world, home, "!chats")
        assert listed.startswith(f"{ENGLISH.chats.list_title}\nC1: Chat 1\n{GONE}")
        assert "can't be opened any more" in await asked(world, home, "!open C2")
        assert "Your chats: 1 active, 0 archived." in await asked(world, home, "!status")


async def test_what_was_missed_in_a_purged_chat_is_looked_for_no_more() -> None:
    world = World()
    async with world.live() as run:
        _, second = await with_second_chat(world, run)
    for number in range(12):
        world.alice.say(second, str(number))
    async with world.boot() as run:
        run.homeserver.faults.next("messages_before", Fault.SERVER_ERROR, room_id=second, times=99)
        await run.go_live()
        run.let_run()
        await quiet(5)
        assert second in run.bot.services.registry.gaps
        world.server.purge(second)
        await note_gone_rooms(run.bot.services, await run.homeserver.joined_rooms())
        assert second not in run.bot.services.registry.gaps
        assert await world.store.gaps() == ()


async def test_a_chat_purged_while_the_bot_is_live_is_noticed_by_the_first_request() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_second_chat(world, run)
        world.server.purge(second)
        assert "can't be opened any more" in await asked(world, home, "!open C2")
        assert run.bot.services.states.of(second) is RoomState.LEFT
        assert GONE in await asked(world, home, "!chats")


async def test_a_refused_message_lets_the_bot_look_at_the_room() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home, second = await with_second_chat(world, run)
        platform.takes_s = 5
        world.alice.say(second, "hello")
        await quiet()
        world.server.purge(second)
        await quiet(6)
        assert run.bot.services.states.of(second) is RoomState.LEFT
        assert GONE in await asked(world, home, "!chats")


async def test_the_number_of_a_purged_chat_stays_taken() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_second_chat(world, run)
        world.server.purge(second)
        await asked(world, home, "!chats")
        assert "Chat 3 is ready" in await asked(world, home, "!new")
    world.lose_store()
    async with world.live():
        await quiet()
        assert "Chat 4 is ready" in await asked(world, home, "!new")


async def test_a_refusal_in_a_room_that_is_there_is_told_as_it_is() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_second_chat(world, run)
        world.alice.join(second)
        world.alice.leave(second)
        run.homeserver.faults.next("invite", Fault.REFUSED)
        told = await asked(world, home, "!open C2")
        assert "I could not invite you" in told
        assert "can't be opened any more" not in told


@pytest.mark.parametrize("noticed", [True, False])
async def test_without_its_space_a_new_chat_is_refused_with_the_way_to_a_new_space(
    *, noticed: bool
) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        if not noticed:
            world.server.purge(home.space)
            assert await asked(world, home, "!new") == ENGLISH.no_space
    if noticed:
        world.server.purge(home.space)
    async with world.live():
        await quiet()
        assert await asked(world, home, "!new") == ENGLISH.no_space
        assert await world.store.row(user_key(ALICE)) is None
        world.alice.direct_chat_with(run.homeserver.me)
        await quiet()
        world.alice.join_all()
        await quiet()
        user = await world.store.row(user_key(ALICE))
        assert user is not None
        assert int(str(user["next_chat_index"])) >= 3
        assert await world.store.row(chat_key(ALICE, "C1")) is not None  # type: ignore[arg-type]


async def test_a_room_that_is_purged_before_it_is_announced_is_made_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("link", Fault.SERVER_ERROR, times=3)
        world.alice.say(home.chat, "!new Plans")
        await quiet()
        (intent,) = await world.store.open_intents(ALICE)
        assert (intent.kind, intent.step) == (IntentKind.CHAT, IntentStep.CREATED)
        assert intent.room_id is not None
        world.server.purge(intent.room_id)
        await quiet(run.bot.services.bounds.unclear_for_s / 2)
        assert world.creations() == 3
        await quiet(run.bot.services.bounds.unclear_for_s)
        assert world.alice.replies(home.chat)[-1].startswith("Plans (C3) is ready")
        assert len(world.alice.join_all()) == 1


async def test_a_new_room_that_a_slow_list_of_rooms_lacks_is_not_made_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("link", Fault.SERVER_ERROR)
        known, joined_rooms = await run.homeserver.joined_rooms(), run.homeserver.joined_rooms

        async def comes_late() -> frozenset[RoomId]:
            run.homeserver.joined_rooms = joined_rooms  # type: ignore[method-assign]
            await quiet(run.bot.services.bounds.unclear_for_s + 10)
            return known

        world.alice.say(home.chat, "!new Plans")
        await quiet(0.5)
        run.homeserver.joined_rooms = comes_late  # type: ignore[method-assign]
        await quiet(120)
        assert world.creations() == 3
        assert world.alice.replies(home.chat)[-1].startswith("Plans (C2) is ready")


async def test_a_purged_direct_chat_disturbs_nothing() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.purge(home.direct)
    async with world.live():
        await quiet()
        assert await asked(world, home, "hello") == "You said: hello"
        assert await world.store.row(room_key(home.direct)) is None


async def test_messages_that_wait_for_a_purged_room_are_dropped() -> None:
    world = World()
    async with world.live() as run:
        home, second = await with_second_chat(world, run)
        run.homeserver.faults.next("send", Fault.SERVER_ERROR, room_id=second, times=99)
        world.alice.say(second, "hello")
        await quiet()
        assert sum((await world.store.unsent_counts()).values()) == 1
    world.server.purge(second)
    before = len(world.server.writes)
    async with world.live():
        await quiet()
        assert sum((await world.store.unsent_counts()).values()) == 0
        assert second not in {write.room_id for write in world.server.writes[before:]}
        assert await asked(world, home, "hello") == "You said: hello"


async def test_a_leave_that_is_handled_at_the_second_attempt_holds_up_no_creation() -> None:
    world = World()
    async with world.live() as run:
        room_id = world.mallory.create_room()
        run.let_crash(room_address(room_id), RoomLeft, StoreUnavailable("locked"))
        world.mallory.invite(room_id, run.homeserver.me)
        await quiet(5)
        home = await run.settle_in(world.alice)
        assert await asked(world, home, "hello") == "You said: hello"


async def test_a_new_space_that_is_gone_is_made_again_before_its_first_chat() -> None:
    world = World()
    with capture_logs() as logs:
        async with world.live() as run:
            run.homeserver.faults.retry_after_s = 80.0
            run.homeserver.faults.next("invite", Fault.RATE_LIMITED)
            world.alice.direct_chat_with(BOT)
            await quiet()
            (space,) = (it.room_id for it in world.server.rooms.values() if it.creator == BOT)
            world.server.purge(space)
            await quiet(200)
            assert len(world.server.invites(ALICE)) == 2
            assert [it.chat_id for it in await ChatManager(world.store).list_all(ALICE)] == ["C1"]
    assert "space_gone_meanwhile" not in {log["event"] for log in logs}
