"""The running bot, looked at from outside: the whole bot over a simulated homeserver."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime

import anyio
import pytest

from actors.bounds import Bounds
from actors.messages import room_address
from actors.model import Instance
from actors.platform_state import PlatformState
from actors.port_errors import PlatformUnreachable, StoreUnavailable
from actors.writes import PutRow
from adapter.sqlite.inline import InlineStore
from supervisor.app import status as app_status
from supervisor.app.status import Observer
from supervisor.lifecycle import INITIAL, State
from supervisor.settings import Settings, settings_from
from supervisor.status import cache
from supervisor.status.metrics import exposition
from supervisor.status.snapshot import LISTED, Leading, Snapshot, WorkersSeen, rfc3339
from supervisor.status.workers import NO_WORKER, START_ONE
from supervisor.watchdog import QUIET_LIMIT_S
from tests.simulation.leading import SimulatedLease, SoleLeader
from tests.simulation.people import Person
from tests.stepping.harness import ALICE, BOT, Run, ScriptedPlatform, World, quiet
from tests.stepping.scripted import Drive

pytestmark = pytest.mark.anyio


def observer_in(world: World) -> Observer:
    """An observer whose clock is the world's."""
    settings = settings_from(
        Settings,
        {
            "MATRIX_HOMESERVER": "https://sim.test",
            "MATRIX_USER_ID": BOT,
            "MATRIX_ACCESS_TOKEN": "token",
        },
    )
    return Observer(settings, wall_clock=world.server.now)


async def look(observer: Observer) -> Snapshot:
    """Look anew, not at what was seen a moment ago."""
    await quiet(app_status.FRESH_S + cache.FRESH_S)
    return await observer.snapshot()


async def test_before_there_is_a_bot_it_starts() -> None:
    observer = observer_in(World())
    seen = await observer.snapshot()
    assert (seen.lifecycle.state, seen.lifecycle.reason) == (INITIAL, "starting")
    assert (seen.owners_total, seen.inbox_waiting) == (None, None)
    ready, why = observer.readiness()
    assert not ready
    assert why.endswith("starting")


async def test_a_run_that_stands_by_is_seen_without_a_bot() -> None:
    observer, drive = observer_in(World()), Drive(State.STANDBY)
    observer.standing_by("boot", drive.supervisor)
    seen = await observer.snapshot()
    assert (seen.boot, seen.lifecycle.state, seen.inbox_waiting) == ("boot", "standby", None)
    assert not observer.readiness()[0]
    await drive.step()
    assert (await look(observer)).lifecycle.state == "login"


async def test_what_it_does_its_owners_and_its_rooms_are_seen() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        for record in world.journal.records:
            observer.history.note(record)
        home = await run.settle_in(world.alice)
        seen = await look(observer)
        assert (seen.user_id, seen.homeserver, seen.boot) == (BOT, "https://sim.test", "boot")
        assert (seen.lifecycle.state, seen.lifecycle.cause) == ("live", None)
        assert seen.lifecycle.reason == "0 changes, 0 conflicts"
        assert [step.dst for step in seen.lifecycle.steps[-3:]] == ["hydrate", "reconcile", "live"]
        (owner,) = seen.owners
        assert (owner.user_id, owner.space_id, owner.chats) == (ALICE, home.space, 1)
        assert (seen.owners_total, seen.rooms["ready"]) == (1, 3)
        assert (seen.inbox_waiting, seen.outbox_unsent, seen.upkeep_due) == (0, 0, 0)
        assert seen.reconciled is not None
        assert seen.reconciled.at == seen.lifecycle.steps[-1].at
        assert seen.reconciled.counts["joined_rooms"] == 0
        assert observer.readiness()[0]


@dataclass
class Load:
    """The load of workers."""

    alive: int = 0
    in_work: int = 0
    waiting: int = 0
    oldest_waiting_s: float | None = None


@dataclass
class ScriptedReader:
    """Reads this load, unless the database fails."""

    load: Load = field(default_factory=Load)
    fails: bool = False

    async def look(self) -> Load:
        if self.fails:
            raise StoreUnavailable("no connection")
        return self.load


async def test_workers_are_seen_where_they_ask_the_platform() -> None:
    world, reader = World(), ScriptedReader()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        assert (await look(observer)).workers is None
        observer.load_reader = reader
        seen = (await look(observer)).workers
        assert seen is not None
        assert (seen.alive, seen.trouble, seen.remedy) == (0, NO_WORKER, START_ONE)
        reader.load = Load(alive=2, in_work=1)
        assert (await look(observer)).workers == WorkersSeen(alive=2, in_work=1, waiting=0)
        reader.fails = True
        assert (await look(observer)).workers == WorkersSeen()


async def test_a_known_room_that_nobody_has_looked_at_yet_is_unchecked() -> None:
    world = World()
    async with world.live() as run:
        await run.settle_in(world.alice)
    observer = observer_in(world)
    async with world.boot() as run, observer.watching("boot", run.bot, run.supervisor):
        run.bot.activities.trusted = True
        seen = await look(observer)
        assert (seen.rooms["unchecked"], seen.unchanged) == (2, 0)


async def test_a_known_room_that_the_bot_is_not_in_is_left_once_all_others_were_read() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    world.server.evict(home.chat, BOT)
    await world.distrust()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        seen = await look(observer)
        assert (seen.rooms["unchecked"], seen.unchanged, seen.rooms["left"]) == (0, 0, 1)


async def test_a_room_that_has_not_changed_since_an_orderly_stop_needs_no_look() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    observer = observer_in(world)
    world.alice.rename(home.chat, "Garden")
    async with world.boot() as run, observer.watching("boot", run.bot, run.supervisor):
        run.bot.activities.trusted = True
        await run.go_live()
        run.let_run()
        seen = await look(observer)
        assert (seen.rooms["unchecked"], seen.rooms["ready"], seen.unchanged) == (1, 1, 1)
        assert seen.reconciled is not None
        assert seen.reconciled.partly
        assert seen.reconciled.counts["joined_rooms"] == 1
        world.alice.rename(home.space, "Gardens")
        seen = await look(observer)
        assert (seen.rooms["unchecked"], seen.unchanged) == (0, 0)


async def test_a_start_after_which_nothing_has_changed_is_reconciled_all_the_same() -> None:
    world = World()
    async with world.live() as run:
        home = await run.settle_in(world.alice)
    observer = observer_in(world)
    async with world.boot() as run, observer.watching("boot", run.bot, run.supervisor):
        run.bot.activities.trusted = True
        await run.go_live()
        run.let_run()
        seen = await look(observer)
        assert seen.lifecycle.reason == "no room has changed"
        assert seen.reconciled is not None
        assert seen.reconciled.partly
        assert (seen.rooms["unchecked"], seen.unchanged) == (2, 2)
        world.alice.say(home.chat, "hello")
        assert (await look(observer)).unchanged == 2


async def test_a_conflict_is_not_forgotten_over_an_outage() -> None:
    world = World()
    bot = Person(world.server, BOT)
    nobodys = bot.create_room("Chats", is_space=True)
    bot.create_room("More chats", is_space=True)
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        before = (await look(observer)).reconciled
        assert before is not None
        assert before.conflicts_total == 2
        world.go_down()
        await quiet(50)
        bot.leave(nobodys)
        world.come_back()
        await quiet(100)
        after = (await look(observer)).reconciled
        assert after is not None
        assert (after.partly, after.conflicts_total) == (True, 1)


async def test_a_quarantined_room_is_shown_with_its_name_reason_and_next_probe() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        home = await run.settle_in(world.alice)
        run.bot.system.set_aside(room_address(home.chat), ValueError("a bug"))
        await quiet()
        seen = await observer.snapshot()
        (room,) = seen.quarantined
        assert (room.room_id, room.name, room.chat_id) == (home.chat, "Chat 1", "C1")
        assert (room.owner, room.reason, room.probes) == (ALICE, "a bug", 1)
        assert room.since < rfc3339(world.server.now()) < room.next_probe_at
        assert seen.rooms["quarantined"] == 1


async def test_an_outage_is_shown_with_its_cause_and_the_next_attempt() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        world.go_down()
        await quiet(100)
        seen = await observer.snapshot()
        assert (seen.lifecycle.state, seen.lifecycle.cause) == ("degraded", "homeserver_lost")
        assert seen.lifecycle.failures > 1
        assert seen.lifecycle.next_attempt_at is not None
        ready, why = observer.readiness()
        assert not ready
        assert seen.lifecycle.reason in why
        world.come_back()
        await quiet(100)
        assert (await observer.snapshot()).lifecycle.next_attempt_at is None
        assert observer.readiness()[0]


async def test_a_database_that_cannot_be_read_makes_numbers_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):

        async def fail(*_: object) -> None:
            raise StoreUnavailable("locked")

        for method in ("waiting_counts", "unsent_counts", "keys"):
            monkeypatch.setattr(InlineStore, method, fail)
        seen = await look(observer)
        assert (seen.inbox_waiting, seen.outbox_unsent, seen.owners_total) == (None, None, None)
        text = exposition(seen, observer.meter, observer.history)
        assert b"\nsurfaces_bot_inbox_waiting " not in text
        monkeypatch.undo()


async def test_a_database_that_does_not_answer_delays_no_page_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        await run.settle_in(world.alice)
        before = await look(observer)
        await quiet(app_status.FRESH_S + cache.FRESH_S)
        for method in ("waiting_counts", "unsent_counts", "keys", "row"):
            monkeypatch.setattr(InlineStore, method, never)
        began, pages = anyio.current_time(), list[Snapshot]()

        async def open_page() -> None:
            pages.append(await observer.snapshot())

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(open_page)
            await quiet(cache.WITHIN_S / 2)
            run.supervisor.request_stop("SIGTERM")
        assert anyio.current_time() - began == pytest.approx(cache.WITHIN_S)
        monkeypatch.undo()
    assert {page.lifecycle.state for page in pages} == {"stopped"}
    assert {(page.inbox_waiting, page.outbox_unsent) for page in pages} == {(None, None)}
    assert before.owners_total == 1
    assert {page.owners for page in pages} == {before.owners}


async def never(*_: object) -> None:
    await anyio.sleep_forever()


async def test_the_state_on_a_page_is_that_of_now() -> None:
    world = World()
    observer, drive = observer_in(world), Drive(State.STANDBY)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        assert (await observer.snapshot()).lifecycle.state == "live"
        world.go_down()
        run.supervisor.request_stop("SIGTERM")
        await quiet(app_status.FRESH_S / 2)
        assert (await observer.snapshot()).lifecycle.state == "stopped"
        observer.standing_by("boot 2", drive.supervisor)
        seen = await observer.snapshot()
        assert (seen.boot, seen.lifecycle.state) == ("boot 2", "standby")


async def test_it_looks_at_most_once_a_second() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        first = await observer.snapshot()
        await quiet(app_status.FRESH_S / 2)
        assert await observer.snapshot() is first
        await quiet(app_status.FRESH_S)
        assert await observer.snapshot() is not first


async def test_after_the_end_the_closed_files_are_left_alone() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run:
        async with observer.watching("boot", run.bot, run.supervisor):
            await run.settle_in(world.alice)
            before = await look(observer)
            await run.stop()
        world.store.close()
        after = await observer.snapshot()
        assert after.lifecycle.state == "stopped"
        assert (after.rooms, after.owners) == (before.rooms, before.owners)


async def test_a_database_that_takes_long_is_read_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        asked: list[object] = []
        keys = InlineStore.keys

        async def slow_keys(store: InlineStore, prefix: str) -> tuple[str, ...]:
            asked.append(prefix)
            await quiet(0.1)
            return await keys(store, prefix)

        monkeypatch.setattr(InlineStore, "keys", slow_keys)
        for _ in range(100):
            await look(observer)
        assert len(asked) == 2 * 200 // 20
        monkeypatch.undo()


async def test_many_owners_are_counted_and_the_first_are_listed() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        await many_rows(world, LISTED + 5)
        seen = await look(observer)
        assert (len(seen.owners), seen.owners_total) == (LISTED, LISTED + 5)


async def many_rows(world: World, count: int) -> None:
    """So many owners in the cache."""
    row = {"space_id": "!s", "next_chat_index": 3}
    names = (f"matrix_user:@u{number:04}:sim.test" for number in range(count))
    await world.store.commit([PutRow(name, dict(row)) for name in names])


async def test_the_platform_is_seen_with_its_state_and_its_work() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer_of(observer, run):
        seen = (await look(observer)).platform
        assert seen is not None
        assert (seen.name, seen.state, seen.trouble) == ("echo", "well", "")
        health = run.bot.services.platform_health
        health.state, health.reason = PlatformState.MISCONFIGURED, "the key token is refused"
        seen = (await look(observer)).platform
        assert seen is not None
        assert seen.trouble == "the platform echo is misconfigured: the key [redacted] is refused"
        assert seen.remedy
        ready, why = observer.readiness()
        assert ready
        assert why.endswith(f"; {seen.trouble}")


async def test_replies_are_seen_while_they_are_in_work_and_when_they_have_ended() -> None:
    world, platform = World(), ScriptedPlatform()
    observer = observer_in(world)
    platform.takes_s = 30.0
    async with world.live(platform=platform) as run, observer_of(observer, run):
        home = await run.settle_in(world.alice)
        world.alice.say(home.chat, "hello")
        await quiet(1)
        seen = (await look(observer)).platform
        assert seen is not None
        assert (seen.running, seen.waiting, seen.replies["done"]) == (1, 0, 0)
        assert (seen.first_token_s, seen.reply_s) == (None, None)
        await quiet(60)
        seen = (await look(observer)).platform
        assert seen is not None
        assert (seen.running, seen.waiting, seen.replies["done"]) == (0, 0, 1)
        assert (seen.first_token_s, seen.reply_s) == (25.0, 25.0)


async def test_a_platform_that_does_not_answer_is_seen_until_it_is_back() -> None:
    world, platform = World(), ScriptedPlatform()
    observer = observer_in(world)
    async with world.live(platform=platform) as run, observer_of(observer, run):
        home = await run.settle_in(world.alice)
        platform.check_fails = PlatformUnreachable("connection refused")
        platform.fail("hello", *[PlatformUnreachable("connection refused")] * 99)
        world.alice.say(home.chat, "hello")
        await quiet(120)
        seen = (await look(observer)).platform
        assert seen is not None
        assert seen.trouble == "the platform echo is unavailable: connection refused"
        assert 110 <= age_s(seen.since, world) <= 125
        assert (seen.running, seen.waiting) == (0, 1)
        ready, why = observer.readiness()
        assert ready
        assert why.endswith(seen.trouble)
        platform.check_fails = None
        platform.errors.clear()
        await quiet(120)
        seen = (await look(observer)).platform
        assert seen is not None
        assert (seen.trouble, seen.replies["done"]) == ("", 1)


def age_s(since: str, world: World) -> float:
    """How long ago this was."""
    return world.server.now() - datetime.fromisoformat(since).timestamp()


# --- whether it gets on


async def test_a_bot_that_serves_gets_on_for_ever() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer_of(observer, run):
        for _ in range(20):
            await quiet(QUIET_LIMIT_S[State.LIVE] / 4)
            assert not observer.is_stuck()


async def test_a_bot_that_waits_for_its_homeserver_gets_on_for_ever() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer_of(observer, run):
        world.go_down()
        for _ in range(20):
            await quiet(QUIET_LIMIT_S[State.DEGRADED] / 4)
            assert not observer.is_stuck()


async def test_a_bot_that_does_not_come_to_its_next_sync_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer_of(observer, run):

        async def hang(*_: object) -> None:
            await anyio.sleep_forever()

        monkeypatch.setattr(InlineStore, "commit", hang)
        await quiet(QUIET_LIMIT_S[State.LIVE] + 60)
        assert observer.is_stuck()
        monkeypatch.undo()


async def test_a_bot_whose_files_never_open_is_stuck() -> None:
    observer = observer_in(World())
    assert not observer.is_stuck()
    await quiet(QUIET_LIMIT_S[INITIAL] + 1)
    assert observer.is_stuck()


def observer_of(observer: Observer, run: Run) -> AbstractAsyncContextManager[None]:
    """Watch a run, and listen to its meter."""
    observer.meter = run.bot.activities.meter
    return observer.watching("boot", run.bot, run.supervisor)


async def test_a_second_process_on_the_account_is_seen_until_it_is_gone() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        assert (await look(observer)).second_instance is None
        world.server.announce(BOT, Instance("boot-7", "process 7 on myhost"))
        assert (await look(observer)).second_instance == "process 7 on myhost"
        await quiet(Bounds().gone_after_s)
        assert (await look(observer)).second_instance is None


@pytest.mark.parametrize("set_s", [-3600.0, 86_400.0])
async def test_ages_are_right_after_the_clock_was_set(set_s: float) -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        await quiet(100)
        before = await look(observer)
        world.server.skip(set_s)
        seen = await look(observer)
        since = datetime.fromisoformat(seen.lifecycle.since)
        age = datetime.fromisoformat(seen.taken_at) - since
        assert 100 <= age.total_seconds() <= 110
        assert (await look(observer)).lifecycle.since == seen.lifecycle.since
        moved = since - datetime.fromisoformat(before.lifecycle.since)
        assert moved.total_seconds() == pytest.approx(set_s)


async def test_what_is_shown_of_growing_answers_is_seen() -> None:
    world = World()
    observer = observer_in(world)
    async with world.boot(streams=False) as run, observer.watching("boot", run.bot, run.supervisor):
        await run.go_live()
        run.let_run()
        seen = (await look(observer)).streaming
        assert seen is not None
        assert (seen.off, seen.per_s) == ("BOT_STREAM=off", world.bounds.live_edits.per_s)
        assert set(seen.live_edits) == {"sent", "busy", "limited", "no_token"}


async def test_a_homeserver_that_does_not_bundle_edits_is_seen() -> None:
    world = World()
    observer = observer_in(world)
    async with world.live() as run, observer.watching("boot", run.bot, run.supervisor):
        await run.bot.services.traits.note(bundles=True)
        well = (await look(observer)).streaming
        assert well is not None
        assert not well.off
        await run.bot.services.traits.note(bundles=False)
        seen = (await look(observer)).streaming
        assert seen is not None
        assert seen.off == "the homeserver does not bundle edits"


async def test_of_several_processes_each_shows_which_one_leads() -> None:
    world = World()
    observer = observer_in(world)

    def notice(sentence: str) -> None:
        observer.waits_for = sentence

    leader = world.lease.leadership(SimulatedLease(world.lease, "one"))
    standby = world.lease.leadership(SimulatedLease(world.lease, "other"), notice=notice)
    lead = await leader.lead()
    observer.leadership = leader
    seen = await observer.snapshot()
    assert seen.leading == Leading(role="leader", epoch=lead.epoch, leader="one")
    observer.leadership = standby
    observer.standing_by("boot", Drive(State.STANDBY).supervisor)
    assert observer.readiness()[0] is False
    with anyio.move_on_after(1):
        await standby.lead()
    seen = await look(observer)
    waits_for = f"one leads in epoch {lead.epoch}"
    assert seen.lifecycle.reason == waits_for
    assert observer.readiness() == (False, f"standby since {seen.lifecycle.since}: {waits_for}")
    assert seen.leading == Leading(role="standby", epoch=lead.epoch, leader="one")
    observer.leadership = SoleLeader()
    assert (await look(observer)).leading is None
