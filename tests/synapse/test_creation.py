"""Rooms are created once: whatever the homeserver answers, however often people ask."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, MakePerson, account_of, newcomer, unique
from tests.synapse.home import MARKER, Home, accept, hear, knock, move_in, words_of
from tests.synapse.proxy import (
    Answer,
    Fault,
    FaultProxy,
    Forward,
    Request,
    bad_gateway,
    delayed,
    drop_after,
    drop_before,
    rate_limited,
    refused,
)
from tests.synapse.rebuilding import Rooms, rooms_of_owners
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

CREATE = "POST createRoom"
ONBOARDING = ("POST rooms/*/join", "POST rooms/*/invite", "PUT rooms/*/send/*")
NEW_CHAT = (f"PUT rooms/*/state/{MARKER}/*", "PUT rooms/*/state/m.space.child/*")
QUEUED = "The homeserver limits how many rooms I can create"


@pytest.fixture
async def proxied(make_bot: MakeBot, proxy: FaultProxy) -> BotProcess:
    """A bot behind the proxy, not started yet."""
    return await make_bot(homeserver_url=proxy.url, command=launched("hasty"))


async def rooms_of(homeserver: ThrowawaySynapse, bot: BotProcess, owner: Person) -> Rooms:
    """What an owner has with the bot, by the markers in the rooms."""
    async with account_of(homeserver, bot) as account:
        return (await rooms_of_owners(account)).get(owner.user_id, Rooms())


def one_of_each(*chat_ids: str) -> dict[str, int]:
    return dict.fromkeys(chat_ids, 1)


def counted(rooms: Rooms) -> dict[str, int]:
    return {chat_id: len(of_id) for chat_id, of_id in rooms.chats.items()}


# ---------------------------------------------------------------- asked more than once


async def test_two_invites_while_the_first_room_is_being_made_make_one_space(
    synapse: ThrowawaySynapse, proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    await proxied.start_and_go_live()
    slow = proxy.when(CREATE, delayed(1.0))
    doors = [await knock(alice, proxied)]
    await slow.hit.wait()
    doors += [await knock(alice, proxied) for _ in range(2)]
    await accept(alice, proxied, is_space=True)
    await accept(alice, proxied, is_space=False)
    for door in doors:
        await hear(alice, proxied, door)
    rooms = await rooms_of(synapse, proxied, alice)
    assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1"))
    assert slow.hits == 2


async def test_new_from_two_rooms_at_once_makes_a_chat_each(
    synapse: ThrowawaySynapse, home: Home
) -> None:
    alice, second = home.owner, await home.new_chat()
    await hear(alice, home.bot, home.chat)
    async with anyio.create_task_group() as at_once:
        for room in (home.chat, second, home.chat):
            at_once.start_soon(alice.say, room, "!new")
    told = {await hear(alice, home.bot, room) for room in (home.chat, second, home.chat)}
    assert {text.partition(" is ready")[0] for text in told} == {
        f"Chat {number}" for number in (3, 4, 5)
    }
    rooms = await rooms_of(synapse, home.bot, alice)
    assert counted(rooms) == one_of_each("C1", "C2", "C3", "C4", "C5")
    assert len(rooms.spaces) == 1


async def test_a_second_invite_after_the_loss_of_the_database_makes_nothing(
    synapse: ThrowawaySynapse, bot: BotProcess, alice: Person
) -> None:
    await bot.start_and_go_live()
    await move_in(alice, bot)
    await bot.kill()
    bot.wipe()
    await bot.start_and_go_live()
    assert (await hear(alice, bot, await knock(alice, bot))).startswith("Welcome back!")
    rooms = await rooms_of(synapse, bot, alice)
    assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1"))


@pytest.mark.parametrize("files_lost", [False, True])
async def test_an_invite_that_came_while_the_bot_was_down_is_honoured_once(
    synapse: ThrowawaySynapse, bot: BotProcess, alice: Person, bob: Person, *, files_lost: bool
) -> None:
    await bot.start_and_go_live()
    await move_in(alice, bot)
    await bot.kill()
    doors = {alice: await knock(alice, bot), bob: await knock(bob, bot)}
    if files_lost:
        bot.wipe()
    await bot.start_and_go_live()
    greetings = {person: await hear(person, bot, door) for person, door in doors.items()}
    assert greetings[alice].startswith("Welcome back!")
    assert greetings[bob].startswith("Hello!")
    assert await bot.terminate() == 0
    await bot.start_and_go_live()
    for person, door in doors.items():
        assert await words_of(person, door, bot.user_id) == [greetings[person]]
        rooms = await rooms_of(synapse, bot, person)
        assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1"))


# ---------------------------------------------------------------- answered badly


async def test_a_room_whose_creation_was_never_answered_is_adopted(
    synapse: ThrowawaySynapse,
    proxied: BotProcess,
    proxy: FaultProxy,
    make_person: MakePerson,
) -> None:
    await proxied.start_and_go_live()
    owners = [await make_person("owner") for _ in range(3)]
    lost = proxy.when(CREATE, drop_after, times=len(owners))
    doors = [await knock(owner, proxied) for owner in owners]
    for owner, door in zip(owners, doors, strict=True):
        while not (await hear(owner, proxied, door, timeout_s=40)).startswith("Hello!"):
            pass  # until then, the owner is told its place in the queue
        rooms = await rooms_of(synapse, proxied, owner)
        assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1"))
    assert lost.hits == len(owners)
    creations = [write for write in proxy.writes if write.name == CREATE]
    assert len(creations) == 2 * len(owners)


async def test_every_write_but_a_creation_may_fail_and_all_is_done_once(
    synapse: ThrowawaySynapse, make_bot: MakeBot, make_person: MakePerson
) -> None:
    async def live_with(fault: Fault) -> None:
        async with FaultProxy(synapse.url) as proxy:
            bot, owner = (
                await make_bot(homeserver_url=proxy.url, command=launched("impatient", "hasty")),
                await make_person("owner"),
            )
            await bot.start_and_go_live()
            rules = [proxy.when(name, fault, times=1) for name in ONBOARDING]
            home = await move_in(owner, bot, timeout_s=60)
            rules += [proxy.when(name, fault, times=1) for name in NEW_CHAT]
            await home.new_chat(timeout_s=60)
            while not (await hear(owner, bot, home.chat, timeout_s=60)).startswith("Chat 2"):
                pass
            assert [rule.hits for rule in rules] == [1] * len(rules)
            await must_be_at_home(home)

    async def must_be_at_home(home: Home) -> None:
        for room, beginning in ((home.door, "Hello!"), (home.chat, "Chat 2 is ready")):
            *waits, last = await words_of(home.owner, room, home.bot.user_id)
            assert last.startswith(beginning)
            assert all(text.startswith(QUEUED) for text in waits)
        rooms = await rooms_of(synapse, home.bot, home.owner)
        assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1", "C2"))

    async with anyio.create_task_group() as side_by_side:
        for fault in (drop_before, drop_after, bad_gateway, rate_limited(300)):
            side_by_side.start_soon(live_with, fault)


async def test_what_is_done_is_not_done_again_after_a_rate_limit(
    proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    """Every write takes from the same budget: repeating one may leave nothing for the next."""
    await proxied.start_and_go_live()
    proxy.when("POST rooms/*/invite", rate_limited(300), skip=1, times=3)
    home = await move_in(alice, proxied)
    links = [write for write in proxy.writes if "m.space.child" in write.name]
    assert len(links) <= 2, "by the creation, and perhaps by an upkeep that saw the room before"
    chats = [await home.new_chat() for _ in range(2)]
    for room in (home.space, home.chat, *chats):
        await alice.leave(room)
    proxy.when("POST rooms/*/invite", rate_limited(300), skip=3, times=3)
    assert (await hear(alice, proxied, await knock(alice, proxied))).startswith("Welcome back!")
    invites = [write for write in proxy.writes if write.name == "POST rooms/*/invite"]
    assert len(invites) == 4 + 4


async def test_a_refused_creation_is_told_and_holds_up_nothing(
    proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    await proxied.start_and_go_live()
    home = await move_in(alice, proxied)
    proxy.when(CREATE, refused(), times=1)
    assert "refused by a test" in await alice.ask(home.chat, "!new")
    chat = await home.new_chat()
    assert (await hear(alice, proxied, home.chat)).startswith("Chat 3 is ready")
    assert proxied.kv()[f"chat:{alice.user_id}:C3"]["surface_ref"] == chat


async def test_what_upkeep_could_not_write_at_first_holds_up_no_new_chat(
    synapse: ThrowawaySynapse, proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    _, chat = await legacy_home(synapse, proxied, alice)
    proxy.when(f"PUT rooms/*/state/{MARKER}/*", bad_gateway, times=1)
    await proxied.start_and_go_live()
    assert (await alice.ask(chat, "!new", timeout_s=40)).startswith("Chat 5 is ready")


# ---------------------------------------------------------------- what is not known


async def test_nothing_is_created_for_an_owner_whose_space_may_be_the_unreadable_room(
    synapse: ThrowawaySynapse, proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    space, _ = await legacy_home(synapse, proxied, alice)
    proxy.when("POST *_msc3575/sync", refused(404, "M_UNRECOGNIZED"))
    proxy.when("GET rooms/*/state", bad_gateway, matches=lambda request: request.room_id == space)
    await proxied.start_and_go_live()
    door = await knock(alice, proxied)
    assert "can't read all of my rooms" in await hear(alice, proxied, door)
    assert [write for write in proxy.writes if write.name == CREATE] == []
    assert await proxied.terminate() == 0
    proxy.heal()
    await proxied.start_and_go_live()
    assert space in await hear(alice, proxied, door)
    rooms = await rooms_of(synapse, proxied, alice)
    assert (rooms.spaces, counted(rooms)) == ([space], one_of_each("C4"))


async def test_an_owner_whose_chat_cannot_be_read_after_a_loss_of_all_files_gets_no_other_one(
    synapse: ThrowawaySynapse, proxied: BotProcess, proxy: FaultProxy, alice: Person, bob: Person
) -> None:
    await proxied.start_and_go_live()
    home = await move_in(alice, proxied)
    second = await home.new_chat()
    await proxied.kill()
    proxied.wipe()
    proxy.when("*sync", without_room(second))
    proxy.when("GET rooms/*/state", refused(500, "M_UNKNOWN"), matches=is_about(second))
    await proxied.start_and_go_live()
    before = len(proxy.writes)
    assert "can't read all of my rooms" in await alice.ask(home.chat, "!new Garden")
    await alice.leave(home.chat)
    door = await knock(alice, proxied)
    await move_in(bob, proxied)
    created = [write.body for write in proxy.writes[before:] if write.name == CREATE]
    assert len(created) == 2, "Bob's"
    proxy.heal()
    assert (await hear(alice, proxied, door, timeout_s=40)).startswith("Welcome back!")
    await accept(alice, proxied, is_space=False)
    await accept(alice, proxied, is_space=False, timeout_s=40)
    rooms = await rooms_of(synapse, proxied, alice)
    assert (rooms.spaces, counted(rooms)) == ([home.space], one_of_each("C1", "C2", "C3"))


def is_about(room_id: str) -> Callable[[Request], bool]:
    return lambda request: request.room_id == room_id


def without_room(room_id: str) -> Fault:
    """Let an answer of `/sync`, sliding or not, leave a room out."""

    async def fault(_request: Request, forward: Forward) -> Answer:
        answer = await forward()
        body = json.loads(answer.body)
        rooms = body.get("rooms", {})
        for found in (rooms, rooms.get("join", {})):
            found.pop(room_id, None)
        return replace(answer, body=json.dumps(body).encode())

    return fault


async def test_an_announced_number_stays_taken_though_its_chat_is_given_up(
    proxied: BotProcess, proxy: FaultProxy, alice: Person
) -> None:
    await proxied.start_and_go_live()
    home = await move_in(alice, proxied)
    limited = proxy.when(CREATE, rate_limited(3_000), times=1)
    await alice.say(home.chat, "!new Garden")
    await limited.hit.wait()
    proxy.when("GET rooms/*/state", refused(), matches=is_about(home.space))
    told = await hear(alice, proxied, home.chat)  # given up, or put off: both keep the number
    assert "did not let me" in told or "can't read all of my rooms" in told
    proxy.heal()
    assert (await home.marker(home.space))["next_chat_index"] == 3
    assert proxied.kv()[f"matrix_user:{alice.user_id}"]["next_chat_index"] == 3
    await home.new_chat()
    while not (await hear(alice, proxied, home.chat)).startswith("Chat 3 is ready"):
        pass


async def test_no_number_is_given_out_twice_though_the_space_and_all_files_are_gone(
    synapse: ThrowawaySynapse, bot: BotProcess, alice: Person
) -> None:
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    await home.new_chat()
    await bot.terminate()
    bot.wipe()
    async with account_of(synapse, bot) as account:
        await account.leave(home.space)
    await bot.start_and_go_live()
    door = await knock(alice, bot)
    assert "Chat 3" in await hear(alice, bot, door)
    rooms = await rooms_of(synapse, bot, alice)
    assert counted(rooms) == one_of_each("C1", "C2", "C3")


async def legacy_home(
    homeserver: ThrowawaySynapse, bot: BotProcess, owner: Person
) -> tuple[str, str]:
    """A Space and its chat C4 as an earlier program made them; the owner is in both."""
    async with account_of(homeserver, bot) as account:
        invite = [owner.user_id]
        space = await account.create_room(
            name="Chats", creation_content={"type": "m.space"}, invite=invite
        )
        chat = await account.create_room(name="Chat 4", invite=invite)
        await account.set_state(space, "m.space.child", {"via": ["localhost"]}, chat)
    for room in (space, chat):
        await owner.join(room)
    await owner.new_invites()
    return space, chat


# ---------------------------------------------------------------- rate limits


@pytest.fixture
async def strict_synapse() -> AsyncIterator[ThrowawaySynapse]:
    """Stock limits, but the wait for a room is 4 s instead of a minute, after 2 instead of 10."""
    settings = {
        "rc_room_creation": {"per_second": 0.25, "burst_count": 2},
        "rc_message": {"per_second": 1, "burst_count": 10},
    }
    async with ThrowawaySynapse(stock_limits=True, settings=settings) as homeserver:
        yield homeserver


async def test_under_rate_limits_everybody_is_told_and_gets_one_space_and_one_chat(
    strict_synapse: ThrowawaySynapse, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        user_id = await strict_synapse.register(unique("bot"), PASSWORD)
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=strict_synapse.url,
                user_id=user_id,
                password=PASSWORD,
                folder=tmp_path / "bot",
                command=launched("hasty"),
            )
        )
        owners = [await newcomer(stack, strict_synapse, "owner") for _ in range(3)]
        await bot.start_and_go_live()
        doors = {owner: await knock(owner, bot) for owner in owners}
        queued = await bot.wait_for_event("creation_queued")
        (first,) = (owner for owner in owners if owner.user_id == queued["owner"])
        assert (await hear(first, bot, doors[first])).startswith(QUEUED)
        await bot.kill()
        queued_before = queued_in(bot)
        await bot.start_and_go_live()
        for owner, door in doors.items():
            await accept(owner, bot, is_space=True, timeout_s=60)
            await accept(owner, bot, is_space=False, timeout_s=60)
            while not (await hear(owner, bot, door)).startswith("Hello!"):
                pass
            *waits, _ = await words_of(owner, door, user_id)
            assert all(text.startswith(QUEUED) for text in waits)
            assert len(waits) <= 2, "one for the Space, one for the chat"
            assert not waits or owner.user_id in queued_before | queued_in(bot)
            assert waits or owner.user_id not in queued_in(bot), "a kill may forestall the words"
            rooms = await rooms_of(strict_synapse, bot, owner)
            assert (len(rooms.spaces), counted(rooms)) == (1, one_of_each("C1"))


def queued_in(bot: BotProcess) -> set[str]:
    """The owners who had to wait and had not been told, by the log of the bot's latest run."""
    return {event["owner"] for event in bot.events() if event["event"] == "creation_queued"}
