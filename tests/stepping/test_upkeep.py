"""Writing what rooms lack: one room that fails holds up no other, and nothing ends the upkeep."""

from itertools import pairwise

import anyio
import pytest

from actors.messages import RoomChanged
from actors.model import Marker, RoomId, RoomKind
from actors.port_errors import HomeserverRefused, RateLimited
from actors.snapshots import RoomSnapshot
from actors.upkeep import Due
from tests.stepping.harness import ALICE, BOB, BOT, Home, Run, World, quiet

pytestmark = pytest.mark.anyio


def due(home: Home, mark: int = 7) -> Due:
    """A Space whose marker must be raised."""
    return Due(home.space, ALICE, Marker(RoomKind.SPACE, ALICE, next_chat_index=mark))


async def mark_of(run: Run, home: Home) -> int | None:
    marker = (await run.homeserver.read_room(home.space)).marker
    return marker.next_chat_index if marker else None


def let_reading_fail(run: Run, room_id: RoomId, error: Exception, times: int) -> list[float]:
    """Let the next attempts to read a room raise; when they were made."""
    read, asked = run.homeserver.read_room, list[float]()

    async def read_or_fail(asked_for: RoomId) -> RoomSnapshot:
        if asked_for == room_id:
            asked.append(anyio.current_time())
            if len(asked) <= times:
                raise error
        return await read(asked_for)

    vars(run.homeserver)["read_room"] = read_or_fail
    return asked


@pytest.mark.parametrize("error", [KeyError("a bug"), ExceptionGroup("tasks", [ValueError()])])
async def test_a_bug_over_one_room_ends_no_upkeep(error: Exception) -> None:
    world = World()
    async with world.live() as run:
        of_alice, of_bob = await run.settle_in(world.alice), await run.settle_in(world.bob)
        let_reading_fail(run, of_alice.space, error, times=3)
        upkeep = run.bot.services.upkeep
        upkeep.want(due(of_alice))
        upkeep.want(due(of_bob))
        await quiet(world.bounds.upkeep_again_s + 1)
        assert await mark_of(run, of_bob) == 7
        assert upkeep.due_count == 1
        await quiet(600)
        assert await mark_of(run, of_alice) == 7
        assert not upkeep.due_count


async def test_a_room_that_fails_for_ever_is_tried_less_and_less_often() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        asked = let_reading_fail(run, home.space, KeyError("a bug"), times=1000)
        run.bot.services.upkeep.want(due(home))
        await quiet(4 * 3600)
        waits = [later - earlier for earlier, later in pairwise(asked)]
        cap_s = world.bounds.upkeep.cap_s
        assert 4 * 3600 / cap_s < len(waits) < 300
        assert max(waits) <= cap_s + world.bounds.upkeep_again_s + 1
        assert max(waits) > cap_s / 2


async def test_a_limit_is_waited_out_and_the_same_room_is_next() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        asked = let_reading_fail(run, home.space, RateLimited(100.0), times=1)
        run.bot.services.upkeep.want(due(home))
        await quiet(110)
        assert asked[1] - asked[0] == pytest.approx(100.0)
        assert await mark_of(run, home) == 7


async def test_what_has_failed_is_tried_at_once_when_an_outage_is_over() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        asked = let_reading_fail(run, home.space, KeyError("a bug"), times=8)
        run.bot.services.upkeep.want(due(home))
        while len(asked) < 8:
            await quiet(1)
        await quiet(world.bounds.upkeep_again_s + 0.1)
        run.bot.services.upkeep.outage_is_over()
        await quiet()
        assert await mark_of(run, home) == 7


async def test_an_owner_waits_only_for_rooms_of_their_own() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        let_reading_fail(run, home.space, KeyError("a bug"), times=2)
        upkeep = run.bot.services.upkeep
        upkeep.want(due(home))
        upkeep.want(due(home, mark=8))
        assert (upkeep.pending(ALICE), upkeep.pending(BOB)) == (True, False)
        await quiet(300)
        assert not upkeep.pending(ALICE)
        assert await mark_of(run, home) == 8
        upkeep.want(due(home))
        upkeep.settled(home.space)
        assert not upkeep.pending(ALICE)


@pytest.mark.parametrize("refusals", [1, 2, 3])
async def test_what_is_refused_by_chance_is_written_all_the_same(refusals: int) -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        refused = HomeserverRefused(403, "M_FORBIDDEN", "by chance")
        let_reading_fail(run, home.space, refused, times=refusals)
        upkeep = run.bot.services.upkeep
        upkeep.want(due(home))
        await quiet(600)
        assert await mark_of(run, home) == (7 if refusals < 3 else 2)
        assert not upkeep.due_count


async def test_a_link_to_a_replaced_chat_is_removed_also_beside_that_to_the_new_one() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.server.grant(home.chat, ALICE, 100)
        new = world.alice.upgrade(home.chat)
        world.server.grant(new, BOT, 100)
        world.alice.invite(new, BOT)
        await quiet(60)
        await run.homeserver.link(home.space, home.chat)  # as a kill between the two leaves it
        run.bot.services.tell_room(new, RoomChanged())
        await quiet(60)
        assert set((await run.homeserver.read_room(home.space)).children) == {new}
        assert not run.bot.services.upkeep.due_count
