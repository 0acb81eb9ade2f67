"""What a real homeserver imposes: encryption of all new rooms, and people who block invites."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from demo.bot import BotProcess
from demo.client import Refused
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, newcomer
from tests.synapse.home import accept, hear, knock, words_of
from tests.synapse.program import surfaces_bot
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

SETTING = "encryption_enabled_by_default_for_room_type"
BLOCKS = "org.matrix.msc4155.invite_permission_config"


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


async def bot_on(stack: AsyncExitStack, homeserver: ThrowawaySynapse, folder: Path) -> BotProcess:
    """An impatient bot on a homeserver, not started yet."""
    made = BotProcess(
        homeserver_url=homeserver.url,
        user_id=await homeserver.register("bot", PASSWORD),
        password=PASSWORD,
        folder=folder / "bot",
        command=launched("impatient"),
    )
    return await stack.enter_async_context(made)


@pytest.mark.parametrize("kind", ["invite", "all"])
async def test_a_homeserver_that_encrypts_new_rooms_is_waited_for(
    stack: AsyncExitStack, tmp_path: Path, kind: str
) -> None:
    homeserver = await stack.enter_async_context(ThrowawaySynapse(settings={SETTING: kind}))
    bot = await bot_on(stack, homeserver, tmp_path)
    checked = await surfaces_bot(bot, "check")
    assert checked.code == 1
    assert "WRONG the homeserver encrypts every new private room" in checked.out
    alice = await newcomer(stack, homeserver, "alice")
    admin = await newcomer(stack, homeserver, "admin", admin=True)
    await bot.start_and_go_live()
    door = await knock(alice, bot)
    told = await hear(alice, bot, door)
    assert "this homeserver encrypts every new room" in told
    assert await bot.wait_for_event("new_rooms_encrypted")
    assert await admin.rooms_on_server() == 1

    await homeserver.restart(**{SETTING: "off"})
    space = await accept(alice, bot, is_space=True, timeout_s=60)
    chat = await accept(alice, bot, is_space=False, timeout_s=60)
    welcome = await hear(alice, bot, door)
    assert await alice.ask(chat, "hello") == "hello"
    assert welcome.startswith("Hello! Your Space is ready")
    assert await words_of(alice, door, bot.user_id) == [told, welcome]
    for room_id in (space, chat):
        assert await alice.state_of(room_id, "m.room.encryption") is None


async def test_a_person_who_blocks_invites_gets_in_by_the_links(
    stack: AsyncExitStack, tmp_path: Path
) -> None:
    settings = {"experimental_features": {"msc4155_enabled": True}}
    homeserver = await stack.enter_async_context(ThrowawaySynapse(settings=settings))
    bot = await bot_on(stack, homeserver, tmp_path)
    alice = await newcomer(stack, homeserver, "alice")
    bob = await newcomer(stack, homeserver, "bob")
    blocks = f"/user/{quote(alice.user_id)}/account_data/{BLOCKS}"
    await alice.request("PUT", blocks, {"blocked_users": [bot.user_id]})
    await bot.start_and_go_live()
    door = await knock(alice, bot)
    told = await hear(alice, bot, door)
    assert "invited you" not in told
    assert told.count("I could not invite you. You can join without an invite") == 2
    space, chat = re.findall(r"matrix\.to/#/(![^?]+)", told)
    for room_id in (space, chat):
        with pytest.raises(Refused):
            await bob.join(room_id)
        await alice.join(room_id)
    assert await alice.ask(chat, "hello") == "hello"
    with pytest.raises(Refused):
        await bob.join(chat)

    assert "I could not invite you" in await alice.ask(chat, "!new Garden")
    way = await alice.ask(door, "!help")
    assert space in way
    assert "Garden (C2)" in way
