"""A homeserver that writes null for every empty list and object, as some in Go do, or worse."""

import json
from random import Random
from typing import Final

import pytest

from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import MakeBot, MakePerson
from tests.synapse.home import hear, move_in, words_of
from tests.synapse.proxy import Answer, Fault, FaultProxy, Forward, Request
from tests.synapse.talk import seeded

pytestmark = pytest.mark.anyio

SLIDING_SYNC = "org.matrix.simplified_msc3575"


def nulled(value: object) -> object:
    """JSON with null in the place of every empty list and object."""
    if isinstance(value, dict):
        return {key: nulled(inner) for key, inner in value.items()} or None
    if isinstance(value, list):
        return [nulled(inner) for inner in value] or None
    return value


def go_style(*, sliding_sync: bool) -> Fault:
    """Answers as a homeserver in Go writes them, with invites that have no stripped state."""

    async def fault(_request: Request, forward: Forward) -> Answer:
        answer = await forward()
        body = json.loads(answer.body)
        if not sliding_sync and isinstance(body, dict):
            body.get("unstable_features", {}).pop(SLIDING_SYNC, None)
        if "access_token" in body:
            body["device_id"] = None
        if "next_batch" in body:
            body.setdefault("rooms", {})
            for section in ("join", "invite", "leave"):
                body["rooms"].setdefault(section, {})
            for room in body["rooms"]["join"].values():
                for section in ("state", "ephemeral", "account_data"):
                    room.setdefault(section, {})
            for room in body["rooms"]["invite"].values():
                room["invite_state"]["events"] = []
        return Answer(answer.status, json.dumps(nulled(body)).encode())

    return fault


@pytest.mark.parametrize("sliding_sync", [True, False], ids=["window", "sync"])
async def test_null_for_everything_empty_costs_nothing(
    synapse: ThrowawaySynapse, make_bot: MakeBot, make_person: MakePerson, *, sliding_sync: bool
) -> None:
    async with FaultProxy(synapse.url) as proxy:
        proxy.when("*", go_style(sliding_sync=sliding_sync))
        bot = await make_bot(homeserver_url=proxy.url)
        await bot.start_and_go_live()
        home = await move_in(await make_person("alice"), bot)
        assert await home.ask("hello") == "hello"
        assert "Chat 2" in await home.ask("!new")
        before = bot.kv()
        await bot.kill()
        await home.owner.say(home.chat, "meanwhile")
        bot.wipe()
        await bot.start_and_go_live()
        assert bot.kv() == before
        assert await hear(home.owner, bot, home.chat) == "meanwhile"
        assert await home.ask("and after that?") == "and after that?"
        assert [step.dst for step in bot.transitions()].count("degraded") == 0
        left_out = [event for event in bot.events() if event["event"] == "malformed_events"]
        assert left_out == []
        assert len(await words_of(home.owner, home.chat, bot.user_id)) >= 2


SECTIONS: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("timeline",),
    ("timeline", "events"),
    ("timeline", "limited"),
    ("timeline", "prev_batch"),
    ("state",),
    ("summary",),
    ("account_data",),
)
ODD = (7, "odd", True, 0.5, 10**30)


def with_odd_sections(random: Random) -> Fault:
    """Answers in which each joined room has one section of another type."""

    async def fault(_request: Request, forward: Forward) -> Answer:
        answer = await forward()
        body = json.loads(answer.body)
        rooms = body.get("rooms", {}).get("join", {})
        for room_id in list(rooms):
            *outer, last = (room_id, *random.choice(SECTIONS))
            parent = rooms
            for key in outer:
                parent = parent.setdefault(key, {})
            parent[last] = random.choice(ODD)
        return Answer(answer.status, json.dumps(body).encode())

    return fault


async def test_odd_sections_of_rooms_lose_no_message(
    synapse: ThrowawaySynapse, make_bot: MakeBot, make_person: MakePerson
) -> None:
    async with FaultProxy(synapse.url) as proxy:
        bot = await make_bot(homeserver_url=proxy.url)
        await bot.start_and_go_live()
        home = await move_in(await make_person("alice"), bot)
        proxy.when("GET sync", with_odd_sections(seeded()))
        texts = [f"number {number}" for number in range(40)]
        for text in texts:
            await home.owner.say(home.chat, text)
        await home.owner.wait_for(
            lambda event: event.sender == bot.user_id and event.body == texts[-1], timeout_s=60
        )
        assert await words_of(home.owner, home.chat, bot.user_id) == texts
        assert [step.dst for step in bot.transitions()].count("degraded") == 0
        counted = [event["count"] for event in bot.events() if event["event"] == "malformed_events"]
        assert len(counted) > 1
