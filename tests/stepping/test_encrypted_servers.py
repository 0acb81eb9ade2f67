"""A homeserver that encrypts new rooms: nothing is created there, and that is told as it is."""

from dataclasses import replace

import pytest

from actors.chats import ChatManager
from actors.model import MARKER_TYPE, ChatId, Marker, Nonce, RoomId, RoomKind
from actors.rules.marker import marker_content
from actors.texts import ENGLISH
from tests.simulation.faults import Fault
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOB, BOT, Run, World, quiet

pytestmark = pytest.mark.anyio

TOLD = ENGLISH.creation_encrypted


def encrypting(*, declared: bool) -> World:
    world = World()
    world.server.encrypts_new_rooms = True
    world.server.declares_encryption = declared
    return world


async def chat_ids(world: World) -> list[str]:
    return [chat.chat_id for chat in await ChatManager(world.store).list_all(ALICE)]


def joined(world: World) -> set[RoomId]:
    return {room.room_id for room in world.server.rooms_of(BOT, "join")}


async def test_nothing_is_created_and_the_person_is_told_once() -> None:
    world = encrypting(declared=True)
    async with world.live() as run:
        direct = world.alice.direct_chat_with(BOT)
        await quiet(600)
        assert world.creations() == 0
        assert world.alice.replies(direct) == (TOLD,)
        assert run.bot.services.encryption.reason is not None
        world.alice.say(direct, "Hello?")
        await quiet(600)
    async with world.live():
        await quiet(600)
        assert world.alice.replies(direct) == (TOLD,)
        assert await world.rows() == {}


async def test_the_promise_is_kept_without_a_restart_once_the_setting_is_gone() -> None:
    world = encrypting(declared=True)
    async with world.live() as run:
        direct = world.alice.direct_chat_with(BOT)
        await quiet(120)
        world.server.encrypts_new_rooms = False
        await quiet(120)
        assert world.creations() == 2
        told, welcome = world.alice.replies(direct)
        assert told == TOLD
        assert welcome.startswith("Hello! Your Space is ready, with a first chat in it.")
        assert run.bot.services.encryption.reason is None


async def test_a_server_that_does_not_say_it_is_recognised_by_what_was_created() -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        direct = world.alice.direct_chat_with(BOT)
        await quiet(5)
        assert world.creations() == 1
        assert world.server.invites(ALICE) == ()
        assert joined(world) == {direct}
        assert world.alice.replies(direct) == (TOLD,)
        assert run.bot.services.encryption.reason is not None
        other = world.bob.direct_chat_with(BOT)
        await quiet(5)
        assert world.creations() == 1
        assert world.bob.replies(other) == (TOLD,)


async def test_such_a_server_is_tried_with_growing_pauses_by_one_room_at_a_time() -> None:
    world = encrypting(declared=False)
    async with world.live():
        world.alice.direct_chat_with(BOT)
        world.bob.direct_chat_with(BOT)
        await quiet(3600)
        assert 4 <= world.creations() <= 7
        await quiet(23 * 3600)
        assert world.creations() <= 12
        assert len(joined(world)) == 2
    assert world.server.invites(ALICE) == world.server.invites(BOB) == ()


async def test_a_restart_does_not_forget_what_was_created() -> None:
    world = encrypting(declared=False)
    for _ in range(5):
        async with world.live():
            world.alice.direct_chat_with(BOT)
            await quiet(2)
    assert world.creations() == 1


async def test_such_a_server_is_used_again_once_a_room_is_not_encrypted() -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        direct = world.alice.direct_chat_with(BOT)
        await quiet(5)
        world.server.encrypts_new_rooms = False
        await quiet(90)
        assert len(world.server.invites(ALICE)) == 2
        assert await chat_ids(world) == ["C1"]
        assert len(world.alice.replies(direct)) == 2
        assert run.bot.services.encryption.reason is None
        assert "encrypted_creation" not in await world.rows()


@pytest.mark.parametrize("fault", [Fault.AFTER_EFFECT, Fault.HANG_AFTER])
async def test_an_encrypted_room_without_an_answer_is_found_and_given_up(fault: Fault) -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        run.homeserver.faults.next("create_room", fault)
        direct = world.alice.direct_chat_with(BOT)
        await quiet(5)
    async with world.live():
        await quiet(90)
        assert joined(world) == {direct}
        assert world.server.invites(ALICE) == ()
        assert [key for key in await world.rows() if key.startswith("matrix_")] == []


async def one_home(world: World, run: Run) -> RoomId:
    """Let Alice move in while nothing is encrypted; her chat."""
    world.server.encrypts_new_rooms = False
    home = await run.settle_in(world.alice)
    world.server.encrypts_new_rooms = True
    return home.chat


@pytest.mark.parametrize("declared", [True, False])
async def test_a_new_chat_waits_and_the_old_one_goes_on(*, declared: bool) -> None:
    world = encrypting(declared=declared)
    async with world.live() as run:
        chat = await one_home(world, run)
        await quiet(60)
        world.alice.say(chat, "!new Garden")
        world.alice.say(chat, "hello")
        await quiet(30)
        assert set(world.alice.replies(chat)) == {TOLD, "You said: hello"}
        assert await chat_ids(world) == ["C1"]
        world.server.encrypts_new_rooms = False
        await quiet(300)
        assert "Garden" in world.alice.replies(chat)[-1]
        assert len(await chat_ids(world)) == 2


async def test_a_room_under_way_becomes_no_chat_before_it_is_decided_about() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        nonce = Nonce("under way")
        marker = Marker(RoomKind.CHAT, ALICE, ChatId("C2"), home.space, intent=nonce)
        with run.bot.services.registry.creations.under_way(nonce):
            state = ((MARKER_TYPE, BOT, marker_content(marker)),)
            world.server.create_room(BOT, name="Garden", initial_state=state)
            await quiet(5)
            assert await chat_ids(world) == ["C1"]
        await quiet(5)
        assert await chat_ids(world) == ["C1", "C2"]


@pytest.mark.parametrize("slow_s", [0.0, 0.1, 0.4])
async def test_a_chat_that_was_given_up_leaves_no_rows_however_slow_the_server_is(
    slow_s: float,
) -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        chat = await one_home(world, run)
        world.server.slow_s = slow_s
        world.alice.say(chat, "!new Garden")
        await quiet(30)
        assert await chat_ids(world) == ["C1"]
        rooms = [key for key in await world.rows() if key.startswith("matrix_room:")]
        assert len(rooms) == 2


async def test_the_number_of_a_chat_that_was_given_up_is_not_given_out_again() -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        chat = await one_home(world, run)
        world.alice.say(chat, "!new Garden")
        await quiet(30)
        space = next(room for room in world.server.rooms_of(BOT, "join") if room.is_space)
        assert read_snapshot(space, BOT).children == {chat}
        world.server.encrypts_new_rooms = False
        await quiet(300)
        assert await chat_ids(world) == ["C1", "C3"]


async def test_a_chat_that_a_person_encrypts_points_to_one_that_can_be_read() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        (second,) = await run.more_chats(world.alice, home, 1)
        world.server.encrypt(home.chat)
        world.alice.say(home.chat, "", msgtype="m.room.encrypted")
        await quiet()
        told = world.alice.replies(home.chat)[-1]
        assert "can't read encrypted messages" in told
        assert second in told
        assert await chat_ids(world) == ["C1", "C2"]


async def test_an_owner_whose_chats_are_all_encrypted_gets_one_that_can_be_read() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.encrypt(home.chat)
        for _ in range(3):
            world.alice.say(home.chat, "", msgtype="m.room.encrypted")
            await quiet(5)
        told, made = world.alice.replies(home.chat)
        assert told == ENGLISH.encrypted_new
        assert made.startswith("Chat 2 is ready")
        assert await chat_ids(world) == ["C1", "C2"]


async def test_an_encrypted_chat_points_to_no_chat_that_would_be_encrypted_as_well() -> None:
    world = encrypting(declared=True)
    async with world.live() as run:
        chat = await one_home(world, run)
        world.server.encrypt(chat)
        await quiet(60)
        world.alice.say(chat, "", msgtype="m.room.encrypted")
        await quiet(60)
        assert world.alice.replies(chat) == (ENGLISH.encrypted_everywhere,)
        world.server.encrypts_new_rooms = False
        await quiet(120)
        assert world.alice.replies(chat)[-1].startswith("Chat 2 is ready")


async def test_a_recovered_chat_that_is_encrypted_is_told_of_truthfully() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.encrypt(home.chat)
        await quiet()
    world.lose_store()
    async with world.live():
        assert await chat_ids(world) == ["C1"]
        world.alice.say(home.chat, "", msgtype="m.room.encrypted")
        await quiet(5)
        assert world.alice.replies(home.chat)[0] == ENGLISH.encrypted_new


async def test_an_encrypted_message_in_a_plain_chat_asks_for_a_plain_one() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "", msgtype="m.room.encrypted")
        await quiet()
        assert world.alice.replies(home.chat) == (ENGLISH.encrypted_message,)
        assert world.creations() == 2


async def test_another_reason_to_wait_is_told_as_well() -> None:
    world = World()
    world.bounds = replace(world.bounds, limit_told_s=0.0)
    queued = ENGLISH.creation_queued.format(place=1)
    async with world.live() as run:
        run.homeserver.faults.next("create_room", Fault.RATE_LIMITED)
        direct = world.alice.direct_chat_with(BOT)
        await quiet(0.5)
        assert world.alice.replies(direct) == (queued,)
        world.server.encrypts_new_rooms = True
        await quiet(120)
        assert world.alice.replies(direct) == (queued, TOLD)


async def test_what_is_asked_for_later_is_told_of_as_well() -> None:
    world = encrypting(declared=True)
    async with world.live() as run:
        chat = await one_home(world, run)
        await quiet(60)
        world.alice.say(chat, "!new Garden")
        await quiet(60)
        world.alice.say(chat, "!new Books")
        await quiet(60)
        second = world.alice.direct_chat_with(BOT)
        await quiet(120)
        assert world.alice.replies(chat) == (TOLD, TOLD)
        assert world.alice.replies(second)[-1].startswith("Welcome back!")
        world.server.encrypts_new_rooms = False
        await quiet(120)
        assert await chat_ids(world) == ["C1", "C2", "C3"]


async def test_a_second_invite_of_a_person_who_waits_is_answered() -> None:
    world = encrypting(declared=True)
    async with world.live():
        first = world.alice.direct_chat_with(BOT)
        await quiet(60)
        second = world.alice.direct_chat_with(BOT)
        await quiet(60)
        assert world.alice.replies(first) == world.alice.replies(second) == (TOLD,)
        world.server.encrypts_new_rooms = False
        await quiet(120)
        assert world.creations() == 2


async def test_a_chat_instead_of_an_encrypted_one_waits_behind_earlier_wishes() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSED_UNCLEARLY)
        began = world.server.now()
        world.server.encrypt(home.chat)
        world.alice.say(home.chat, "", msgtype="m.room.encrypted")
        await quiet()
        (intent,) = await world.store.open_intents(ALICE)
        assert intent.asked_at is not None
        assert intent.asked_at >= began


async def test_an_encrypted_room_that_can_t_be_left_at_once_counts_once() -> None:
    world = encrypting(declared=False)
    async with world.live() as run:
        run.homeserver.faults.retry_after_s = 5.0
        run.homeserver.faults.next("leave", Fault.RATE_LIMITED, times=6)
        world.alice.direct_chat_with(BOT)
        await quiet(20)
        assert run.homeserver.faults.planned < 6
    async with world.live():
        await quiet(40)
        row = await world.store.row("encrypted_creation")
        assert row is not None
        assert row["times"] == 1
        world.server.encrypts_new_rooms = False
        await quiet(world.bounds.encrypted_pause_s + 60)
        assert len(world.server.invites(ALICE)) == 2
