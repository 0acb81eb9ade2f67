"""What is wrong from the start or comes in wrong: it is said, and nothing else suffers."""

import json
from typing import Any

import pytest

from demo.bot import BotProcess
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, MakePerson
from tests.synapse.home import Home, hear, move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import Answer, FaultProxy, Forward, Request

pytestmark = pytest.mark.anyio

NOTHING_SET = dict.fromkeys(("MATRIX_USER_ID", "MATRIX_HOMESERVER", "MATRIX_PASSWORD"))
NOT_TEXT = "I can't read messages of this kind. Please write to me instead."


class TestSettings:
    async def test_none_at_all_is_a_line_for_each_that_must_be_there(self, bot: BotProcess) -> None:
        ended = await surfaces_bot(bot, "run", environment=NOTHING_SET)
        assert ended.code == 78
        assert [line.split()[1] for line in ended.err.splitlines()] == [
            f"{name}:" for name in NOTHING_SET
        ]
        assert list(bot.folder.iterdir()) == []

    async def test_every_malformed_one_gets_a_line_and_no_secret_is_shown(
        self, bot: BotProcess
    ) -> None:
        wrong = {
            "MATRIX_HOMESERVER": "not a url",
            "MATRIX_USER_ID": "bot",
            "MATRIX_ALLOWED_USERS": "alice",
            "BOT_LOCALE": "fr",
            "STATUS_BIND": "here",
            "LOG_LEVEL": "LOUD",
        }
        ended = await surfaces_bot(bot, "run", environment=wrong)
        assert ended.code == 78
        assert {line.split()[1] for line in ended.err.splitlines()} == {f"{it}:" for it in wrong}
        assert len(ended.err.splitlines()) == len(wrong)
        assert PASSWORD not in ended.err
        assert list(bot.folder.iterdir()) == []

    @pytest.mark.quick
    async def test_a_wrong_password_ends_with_78_and_says_so(self, make_bot: MakeBot) -> None:
        bot = await make_bot(MATRIX_PASSWORD="not the password")
        bot.start()
        assert await bot.wait_for_exit() == 78
        assert [step.trigger for step in bot.transitions()] == ["elected", "credentials_refused"]
        said = [event for event in bot.events() if event["event"] == "credentials_refused"]
        assert len(said) == 1
        assert bot.user_id in said[0]["reason"]
        assert "MATRIX_PASSWORD" in said[0]["reason"]
        assert "not the password" not in bot.log.read_text()
        assert not (bot.store / "session.json").exists()

    async def test_a_dead_access_token_without_a_password_ends_with_78_and_says_so(
        self, make_bot: MakeBot
    ) -> None:
        bot = await make_bot(MATRIX_PASSWORD="", MATRIX_ACCESS_TOKEN="syt_no_such_token")
        bot.start()
        assert await bot.wait_for_exit() == 78
        said = [event for event in bot.events() if event["event"] == "credentials_refused"]
        assert "MATRIX_ACCESS_TOKEN" in said[0]["reason"]
        assert "syt_no_such_token" not in bot.log.read_text()


async def test_a_homeserver_that_is_away_is_waited_for(
    own_synapse: ThrowawaySynapse, make_bot: MakeBot
) -> None:
    bot = await make_bot(homeserver_url=own_synapse.url)
    await own_synapse.register(bot.user_id[1:].partition(":")[0], PASSWORD)
    await own_synapse.stop()
    bot.start()
    lost = await bot.wait_for_state("degraded")
    assert (lost["src"], lost["trigger"]) == ("login", "homeserver_lost")
    assert lost["reason"] == "connection refused"
    await own_synapse.start()
    await bot.wait_for_state("live")
    steps = [(step.src, step.dst) for step in bot.transitions()]
    assert steps == [
        ("standby", "login"),
        ("login", "degraded"),
        ("degraded", "login"),
        ("login", "hydrate"),
        ("hydrate", "reconcile"),
        ("reconcile", "live"),
    ]
    assert await bot.terminate() == 0


async def test_a_second_instance_ends_with_75_and_disturbs_nothing(home: Home) -> None:
    files = {file.name for file in home.bot.folder.rglob("*")}
    ended = await surfaces_bot(home.bot, "run")
    assert ended.code == 75
    assert len(ended.err.splitlines()) == 1
    assert str(home.bot.pid) in ended.err
    assert {file.name for file in home.bot.folder.rglob("*")} == files
    assert await home.ask("still here?") == "still here?"


async def test_malformed_events_do_not_disturb_those_beside_them(
    synapse: ThrowawaySynapse, make_bot: MakeBot, make_person: MakePerson
) -> None:
    async with FaultProxy(synapse.url) as proxy:
        # The sender of the malformed events gets no Space, whichever room they come with.
        bot = await make_bot(homeserver_url=proxy.url, MATRIX_ALLOWED_USERS="@alice-*:localhost")
        await bot.start_and_go_live()
        home = await move_in(await make_person("alice"), bot)
        before = bot.kv()
        proxy.when("GET sync", with_malformed_events)
        for text in ("one", "two"):
            await home.owner.say(home.chat, text)
            while await hear(home.owner, bot, home.chat) != text:
                pass  # a command with an odd time is one all the same, and refused
        await bot.wait_for_event("malformed_events")
        assert bot.kv() == before
        assert failures_of(bot) == []
        await bot.kill()
        bot.wipe()
        proxy.heal()
        hydration = proxy.when("POST *sync", with_malformed_events)
        await bot.start_and_go_live()
        assert hydration.hits == 1
        assert bot.kv() == before
        assert failures_of(bot) == []
        assert await home.ask("three") == "three"


def failures_of(bot: BotProcess) -> list[Any]:
    """What the bot says that went wrong, malformed events excepted."""
    serious = [event for event in bot.events() if event.get("level") in {"error", "critical"}]
    return serious + [event for event in bot.events() if event["event"] == "actor_crashed"]


async def with_malformed_events(_request: Request, forward: Forward) -> Answer:
    """Put malformed events between the true ones, in every room and beside the rooms."""
    answer = await forward()
    body = json.loads(answer.body)
    rooms = body.get("rooms", {})
    joined = rooms.get("join", {}) if "next_batch" in body else {}
    for room in joined.values():
        timeline = room.setdefault("timeline", {"limited": False}).setdefault("events", [])
        timeline[:0] = malformed_events()
        room.setdefault("state", {}).setdefault("events", []).extend(malformed_events())
    if "next_batch" in body:
        body["rooms"] = rooms | {
            "join": joined | {"!odd": [], "!odder": {"timeline": 5}},
            "invite": rooms.get("invite", {}) | {"!odd-invite": {"invite_state": {"events": [5]}}},
            "leave": rooms.get("leave", {}) | {"!odd-leave": None},
        }
    else:
        for room in rooms.values():
            room["required_state"] += malformed_events()
        rooms["!odd"] = []
    return Answer(answer.status, json.dumps(body).encode())


def malformed_events() -> list[object]:
    """Events that a homeserver should not let pass, but some do."""
    common = {"sender": "@mallory:localhost", "origin_server_ts": 1}
    message = {**common, "type": "m.room.message"}
    state = {**common, "state_key": ""}
    contents: list[tuple[dict[str, Any], object]] = [
        (message, {"msgtype": "m.text", "body": 5}),
        (message, {"msgtype": 5, "body": "!new"}),
        (message, {"msgtype": "m.text", "body": None}),
        (message, {"msgtype": "m.text", "body": ["!new"], "m.relates_to": "$nothing"}),
        (message, {}),
        (message, "!new"),
        (message, None),
        ({**message, "sender": 5}, {"msgtype": "m.text", "body": "!new"}),
        ({**message, "origin_server_ts": "now"}, {"msgtype": "m.text", "body": "!new"}),
        ({**state, "type": "m.room.encrypted"}, {"body": "!new"}),
        ({**state, "type": "m.space.child", "state_key": 5}, {"via": ["localhost"]}),
        ({**state, "type": "m.space.parent", "state_key": "!space"}, {"via": 5}),
        ({**state, "type": "m.room.member", "state_key": "@mallory:localhost"}, {"membership": 5}),
        ({**state, "type": "io.surfaces.room", "state_key": "@mallory:localhost"}, {"version": 9}),
        ({**state, "type": 5}, {}),
    ]
    whole = [
        {**event, "content": content, "event_id": f"$malformed-{number}"}
        for number, (event, content) in enumerate(contents)
    ]
    return [*whole, "no event", 5, None, [], {}, {"type": "m.room.message"}]
