"""The whole bot on its way through the lifecycle: outages, revoked sessions, lost positions."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from actors.messages import OwnerComplete, owner_address, room_address
from actors.port_errors import StoreCorrupt, StoreUnavailable
from actors.ports import SyncDelta
from actors.rows import room_key
from actors.rules.room_states import RoomState
from actors.runtime.letters import ActorCrashed
from adapter.sqlite.inline import InlineStore
from supervisor.lifecycle import LIFECYCLE, MACHINE, State, Trigger
from tests.simulation.faults import Fault
from tests.stepping.harness import ALICE, BOT, Run, ScriptedPlatform, World, quiet

pytestmark = pytest.mark.anyio


def triggers(world: World) -> list[str]:
    return [row.trigger for row in world.journal.records if row.machine == MACHINE]


async def test_the_bot_walks_through_an_outage_and_back_to_live() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_to(State.LOGIN)
        assert (await run.step()).dst is State.HYDRATE
        assert (await run.step()).dst is State.RECONCILE
        assert (await run.step()).dst is State.LIVE
        step = await run.step_while(world.go_down)
        assert (step.trigger, step.dst) == (Trigger.HOMESERVER_LOST, State.DEGRADED)
        step = await run.step_while(world.come_back)
        assert (step.trigger, step.dst) == (Trigger.RECOVERED, State.HYDRATE)
        assert (await run.step()).dst is State.RECONCILE
        assert (await run.step()).dst is State.LIVE


async def test_what_is_said_in_an_outage_is_answered_once_after_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.go_down()
        world.alice.say(home.chat, "are you there?")
        world.alice.rename(home.chat, "Outage")
        await quiet(300)
        assert run.state() is State.DEGRADED
        world.come_back()
        await quiet(120)
        assert run.state() is State.LIVE
        assert world.alice.replies(home.chat) == ("You said: are you there?",)
        row = await world.store.row(room_key(home.chat))
        assert row is not None
        assert row["display_name"] == "Outage"


async def test_an_outage_in_the_middle_of_an_answer_loses_nothing() -> None:
    world = World()
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 5.0
        world.alice.say(home.chat, "one")
        world.alice.say(home.chat, "two")
        await quiet()
        world.go_down()
        await quiet(60)
        world.come_back()
        await quiet(120)
        assert world.alice.replies(home.chat) == ("You said: one", "You said: two")
        assert [text for _, text, _ in platform.asked] == ["one", "two"]


async def test_a_homeserver_that_is_not_there_at_the_start_is_waited_for() -> None:
    world = World()
    world.go_down()
    async with world.boot() as run:
        await run.go_to(State.LOGIN)
        assert (await run.step()).dst is State.DEGRADED
        step = await run.step_while(world.come_back)
        assert (step.trigger, step.dst) == (Trigger.LOGIN_NEEDED, State.LOGIN)
        await run.go_live()


async def test_a_table_that_only_a_room_misses_ends_the_work_at_once() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        run.let_run()
        home = await run.settle_in(world.alice)
        error = StoreCorrupt("missing: outbox")
        run.bot.system.report(ActorCrashed(room_address(home.chat), error))
        await quiet(0.1)
        assert Trigger.STORE_LOST in triggers(world)


async def test_a_revoked_session_is_logged_in_again_under_the_same_device() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        device_id, token = run.homeserver.connection.device_id, run.homeserver.connection.token
        step = await run.step_while(lambda: world.server.revoke_tokens(BOT))
        assert (step.trigger, step.dst) == (Trigger.SESSION_REVOKED, State.LOGIN)
        assert (await run.step()).reason == "logged in by password"
        assert run.homeserver.connection.device_id == device_id
        assert run.homeserver.connection.token != token
        await run.go_live()


async def test_a_session_revoked_under_a_talk_loses_and_repeats_no_answer() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        for number in range(3):
            world.alice.say(home.chat, str(number))
            await anyio.lowlevel.checkpoint()
            world.server.revoke_tokens(BOT)
            await quiet(10)
        assert world.alice.replies(home.chat) == ("You said: 0", "You said: 1", "You said: 2")


async def test_a_session_revoked_during_an_outage_is_found_out_by_the_probe() -> None:
    world = World()
    async with world.boot() as run:
        await run.go_live()
        await run.step_while(world.go_down)
        world.server.revoke_tokens(BOT)
        step = await run.step_while(world.come_back)
        assert (step.trigger, step.dst) == (Trigger.SESSION_REVOKED, State.LOGIN)
        await run.go_live()


async def test_refused_credentials_stop_the_bot() -> None:
    world = World()
    world.server.refuses_credentials = True
    async with world.boot() as run:
        last = await run.supervisor.run()
        assert last.cause is Trigger.CREDENTIALS_REFUSED
        assert last.reason == "The homeserver refuses the password."


async def test_a_lost_position_is_followed_by_reading_everything_anew() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        rows = await world.rows()
        world.server.forget_positions()
        await quiet(5)
        assert run.state() is State.LIVE
        assert triggers(world)[-3:] == ["sync_position_lost", "hydrated", "reconciled"]
        assert await world.rows() == rows
        world.alice.say(home.chat, "still there?")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: still there?",)


async def test_a_position_lost_while_the_bot_was_down_is_no_loss_of_rooms() -> None:
    world = World()
    async with world.live() as run:
        await run.settle_in(world.alice)
    rows = await world.rows()
    world.server.forget_positions()
    async with world.live() as run:
        await quiet()
        assert run.state() is State.LIVE
        assert await world.rows() == rows
        assert world.creations() == 2


async def test_a_restart_resumes_its_session_and_changes_nothing() -> None:
    world = World()
    async with world.live() as run:
        await run.settle_in(world.alice)
        assert await run.stop() == ()
        assert run.state() is State.STOPPED
    rows, events = await world.rows(), len(world.server.events)
    async with world.boot() as run:
        await run.go_to(State.LOGIN)
        assert (await run.step()).reason == "logged in by resumed"
        await run.go_live()
        run.let_run()
        await quiet(100)
        assert await world.rows() == rows
        assert len(world.server.events) == events


async def test_replaying_the_journal_of_a_whole_life_reproduces_the_state() -> None:
    world = World()
    async with world.live() as run:
        await run.settle_in(world.alice)
        world.go_down()
        await quiet(100)
        world.come_back()
        await quiet(100)
        world.server.revoke_tokens(BOT)
        await quiet(100)
        world.server.forget_positions()
        await quiet(100)
        await run.stop()
        state = LIFECYCLE.initial
        for row in world.journal.records:
            if row.machine == MACHINE:
                assert row.src == state
                following = LIFECYCLE.next(state, Trigger(row.trigger))
                assert following is not None
                state = following
        assert state is run.state() is State.STOPPED


async def test_a_journal_that_cannot_be_written_stops_nothing() -> None:
    world = World()
    world.journal.fault = StoreUnavailable("disk full")
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: hello",)
        assert run.state() is State.LIVE
    assert world.journal.records == []


# ------------------------------------------------------------ the store


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the database's write lock."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


async def test_a_database_that_cannot_be_written_is_waited_for(tmp_path: Path) -> None:
    world = World()
    world.store.close()
    world.store = InlineStore(tmp_path / "cache.db", clock=world.server.now, busy_timeout_s=0)
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        with locked(tmp_path / "cache.db"):
            world.alice.say(home.chat, "are you there?")
            await quiet(120)
            assert run.state() is State.DEGRADED
            assert triggers(world)[-1] == "store_lost"
        await quiet(1)
        assert run.state() is State.LIVE
        await quiet()
        assert world.alice.replies(home.chat) == ("You said: are you there?",)
        world.store.close()


async def test_an_outbox_that_could_not_be_read_for_a_moment_is_sent_all_the_same(
    tmp_path: Path,
) -> None:
    world = World()
    world.store.close()
    world.store = InlineStore(tmp_path / "cache.db", clock=world.server.now, busy_timeout_s=0)
    platform = ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        world.server.slow_s = 2.0
        world.alice.say(home.chat, "one")
        while not await world.store.unsent_counts():
            await quiet(0.05)
        with locked(tmp_path / "cache.db"):
            await quiet(5)
        await quiet(120)
        assert world.alice.replies(home.chat) == ("You said: one",)
        assert await world.store.unsent_counts() == {}
        world.store.close()


# ------------------------------------------------------------ the position


def said_of_the_position(logs: Sequence[Mapping[str, object]]) -> list[tuple[object, object]]:
    return [
        (event["log_level"], event["reason"])
        for event in logs
        if event["event"] == "started_from_now"
    ]


async def test_only_a_position_that_was_lost_is_worth_a_warning() -> None:
    world = World()
    world.alice.direct_chat_with(BOT)
    with capture_logs() as logs:
        async with world.live():
            await quiet()
    assert said_of_the_position(logs) == [("info", "first start")]
    with capture_logs() as logs:
        async with world.live():
            world.server.forget_positions()
            await quiet()
    assert said_of_the_position(logs) == [
        ("warning", "the homeserver no longer knows the position"),
    ]
    world.lose_store()
    with capture_logs() as logs:
        async with world.live():
            await quiet()
    assert said_of_the_position(logs) == [("warning", "the database has no position")]


# ------------------------------------------------------------ rooms that fail


async def quarantined_chat(world: World, run: Run) -> str:
    """Alice's first chat, set aside."""
    home = await run.settle_in(world.alice)
    run.bot.system.set_aside(room_address(home.chat), ValueError("a bug"))
    assert run.bot.services.states.of(home.chat) is RoomState.QUARANTINED
    return home.chat


async def test_a_room_that_was_set_aside_does_not_hold_up_a_reconciliation() -> None:
    world = World()
    async with world.live() as run:
        await quarantined_chat(world, run)
        of_bob = await run.settle_in(world.bob)
        world.server.forget_positions()
        await quiet()
        assert run.state() is State.LIVE
        world.bob.say(of_bob.chat, "hello")
        await quiet()
        assert world.bob.replies(of_bob.chat) == ("You said: hello",)


async def test_an_owner_whom_the_server_lets_wait_does_not_hold_up_a_reconciliation() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("invite", Fault.RATE_LIMITED)
        run.homeserver.faults.retry_after_s = 600.0
        world.alice.say(home.chat, "!new Holidays")
        await quiet()
        world.server.forget_positions()
        await quiet()
        assert run.state() is State.LIVE
        await quiet(700)
        assert len(world.server.invites(ALICE)) == 1


async def test_a_room_set_aside_because_of_an_outage_is_back_after_it() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        run.homeserver.faults.next("read_room", Fault.SERVER_ERROR, room_id=home.chat, times=3)
        world.alice.rename(home.chat, "Garden")
        await quiet(15)
        assert run.bot.services.states.of(home.chat) is RoomState.QUARANTINED
        world.go_down()
        await quiet(2)
        world.come_back()
        await quiet(5)
        assert run.bot.services.states.of(home.chat) is RoomState.READY
        row = await world.store.row(room_key(home.chat))
        assert row is not None
        assert row["display_name"] == "Garden"


async def test_a_platform_that_is_slow_to_answer_does_not_hold_up_a_reconciliation() -> None:
    world, platform = World(), ScriptedPlatform()
    async with world.live(platform=platform) as run:
        home = await run.settle_in(world.alice)
        platform.takes_s = 100.0
        world.alice.say(home.chat, "think about it")
        await quiet(1)
        world.go_down()
        await quiet(20)
        assert run.state() is State.DEGRADED
        world.come_back()
        platform.takes_s = 0.0
        await quiet(30)
        assert run.state() is State.LIVE
        assert world.alice.replies(home.chat) == ()
        await quiet(50)
        assert world.alice.replies(home.chat) == ("You said: think about it",)
        assert len(platform.asked) == 1


async def test_messages_from_between_two_first_looks_are_not_skipped() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.lose_store()
    async with world.boot() as run:
        await run.go_to(State.LOGIN)
        assert (await run.step()).dst is State.HYDRATE
        assert (await run.step()).dst is State.RECONCILE
        run.let_crash(owner_address(ALICE), OwnerComplete, ValueError("a bug"))
        world.alice.say(home.chat, "in between")
        assert (await run.step()).dst is State.DEGRADED
        await run.go_live()
        run.let_run()
        await quiet(10)
        assert world.alice.replies(home.chat)[-1] == "You said: in between"


async def test_a_homeserver_that_answers_at_once_without_news_is_not_asked_in_a_frenzy() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        sync, asked = run.homeserver.sync, 0

        async def hasty(since: str, _timeout_s: float) -> SyncDelta:
            nonlocal asked
            asked += 1
            return await sync(since, 0)

        vars(run.homeserver)["sync"] = hasty
        await quiet(60 + 30)
        assert 50 < asked <= 90
        world.alice.say(home.chat, "hello")
        await quiet(2)
        assert world.alice.replies(home.chat) == ("You said: hello",)


async def test_a_clock_set_ahead_deletes_no_settled_message() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(60)
        world.server.skip(30 * 86_400.0)
        limits: list[float] = []
        prune = world.store.prune

        async def prune_and_note(*, before: float) -> int:
            limits.append(before)
            return await prune(before=before)

        object.__setattr__(world.store, "prune", prune_and_note)
        await quiet(2 * world.bounds.prune_every_s)
        assert limits
        assert max(limits) < world.server.now() - 30 * 86_400.0
