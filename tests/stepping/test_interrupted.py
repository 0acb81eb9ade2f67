"""Stories that seeded simulations have told first: things interrupted at the wrong moment."""

from dataclasses import replace

import pytest

from actors.chats import ChatManager
from actors.messages import IntentsWaiting, RoomChanged, RoomReported, RowsSettled
from actors.model import (
    MARKER_TYPE,
    ChatId,
    Intent,
    IntentKind,
    IntentStep,
    Nonce,
    RoomId,
    RoomMeta,
)
from actors.port_errors import PlatformFailed
from actors.rows import chat_key, from_row, room_key, user_key
from actors.rules.classify import Space
from actors.rules.settlement import DesiredRows, RoomReport
from actors.runtime.letters import Report
from actors.writes import DeleteRow, PutIntent
from adapter.matrix.reconcile import reconcile_single_room
from supervisor.lifecycle import State
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.limits import RateLimit
from tests.simulation.people import Person
from tests.simulation.reading import read_snapshot
from tests.stepping.harness import ALICE, BOT, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio

UNREADABLE = "500: cannot be read"


def spaces(world: World) -> list[RoomId]:
    return [room.room_id for room in world.server.rooms_of(BOT, "join") if room.is_space]


def chat_ids(world: World) -> list[str]:
    markers = (read_snapshot(room, BOT).marker for room in world.server.rooms_of(BOT, "join"))
    return sorted(marker.chat_id for marker in markers if marker and marker.chat_id)


def upgrade(world: World, room_id: RoomId) -> RoomId:
    """Let Alice upgrade a room and invite the bot, which has no power in the new one."""
    world.server.grant(room_id, ALICE, 100)
    replacement = world.alice.upgrade(room_id)
    world.alice.invite(replacement, BOT)
    return replacement


async def test_many_invites_before_the_first_space_make_one_space() -> None:
    world = World()
    rooms = [world.alice.direct_chat_with(BOT) for _ in range(3)]
    async with world.live():
        await quiet()
        assert len(spaces(world)) == 1
        assert chat_ids(world) == ["C1"]
        assert [len(world.alice.replies(room_id)) for room_id in rooms] == [1, 1, 1]


async def test_whose_only_chat_has_lost_the_bot_is_given_another_one() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.evict(home.chat, BOT)
        await quiet()
        world.alice.direct_chat_with(BOT)
        await quiet()
        assert chat_ids(world) == ["C2"]
        assert len(spaces(world)) == 1


async def test_an_owner_keeps_the_row_of_a_space_that_cannot_be_read() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.unreadable[home.space] = UNREADABLE
    before = await world.store.row(user_key(ALICE))
    async with world.live():
        assert await world.store.row(user_key(ALICE)) == before


async def test_no_second_space_while_the_first_one_is_being_probed() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.lose_store()
    world.server.unreadable[home.space] = UNREADABLE
    world.server.slow_s = 3
    world.alice.direct_chat_with(BOT)
    async with world.live():
        await quiet(600)
        assert spaces(world) == [home.space]


async def test_a_space_that_can_be_read_again_is_not_made_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.lose_store()
    world.server.unreadable[home.space] = UNREADABLE
    direct = world.alice.direct_chat_with(BOT)
    async with world.live():
        await quiet(60)
        world.server.healed()
        await quiet(3600)
        assert spaces(world) == [home.space]
        assert chat_ids(world) == ["C1"]
        assert "Welcome back!" in world.alice.replies(direct)[-1]


async def test_a_platform_that_fails_during_reconciliation_does_not_end_the_process() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 5
        platform.fail("hello", PlatformFailed("no time"))
        world.alice.say(home.chat, "hello")
        await quiet()
        world.server.forget_positions()
        await quiet(60)
        assert run.state() is State.LIVE
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_what_was_settled_for_a_room_before_it_was_replaced_comes_too_late() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        room = from_row(await world.store.row(room_key(home.chat)), RoomMeta)
        assert room is not None
        replacement = upgrade(world, home.chat)
        await quiet()
        rows = await world.rows()
        assert room_key(replacement) in rows
        assert room_key(home.chat) not in rows
        run.bot.services.tell_room(home.chat, RowsSettled(DesiredRows(room), in_round=False))
        await quiet()
        assert await world.rows() == rows


async def test_what_a_room_has_just_said_is_settled_before_anything_is_made() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        wanted = Intent(Nonce("n1"), ALICE, IntentKind.SPACE, IntentStep.WANTED)
        await world.store.commit([DeleteRow(user_key(ALICE)), PutIntent(wanted)])
        report = RoomReport(home.space, 1, Space(ALICE, "Chats of alice", 2))
        run.bot.services.tell_owner(ALICE, IntentsWaiting())
        run.bot.services.tell_owner(ALICE, RoomReported(report))
        await quiet()
        assert spaces(world) == [home.space]
        assert await world.store.open_intents(ALICE) == ()


async def test_what_waits_behind_a_poisoned_message_is_dropped_when_the_bot_leaves() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.fail("poison", *[PlatformFailed("never")] * 20)
        for text in ("poison", "anybody?"):
            world.alice.say(home.chat, text)
        await quiet()
        world.server.evict(home.chat, BOT)
        await quiet(600)
        assert chat_ids(world) == []
        assert [text for _, text, _ in platform.asked if text == "anybody?"] == []
        assert await world.store.waiting_counts() == {}


async def test_what_waits_behind_a_slow_answer_is_dropped_when_the_bot_leaves() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 20
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        for text in ("think", "anybody?"):
            world.alice.say(home.chat, text)
        await quiet()
        world.server.evict(home.chat, BOT)
        await quiet(600)
        assert chat_ids(world) == []
        assert [text for _, text, _ in platform.asked] == ["think"]


async def test_what_is_said_once_the_bot_is_back_outlives_a_late_goodbye() -> None:
    world, platform = World(), ScriptedPlatform()
    platform.takes_s = 20
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        for text in ("think", "dropped"):
            world.alice.say(home.chat, text)
        await quiet()
        world.server.evict(home.chat, BOT)
        await quiet()
        world.alice.invite(home.chat, BOT)
        await quiet()
        world.alice.say(home.chat, "back again")
        await quiet(600)
        assert [text for _, text, _ in platform.asked] == ["think", "back again"]
        assert world.alice.replies(home.chat)[-1] == "You said: back again"


async def test_messages_wait_for_a_space_that_cannot_be_read() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    await world.store.commit(
        [DeleteRow(room_key(home.chat)), DeleteRow(chat_key(ALICE, ChatId("C1")))]
    )
    world.server.unreadable[home.space] = UNREADABLE
    world.alice.say(home.chat, "hello")
    async with world.live():
        await quiet(60)
        assert world.alice.replies(home.chat) == ()
        world.server.healed()
        await quiet(600)
        assert world.alice.replies(home.chat) == ("You said: hello",)


@pytest.mark.parametrize("missing", ["chat", "space"])
async def test_messages_wait_for_the_rooms_that_say_whose_replacement_it_is(missing: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        replacement = upgrade(world, home.chat)
        await quiet()
    world.server.unreadable[getattr(home, missing)] = UNREADABLE
    world.lose_store()
    async with world.live():
        world.alice.say(replacement, "hello")
        await quiet(60)
        assert world.alice.replies(replacement) == ()
        world.server.healed()
        await quiet(1800)
        assert world.alice.replies(replacement) == ("You said: hello",)


async def test_what_was_settled_while_a_room_was_busy_does_not_undo_its_upgrade() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 60
        world.alice.rename(home.chat, "Trip")
        world.alice.say(home.chat, "hello")
        await quiet()
        replacement = upgrade(world, home.chat)
        await quiet(120)
        chat = await world.store.row(chat_key(ALICE, ChatId("C1")))
        assert chat is not None
        assert chat["surface_ref"] == replacement


async def test_what_is_settled_outside_a_round_is_nothing_to_a_round() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        room = from_row(await world.store.row(room_key(home.chat)), RoomMeta)
        assert room is not None
        heard: list[Report] = []
        services = run.bot.services
        services.system.observe = heard.append
        settled = RowsSettled(DesiredRows(room), in_round=False)
        services.tell_room(home.chat, settled)
        await quiet()
        services.tell_room(home.chat, RoomChanged())
        services.tell_room(home.direct, RoomChanged())
        services.tell_owner(
            ALICE, RoomReported(RoomReport(home.space, 1, Space(ALICE, "Chats", 2)))
        )
        await quiet()
        assert heard == []
        assert settled.slot != replace(settled, in_round=True).slot


async def test_a_replacement_that_is_looked_at_alone_takes_over_from_the_room_before_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    replacement = upgrade(world, home.chat)
    Person(world.server, BOT).join(replacement)
    client = SimulatedHomeserver(world.server, BOT, token=world.token)
    await reconcile_single_room(client, world.store, ChatManager(world.store), replacement, ALICE)
    rows = await world.rows()
    assert room_key(home.chat) not in rows
    assert room_key(replacement) in rows
    again = await reconcile_single_room(
        client, world.store, ChatManager(world.store), replacement, ALICE
    )
    assert again["changes"] == 0


@pytest.mark.parametrize("lost_after_s", [0.4 * step for step in range(1, 16)])
async def test_whose_space_is_lost_while_things_are_made_is_not_stuck(lost_after_s: float) -> None:
    world = World()
    world.server.slow_s = 0.4
    async with world.live():
        direct = world.alice.direct_chat_with(BOT)
        await quiet(lost_after_s)
        for space_id in spaces(world):
            world.server.evict(space_id, BOT)
        await quiet(180)
        world.alice.say(direct, "hello?")
        await quiet(180)
        assert await world.store.open_intents(ALICE) == ()
        assert len(spaces(world)) == 1
        user = await world.store.row(user_key(ALICE))
        assert user is not None
        assert user["space_id"] in spaces(world)


async def test_a_chat_is_looked_at_again_when_its_space_is_decided_again() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        bot = Person(world.server, BOT)
        marker = world.server.room(home.space).content(MARKER_TYPE, BOT)
        bot.write_marker(home.space, {"version": 2})
        await quiet(5)
        world.alice.rename(home.chat, "Garden")
        await quiet(5)
        bot.write_marker(home.space, marker)
        await quiet(5)
        row = await world.store.row(room_key(home.chat))
        assert row is not None
        assert row["display_name"] == "Garden"


async def test_of_two_spaces_the_older_one_is_the_owners_at_once() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.evict(home.space, BOT)
        await quiet()
        world.alice.direct_chat_with(BOT)
        await quiet(5)
        world.alice.join_all()
        (younger,) = spaces(world)
        world.server.set_membership(ALICE, home.space, BOT, "invite")
        await quiet(5)
        user = await world.store.row(user_key(ALICE))
        assert user is not None
        assert (user["space_id"], younger != home.space) == (home.space, True)
        rows = await world.rows()
    async with world.boot() as run:
        await run.go_live()
        assert await world.rows() == rows


async def test_a_chat_goes_on_in_its_old_room_when_the_bot_is_taken_out_of_the_new_one() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        replacement = upgrade(world, home.chat)
        await quiet(30)
        assert (await chat_ref(world)) == replacement
        world.server.evict(replacement, BOT)
        await quiet(30)
        assert (await chat_ref(world)) == home.chat
        rows = await world.rows()
    async with world.boot() as run:
        await run.go_live()
        assert await world.rows() == rows


async def chat_ref(world: World) -> object:
    row = await world.store.row(chat_key(ALICE, ChatId("C1")))
    assert row is not None
    return row["surface_ref"]


async def test_an_owner_who_is_banned_from_some_chats_is_led_to_the_others() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await run.more_chats(world.alice, home, 3)
        rooms = [room for room in world.server.rooms_of(BOT, "join") if room.room_id != home.direct]
        for room in rooms:
            world.server.evict(room.room_id, ALICE)
        for room in rooms[1:3]:
            world.server.evict(room.room_id, ALICE, "ban")
        world.server.write_limit = RateLimit(1, 0.2)
        world.alice.say(home.direct, "hello?")
        await quiet(120)
        assert len(world.server.invites(ALICE)) == len(rooms) - 2
        assert await world.store.open_intents(ALICE) == ()


async def test_a_replacement_that_is_joined_before_the_room_that_it_replaces_takes_over() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.grant(home.chat, ALICE, 100)
    between = world.alice.upgrade(home.chat)
    replacement = world.alice.upgrade(between)
    world.alice.invite(replacement, BOT)
    world.lose_store()
    async with world.live():
        await quiet(30)
        world.alice.invite(between, BOT)
        await quiet(30)
        assert (await chat_ref(world)) == replacement


async def test_who_loses_the_space_before_a_chat_is_recorded_gets_no_number_twice() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        await world.store.commit(
            [
                DeleteRow(room_key(home.chat)),
                DeleteRow(chat_key(ALICE, ChatId("C1"))),
            ]
        )
        world.server.evict(home.space, BOT)
        await quiet()
        world.alice.direct_chat_with(BOT)
        await quiet(5)
        assert chat_ids(world) == ["C1", "C2"]
