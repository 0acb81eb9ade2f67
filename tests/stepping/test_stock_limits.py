"""Many people come at once, and the homeserver limits the bot as a stock Synapse does."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import anyio
import pytest

from actors.messages import IntentsWaiting
from actors.model import MARKER_TYPE, RoomId, UserId
from adapter.matrix.pacing import Pace
from tests.simulation.connection import LATE_S
from tests.simulation.faults import Fault
from tests.simulation.homeserver import SimulatedHomeserver
from tests.simulation.limits import RateLimit, stock_creation_limit, stock_write_limit
from tests.simulation.people import Person
from tests.simulation.server import SimulatedServer
from tests.stepping.harness import ALICE, BOB, BOT, World, quiet

pytestmark = pytest.mark.anyio

T = TypeVar("T")

PLACE = re.compile("you are number ([0-9]+)")
LIMITED_REQUESTS = 7
"""Join, create the Space, invite, create the chat, link, invite, say where to go."""


class PacedHomeserver(SimulatedHomeserver):
    """Spaces requests out as the gateway does."""

    def __init__(self, server: SimulatedServer, me: UserId, *, token: str | None = None) -> None:
        super().__init__(server, me, token=token)
        self._pace = Pace()
        self._write = self._paced

    async def _paced(
        self,
        method: str,
        write: Callable[[], T],
        room_id: RoomId | None = None,
        *,
        late_s: float = LATE_S,
    ) -> T:
        async def request() -> T:
            return await self.connection.write(method, write, room_id, late_s=late_s)

        if method in {"set_typing", "mark_read"}:
            return await request()
        return await self._pace.send(request, urgent=method == "send")


def stock_world() -> World:
    world = World()
    world.client = PacedHomeserver
    world.server.slow_s = 0.1
    world.server.write_limit = stock_write_limit()
    world.server.creation_limit = stock_creation_limit()
    return world


def crowd(world: World, count: int) -> dict[Person, RoomId]:
    """So many people who invite the bot one after the other, within a moment."""
    people = [Person(world.server, UserId(f"@person-{number}:sim.test")) for number in range(count)]
    return {person: person.direct_chat_with(BOT) for person in people}


def is_served(world: World, person: Person, door: RoomId) -> bool:
    """Whether a person is invited to the Space and to the chat in it, and was told."""
    told = any(text.startswith("Hello!") for text in person.replies(door))
    return told and len(world.server.invites(person.user_id)) == 2


def served(world: World, doors: dict[Person, RoomId]) -> list[bool]:
    return [is_served(world, *door) for door in doors.items()]


def creations_for(world: World) -> list[str]:
    """The owners of the rooms that the bot has created, in the order of their creation."""
    ours = (room for room in world.server.rooms.values() if room.creator == BOT)
    return [str(room.content(MARKER_TYPE, BOT)["owner"]) for room in ours]


def told_places(doors: dict[Person, RoomId]) -> list[list[int]]:
    """The places in the queue that each person was told."""
    return [
        [int(told[1]) for text in person.replies(door) if (told := PLACE.search(text))]
        for person, door in doors.items()
    ]


async def test_one_person_takes_seven_limited_requests() -> None:
    world = stock_world()
    async with world.live():
        (door,) = crowd(world, 1).items()
        await quiet(60)
        assert is_served(world, *door)
        limited = [it for it in world.server.writes if it.events and it.user_id == BOT]
        assert len(limited) == LIMITED_REQUESTS, [it.action for it in limited]


async def test_four_of_eight_people_are_served_after_130_seconds() -> None:
    world = stock_world()
    async with world.live():
        doors = crowd(world, 8)
        await quiet(130)
        assert served(world, doors) == [True] * 4 + [False] * 4
        assert told_places(doors)[-1] == [8]
        await quiet(500)
        assert served(world, doors) == [True] * 8
        owners = [person.user_id for person in doors]
        assert creations_for(world) == [owner for owner in owners for _ in range(2)]
        assert [told for told in told_places(doors) if len(told) > 1] == [[8, 1]]
        assert not await world.store.intent_owners()


async def test_a_restart_keeps_the_order() -> None:
    world = stock_world()
    async with world.live():
        doors = crowd(world, 5)
        while len(creations_for(world)) < 4:
            await quiet()
        assert served(world, doors) == [True] + [False] * 4
    async with world.live():
        await quiet(300)
        assert served(world, doors) == [True] * 5
        owners = [person.user_id for person in doors]
        assert creations_for(world) == [owner for owner in owners for _ in range(2)]


async def test_a_newcomer_does_not_wait_for_all_new_chats_of_one_owner() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.creation_limit = RateLimit(burst=1, per_s=1 / 20)
        for number in range(4):
            world.alice.say(home.chat, f"!new {number}")
        await quiet()
        world.bob.direct_chat_with(BOT)
        await quiet(200)
        owners = creations_for(world)[2:]
        assert owners == [ALICE, ALICE, BOB, BOB, ALICE, ALICE]


async def test_answers_do_not_wait_for_the_rooms_that_are_created() -> None:
    world = World()
    world.client = PacedHomeserver
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.write_limit = stock_write_limit()
        crowd(world, 8)
        await quiet(30)
        for number in range(4):
            world.alice.say(home.chat, f"hello {number}")
            await quiet(20)  # at most one other message and one creation go first, 5 s each
            assert world.alice.replies(home.chat)[-1] == f"You said: hello {number}"


async def test_a_look_for_the_turn_does_not_replace_the_look_at_what_was_put_off() -> None:
    world = World()
    world.bounds = replace(world.bounds, put_off_first_s=12.0, regularly_s=1e6)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("create_room", Fault.REFUSED_UNCLEARLY)
        world.alice.say(home.chat, "!new Garden")
        await quiet(1)
        services = run.bot.services
        services.registry.queue.enter(BOB, 0.0, anyio.current_time())
        assert services.registry.queue.takes_turn(BOB, anyio.current_time(), grace_s=0.0)
        services.registry.queue.rest(BOB, anyio.current_time(), 3.0)
        services.tell_owner(ALICE, IntentsWaiting())
        await quiet(13)
        assert any(text.startswith("Garden") for text in world.alice.replies(home.chat))


@pytest.mark.parametrize("trouble", ["unreadable", "unclear", "refused", "limited"])
async def test_a_person_who_cannot_be_served_now_holds_up_no_one(trouble: str) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    faults: list[tuple[str, Fault]] = {
        "unclear": [("create_room", Fault.REFUSE_BEFORE)],
        "refused": [("create_room", Fault.REFUSED)],
        "limited": [("invite", Fault.RATE_LIMITED)],
    }.get(trouble, [])
    if trouble == "unreadable":
        world.server.unreadable[home.space] = "500"
    async with world.live() as run:
        run.homeserver.faults.retry_after_s = 300.0
        for method, fault in faults:
            run.homeserver.faults.next(method, fault)
        world.alice.say(home.chat, "!new Garden")
        await quiet(0.1)
        direct = world.bob.direct_chat_with(BOT)
        await quiet(5)
        assert is_served(world, world.bob, direct)
