"""A bot whose answers come from a receiver of webhooks."""

import pytest
from aiohttp import web

from tests.synapse.conftest import MakeBot, MakePerson
from tests.synapse.home import move_in
from tests.synapse.program import surfaces_bot
from tests.webhook_receiver import SECRET, Receiver

pytestmark = pytest.mark.anyio


async def test_a_receiver_gets_the_conversation_and_answers(
    make_bot: MakeBot, make_person: MakePerson
) -> None:
    async with Receiver("ndjson") as receiver:
        settings = {"BOT_PLATFORM": "webhook", "WEBHOOK_URL": receiver.url}
        bot = await make_bot(**settings, WEBHOOK_SECRET=SECRET)
        checked = await surfaces_bot(bot, "check")
        assert checked.code == 0, checked.out
        bot.start()
        home = await move_in(await make_person("alice"), bot)
        assert await home.ask("hello") == "You said: hello"
        assert await home.ask("and now?") == "You said: and now?"
        conversation = receiver.asked[-1]["turns"]
        busy = web.json_response({}, status=503, headers={"Retry-After": "1"})
        receiver.once["busy"] = busy
        assert await home.ask("busy") == "You said: busy"
        assert [body["question"] for body in receiver.asked[-2:]] == ["busy", "busy"]
        receiver.answers["odd"] = web.json_response({"say": "Not that, please."}, status=422)
        assert "Not that, please." in await home.ask("odd")
        turns = [(turn["role"], turn["text"]) for turn in conversation]
        assert turns == [
            ("user", "hello"),
            ("assistant", "You said: hello"),
            ("user", "and now?"),
        ]


async def test_a_wrong_secret_is_told_before_the_bot_runs(make_bot: MakeBot) -> None:
    async with Receiver() as receiver:
        settings = {"BOT_PLATFORM": "webhook", "WEBHOOK_URL": receiver.url}
        bot = await make_bot(**settings, WEBHOOK_SECRET="o" * 32)
        checked = await surfaces_bot(bot, "check")
        assert checked.code == 78
        (wrong,) = [line for line in checked.out.splitlines() if line.startswith("WRONG")]
        assert "set WEBHOOK_SECRET" in wrong
        told = await surfaces_bot(bot, "run", environment={"WEBHOOK_URL": "chat.example.org"})
        assert (told.code, told.err) == (
            78,
            "surfaces-bot: WEBHOOK_URL: is not a URL: write it like https://chat.example.org/ask\n",
        )
        told = await surfaces_bot(bot, "reconcile", environment={"WEBHOOK_URL": "chat.example.org"})
        assert told.code == 0
