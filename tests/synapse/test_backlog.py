"""Much is said in a room that fails: the other rooms are answered, and later that room as well."""

import anyio
import pytest

from demo.person import Person
from tests.synapse.conftest import MakeBot
from tests.synapse.home import history, move_in
from tests.synapse.program import surfaces_bot
from tests.synapse.proxy import FaultProxy, refused
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

MESSAGES = 220
SIDE_BY_SIDE = 10


async def say_much(person: Person, room_id: str, count: int) -> None:
    """Say so much, a few messages at a time."""

    async def say_some(first: int) -> None:
        for number in range(first, count, SIDE_BY_SIDE):
            await person.say(room_id, str(number))

    async with anyio.create_task_group() as tasks:
        for first in range(SIDE_BY_SIDE):
            tasks.start_soon(say_some, first)


async def test_a_room_that_fails_stops_no_other_and_is_answered_when_it_is_well(
    make_bot: MakeBot, proxy: FaultProxy, alice: Person, bob: Person
) -> None:
    bot = await make_bot(
        homeserver_url=proxy.url, command=launched("impatient"), STATUS_BIND="127.0.0.1:0"
    )
    await bot.start_and_go_live()
    of_alice, of_bob = await move_in(alice, bot), await move_in(bob, bot)
    proxy.when(
        "GET rooms/*/state",
        refused(500, "M_UNKNOWN"),
        matches=lambda request: request.room_id == of_alice.chat,
    )
    await alice.set_state(of_alice.chat, "m.room.name", {"name": "Broken"})
    await bot.wait_for_event(
        "room_transition", lambda event: event["trigger"] == "failed_repeatedly"
    )
    await say_much(alice, of_alice.chat, MESSAGES)
    assert await of_bob.ask("hello") == "hello"
    found = (await surfaces_bot(bot, "inbox", "--json")).rows
    assert 0 < len(found) <= 100
    assert "reading_paused" not in {event["event"] for event in bot.events()}

    assert await bot.terminate() == 0
    await bot.start_and_go_live()
    assert await of_bob.ask("hello again") == "hello again"
    proxy.heal()
    said: list[str] = []
    answered: list[str] = []

    async def all_are_answered() -> bool:
        nonlocal said, answered
        events = [event for event in await history(alice, of_alice.chat) if event.body]
        said = [event.body for event in events if event.sender == alice.user_id]
        answered = [event.body for event in events if event.sender == bot.user_id]
        return len(answered) >= MESSAGES

    with anyio.fail_after(120):
        while not await all_are_answered():
            await anyio.sleep(1)
    assert answered == said
