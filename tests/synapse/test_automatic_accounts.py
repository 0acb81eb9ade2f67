"""Programs among the accounts: the homeserver's own, and those that answer whatever they read."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from actors.bounds import Bounds
from demo.bot import BotProcess
from demo.person import NothingHappened, Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, MakePerson, newcomer
from tests.synapse.home import Home, history, move_in, words_of

pytestmark = pytest.mark.anyio

LIMITS = Bounds().exchange
QUIET_S = 5.0


@pytest.mark.parametrize("auto_join", [False, True], ids=["invited", "joined by the server"])
@pytest.mark.parametrize("allowed", ["", "@alice-*:localhost"], ids=["allowed", "not allowed"])
async def test_the_homeservers_own_account_gets_no_space(
    tmp_path: Path, *, auto_join: bool, allowed: str
) -> None:
    notices = {
        "system_mxid_localpart": "server",
        "room_name": "Server notices",
        "auto_join": auto_join,
    }
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            ThrowawaySynapse(settings={"server_notices": notices})
        )
        admin = await newcomer(stack, server, "admin", admin=True)
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=server.url,
                user_id=await server.register("bot", PASSWORD),
                password=PASSWORD,
                folder=tmp_path / "bot",
                environment={"MATRIX_ALLOWED_USERS": allowed},
            )
        )
        await bot.start_and_go_live()
        home = await move_in(await newcomer(stack, server, "alice"), bot)
        before = await admin.rooms_on_server()
        await notify(admin, bot, "The disk is full")
        if not auto_join:
            await bot.wait_for_event("server_notices_joined")
        await notify(admin, bot, "The disk is still full")
        await bot.wait_for_event("server_notices")
        assert await home.ask("hello") == "hello"
        assert await admin.rooms_on_server() == before + 1
        assert {key for key in bot.kv() if "@server:" in key} == set()
        await bot.kill()
        bot.wipe()
        await bot.start_and_go_live()
        await notify(admin, bot, "The disk is empty")
        await bot.wait_for_event("server_notices")
        assert await home.ask("hello again") == "hello again"
        assert await admin.rooms_on_server() == before + 1
        assert "disk" not in bot.log.read_text()
        assert [step.dst for step in bot.transitions()].count("degraded") == 0


async def notify(admin: Person, bot: BotProcess, text: str) -> None:
    """Let the homeserver's own account write to the bot."""
    body = {"user_id": bot.user_id, "content": {"msgtype": "m.text", "body": text}}
    await admin._call("POST", "/_synapse/admin/v1/send_server_notice", body)


@asynccontextmanager
async def answering_everything(program: Person, room_id: str, bot: str) -> AsyncIterator[None]:
    """Within, an account answers each text of the bot at once, with a mention and as a reply."""

    async def answer() -> None:
        while True:
            heard = await program.wait_for(
                lambda event: (
                    event.room_id == room_id
                    and event.sender == bot
                    and event.content.get("msgtype") == "m.text"
                ),
                timeout_s=600,
            )
            content = {
                "msgtype": "m.text",
                "body": f"{bot}: as you say",
                "m.mentions": {"user_ids": [bot]},
                "m.relates_to": {"m.in_reply_to": {"event_id": heard.event_id}},
            }
            await program.send(room_id, "m.room.message", content)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        yield
        tasks.cancel_scope.cancel()


async def test_a_conversation_with_another_program_ends(home: Home, bob: Person) -> None:
    await home.owner.invite(home.chat, bob.user_id)
    await bob.join(home.chat)
    await bob.discard_events()
    async with answering_everything(bob, home.chat, home.bot.user_id):
        await bob.say(home.chat, f"{home.bot.user_id} hello")
        paused = await home.bot.wait_for_event("exchange_paused", timeout_s=60)
        assert paused["sender"] == bob.user_id
        await anyio.sleep(QUIET_S)
        assert await home.owner.ask(home.chat, "and I?") == "and I?"
    said = await words_of(bob, home.chat, bob.user_id)
    assert len(said) <= LIMITS.quick_turns + 2
    told = [text for text in await words_of(bob, home.chat, home.bot.user_id) if "programs" in text]
    assert len(told) == 1


async def test_an_owner_that_is_a_program_is_bounded_too(
    make_bot: MakeBot, make_person: MakePerson
) -> None:
    bot = await make_bot()
    await bot.start_and_go_live()
    home = await move_in(await make_person("program"), bot)
    async with answering_everything(home.owner, home.chat, bot.user_id):
        await home.owner.say(home.chat, "hello")
        await bot.wait_for_event("exchange_paused", timeout_s=120)
        await anyio.sleep(QUIET_S)
    answers = [
        event for event in await history(home.owner, home.chat) if event.sender == bot.user_id
    ]
    texts = [event for event in answers if event.content.get("msgtype") == "m.text"]
    assert len(texts) == LIMITS.steady_turns


@pytest.mark.quick
async def test_people_among_themselves_are_let_be_in_a_chat(home: Home, bob: Person) -> None:
    await home.owner.invite(home.chat, bob.user_id)
    await bob.join(home.chat)
    await bob.say(home.chat, "what do you think, Alice?")
    answer = await bob.ask(home.chat, f"{home.bot.user_id} what do you think?")
    assert answer == "what do you think?"
    with pytest.raises(NothingHappened):
        await bob.wait_for(
            lambda event: (
                event.body == "what do you think, Alice?" and event.sender == home.bot.user_id
            ),
            timeout_s=0.1,
        )
