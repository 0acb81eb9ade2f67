"""Two processes on one account notice each other, and one alone notices nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.bounds import Bounds
from actors.model import Instance
from adapter.sqlite.inline import InlineStore
from tests.simulation.faults import Fault
from tests.stepping.harness import BOT, Run, World, quiet

pytestmark = pytest.mark.anyio

BOUNDS = Bounds()

HOUR_S = 3600.0


def other(run: Run) -> str | None:
    """The boot of the other process that a bot knows of."""
    found = run.bot.activities.detector.other()
    return found.boot if found else None


@asynccontextmanager
async def beside(world: World, run: Run) -> AsyncIterator[Run]:
    """Another process with other files and the same session."""
    world.store = InlineStore(clock=world.server.now)
    world.token = run.homeserver.connection.token
    async with world.live() as second:
        yield second


async def test_two_processes_notice_each_other_at_once() -> None:
    world = World()
    async with world.live() as first:
        await quiet()
        assert other(first) is None
        async with beside(world, first) as second:
            await quiet()
            assert (other(first), other(second)) == ("boot-2", "boot-1")


async def test_two_that_start_at_the_same_moment_notice_each_other_in_minutes() -> None:
    world = World()
    async with world.boot() as first:
        await first.go_live()
        world.store = InlineStore(clock=world.server.now)
        world.token = first.homeserver.connection.token
        async with world.boot() as second:
            await second.go_live()
            first.let_run()
            second.let_run()
            await quiet(BOUNDS.renew_s + 60)
            assert (other(first), other(second)) == ("boot-2", "boot-1")


async def test_they_go_on_noticing_each_other_without_many_words() -> None:
    world = World()
    async with world.live() as first, beside(world, first) as second:
        await quiet(HOUR_S)
        assert (other(first), other(second)) == ("boot-2", "boot-1")
        assert len(world.server.announced) <= 2 + 2 * HOUR_S / BOUNDS.renew_s


async def test_one_that_has_gone_is_forgotten_and_the_other_falls_silent() -> None:
    world = World()
    async with world.live() as first:
        async with beside(world, first):
            await quiet()
        await quiet(BOUNDS.gone_after_s - 10)
        assert other(first) == "boot-2"
        await quiet(10)
        assert other(first) is None
        said = len(world.server.announced)
        await quiet(HOUR_S)
        assert len(world.server.announced) == said
        assert said == 5


async def test_what_was_written_before_a_restart_is_not_somebody_else() -> None:
    world = World()
    async with world.live():
        await quiet()
    world.server.announce(BOT, Instance("boot-0", "older still"))
    for boot in (2, 3):
        async with world.live() as run:
            await quiet(HOUR_S)
            assert other(run) is None
            assert [it.boot for _, it in world.server.announced][-1] == f"boot-{boot}"
    assert len(world.server.announced) <= 5


async def test_what_comes_late_from_a_killed_process_is_not_somebody_else() -> None:
    """A sync that the homeserver answers out of its cache says what was so before."""
    world = World()
    async with world.live() as run:
        instances = run.bot.activities.detector
        instances._is_known = False
        instances.observe(Instance("boot-0", "killed"))
        assert other(run) is None


@pytest.mark.parametrize(("fault", "written"), [(Fault.SERVER_ERROR, 1), (Fault.AFTER_EFFECT, 2)])
async def test_an_announcement_that_fails_is_made_again(fault: Fault, written: int) -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        run.homeserver.faults.next("announce", fault)
        run.let_run()
        await quiet(2 * 60)
        assert world.server.announced == [(BOT, Instance("boot-1", ""))] * written


async def test_a_homeserver_that_refuses_announcements_is_left_alone() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        run.homeserver.faults.next("announce", Fault.REFUSED, times=5)
        run.let_run()
        await quiet(HOUR_S)
        assert run.homeserver.faults.planned == 4
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat)[-1] == "You said: hello"


async def test_nobody_is_told_before_the_bot_is_live() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        assert world.server.announced == []


async def test_a_limited_announcement_is_made_when_the_homeserver_allows_it() -> None:
    world = World()
    async with world.boot() as run:
        run.homeserver.faults.retry_after_s = 300.0
        run.homeserver.faults.next("announce", Fault.RATE_LIMITED)
        await run.go_live()
        run.let_run()
        await quiet(290)
        assert world.server.announced == []
        await quiet(60)
        assert len(world.server.announced) == 1
