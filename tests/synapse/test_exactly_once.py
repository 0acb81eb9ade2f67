"""Every message is answered exactly once, in order: whoever is killed, whatever is cut off or lost.

What counts is what the rooms' timelines say to somebody who reads them over HTTP. With `KILLS=200`
in the environment the bot is killed so often, with `SEED=7` at other moments.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, account_of, unique
from tests.synapse.home import hear, words_of
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import Answer, FaultProxy, Forward, Request, bad_gateway
from tests.synapse.talk import (
    KILLS,
    KILLS_IN_A_STRETCH,
    STRETCHES,
    Chatroom,
    Company,
    gather,
    launched,
    seeded,
    settle,
)

pytestmark = pytest.mark.anyio

CUTS = 30


@pytest.fixture(scope="module")
async def company(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Company]:
    """People in the rooms of a bot that is live."""
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("once") / "bot",
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        yield await gather(stack, synapse, bot)


@pytest.fixture(scope="module")
async def far_company(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Company, FaultProxy]]:
    """People in the rooms of an impatient bot behind a proxy, whose platform can be poisoned."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        bot = BotProcess(
            homeserver_url=proxy.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("far") / "bot",
            command=launched("impatient", "poisoned"),
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        yield await gather(stack, synapse, bot), proxy


# ---------------------------------------------------------------- killed, lost and cut off


@pytest.mark.parametrize("stretch", STRETCHES)
async def test_whenever_the_bot_is_killed(company: Company, stretch: int) -> None:
    random, bot = seeded(stretch), company.bot
    async with company.talking(pause_s=1.5):
        for _ in range(min(KILLS, KILLS_IN_A_STRETCH)):
            await bot.kill()
            bot.start()
            if random.random() < 0.5:
                await bot.wait_for_state("live")
                await anyio.sleep(random.uniform(0, 0.5))
            else:
                await anyio.sleep(random.uniform(0, 2))
    await settle(company)


async def test_what_was_said_while_the_bot_was_down(company: Company) -> None:
    await company.bot.kill()
    async with anyio.create_task_group() as tasks:
        for room, mouths in product(company.rooms, range(4)):
            tasks.start_soon(say_much, room, room.people[mouths % len(room.people)], 15)
    await company.bot.start_and_go_live()
    await company.fall_silent()
    await company.check()


async def say_much(room: Chatroom, person: Person, messages: int) -> None:
    for _ in range(messages):
        await room.say(person, "in the dark")


@pytest.mark.parametrize("lost", ["session", "database", "both"])
async def test_when_files_are_lost_no_message_and_no_command_comes_back(
    company: Company, admin: Person, lost: str
) -> None:
    room, bot = company.rooms[0], company.bot
    await room.owner.discard_events()
    await room.owner.say(room.room_id, f"!rename Before {lost}")
    await hear(room.owner, bot, room.room_id)
    await room.owner.say(room.room_id, "!new")
    await hear(room.owner, bot, room.room_id)
    await company.fall_silent(f"before {lost}")
    rooms = await admin.rooms_on_server()
    await room.owner.set_state(room.room_id, "m.room.name", {"name": "by hand"})
    told = await words_of(room.owner, room.room_id, bot.user_id)
    await bot.kill()
    if lost != "session":
        for file in bot.folder.glob(f"{bot.database.name}*"):
            file.unlink()
    if lost != "database":
        shutil.rmtree(bot.store)
    await bot.start_and_go_live()
    await company.fall_silent(f"after {lost}")
    await company.check()
    heard = await words_of(room.owner, room.room_id, bot.user_id)
    assert len(heard) == len(told) + 1
    assert await admin.rooms_on_server() == rooms
    assert await room.owner.name_of(room.room_id) == "by hand"


async def test_when_connections_break_off_after_the_request_has_arrived(
    far_company: tuple[Company, FaultProxy],
) -> None:
    company, proxy = far_company
    random, cuts, enough = seeded(), 0, anyio.Event()

    async def cut_now_and_then(request: Request, forward: Forward) -> Answer | None:
        nonlocal cuts
        answer = await forward()
        if random.random() > (0.1 if request.name == "GET sync" else 0.4):
            return answer
        cuts += 1
        if cuts == CUTS:
            enough.set()
        return None

    proxy.when("*", cut_now_and_then)
    with anyio.fail_after(60):
        async with company.talking(pause_s=1.0):
            await enough.wait()
    proxy.heal()
    await settle(company)


# ---------------------------------------------------------------- poisoned, left


async def test_a_poisoned_message_is_set_aside_and_can_be_tried_again(
    far_company: tuple[Company, FaultProxy],
) -> None:
    company, _ = far_company
    room, bot = company.rooms[0], company.bot
    await room.owner.discard_events()
    poison = await room.owner.say(room.room_id, "poison")
    await room.owner.say(room.room_id, "and this?")
    await company.rooms[1].wait_for_the_end("meanwhile")
    dead = await bot.wait_for_event("message_dead")
    assert dead["event_id"] == poison
    told = await hear(room.owner, bot, room.room_id)
    assert await hear(room.owner, bot, room.room_id) == "and this?"
    assert await dead_ones(bot) == [(poison, 4)]

    (bot.folder / "antidote").touch()
    again = await surfaces_bot(bot, "inbox", "--retry", poison)
    assert again.code == 0
    assert await hear(room.owner, bot, room.room_id) == "poison"
    assert await dead_ones(bot) == []
    (bot.folder / "antidote").unlink()
    heard = await words_of(room.owner, room.room_id, bot.user_id)
    assert heard[-3:] == [told, "and this?", "poison"]


async def dead_ones(bot: BotProcess) -> list[tuple[str, int]]:
    """The messages that were given up, each with the attempts before the last."""
    listed = await surfaces_bot(bot, "inbox", "--dead", "--json")
    return [(row["event_id"], row["attempts"]) for row in listed.rows]


async def let_a_reply_wait(room: Chatroom, proxy: FaultProxy) -> None:
    """Until the proxy is healed, the homeserver takes no reply; one has been tried."""
    blocked = proxy.when("PUT rooms/*/send/*", bad_gateway)
    await room.owner.say(room.room_id, "never sent")
    with anyio.fail_after(20):
        await blocked.hit.wait()


async def leave(room: Chatroom, account: Person) -> None:
    """Take the bot out of a room by another client, and wait until it knows."""
    await account.leave(room.room_id)
    await room.bot.wait_for_event(
        "room_transition",
        lambda event: (event["machine"], event["dst"]) == (f"room:{room.room_id}", "left"),
    )


async def invite_back(room: Chatroom, account: Person) -> None:
    """Invite the bot again, and wait until it is there."""
    await room.owner.invite(room.room_id, account.user_id)
    await room.owner.discard_events()
    with anyio.fail_after(30):
        while room.room_id not in await account.joined_rooms():
            await anyio.sleep(0.1)


async def next_words(room: Chatroom) -> str:
    """What the bot says first to whoever welcomes it."""
    await room.owner.say(room.room_id, "welcome back")
    return await hear(room.owner, room.bot, room.room_id)


async def test_what_waits_when_the_bot_leaves_is_dropped(
    synapse: ThrowawaySynapse, far_company: tuple[Company, FaultProxy]
) -> None:
    company, proxy = far_company
    room, bot = company.rooms[2], company.bot
    await room.wait_for_the_end("before")
    await let_a_reply_wait(room, proxy)
    for number in range(6):
        await room.owner.say(room.room_id, f"poison {number}")
    async with account_of(synapse, bot) as account:
        await leave(room, account)
        listed = await surfaces_bot(bot, "inbox", "--json")
        assert "waiting" not in {row["state"] for row in listed.rows}
        (bot.folder / "antidote").touch()
        proxy.heal()
        await invite_back(room, account)
    assert await next_words(room) == "welcome back"


async def test_what_waits_is_dropped_when_the_bot_is_out_and_back_before_it_looks(
    synapse: ThrowawaySynapse, far_company: tuple[Company, FaultProxy]
) -> None:
    company, proxy = far_company
    room, bot = company.rooms[2], company.bot
    await room.wait_for_the_end("before the kill")
    await let_a_reply_wait(room, proxy)
    await bot.kill()
    proxy.heal()
    async with account_of(synapse, bot) as account:
        await account.leave(room.room_id)
        await room.owner.invite(room.room_id, bot.user_id)
        await account.join(room.room_id)
    await room.owner.discard_events()
    await room.owner.say(room.room_id, "welcome back")
    await bot.start_and_go_live()
    assert await hear(room.owner, bot, room.room_id) == "welcome back"


@pytest.mark.parametrize("lost", [False, True])
async def test_what_is_said_while_the_bot_is_out_is_not_said_to_it(
    synapse: ThrowawaySynapse, far_company: tuple[Company, FaultProxy], *, lost: bool
) -> None:
    """It is more than a timeline shows, so that nothing in there tells that the bot was out."""
    company, _ = far_company
    room, bot = company.rooms[2], company.bot
    await room.wait_for_the_end(f"in, {lost}")
    told = await words_of(room.owner, room.room_id, bot.user_id)
    async with account_of(synapse, bot) as account:
        await leave(room, account)
        await room.owner.say(room.room_id, "!rename By command")
        for number in range(50):
            await room.owner.say(room.room_id, f"away {number}")
        await room.owner.set_state(room.room_id, "m.room.name", {"name": "By hand"})
        if lost:
            await bot.kill()
            bot.wipe()
            await bot.start_and_go_live()
        await invite_back(room, account)
    assert await next_words(room) == "welcome back"
    assert await words_of(room.owner, room.room_id, bot.user_id) == [*told, "welcome back"]
    assert await room.owner.name_of(room.room_id) == "By hand"
