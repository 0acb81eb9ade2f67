"""What becomes of an actor whose handler raises."""

from collections import deque
from itertools import pairwise

import pytest

from actors.messages import (
    InboxWaiting,
    IntentsWaiting,
    RoomChanged,
    RoomLeft,
    owner_address,
    room_address,
)
from actors.model import RoomId, UserId
from actors.port_errors import (
    HomeserverUnavailable,
    PlatformFailed,
    RateLimited,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.rules.room_states import RoomState, RoomTrigger
from actors.runtime.cells import Actor
from actors.runtime.letters import ActorCrashed, Address
from actors.runtime.table import Outcome
from tests.stepping.actors import actor_stage, pass_time

pytestmark = pytest.mark.anyio

ROOM, OTHER_ROOM = (room_address(RoomId(f"!{name}:sim.test")) for name in ("room", "other"))
ALICE = owner_address(UserId("@alice:sim.test"))


async def test_a_crashed_actor_is_started_anew_and_given_its_message_again() -> None:
    async with actor_stage() as stage:
        error = ValueError("a bug")
        stage.fail(ROOM, error)
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(10)
        assert stage.messages(ROOM) == [RoomChanged(), RoomChanged(), InboxWaiting()]
        assert stage.spawned == [ROOM, ROOM]
        assert stage.crashed == [(ROOM, error)]
        assert stage.reports == [ActorCrashed(ROOM, error)]


async def test_restarts_wait_longer_each_time_with_jitter() -> None:
    async with actor_stage() as stage:
        stage.fail(ALICE, *[HomeserverUnavailable("gone")] * 6)
        stage.system.tell(ALICE, IntentsWaiting())
        await pass_time(600)
        waits = [later - earlier for earlier, later in pairwise(stage.times)]
        assert len(waits) == 6
        assert all(1.0 <= wait <= 2.0**attempt + 0.001 for attempt, wait in enumerate(waits, 1))
        assert max(waits) > 2
        assert stage.finished == [(ALICE, IntentsWaiting())]


async def test_a_crash_in_one_room_is_no_matter_to_the_others() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 50)
        for _ in range(100):
            stage.system.tell(ROOM, RoomChanged())
            stage.system.tell(OTHER_ROOM, RoomChanged())
            await pass_time(1)
        assert len([each for each in stage.finished if each[0] == OTHER_ROOM]) == 100


async def test_a_message_told_meanwhile_takes_the_place_of_the_one_that_crashed() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, ValueError("a bug"))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time()
        stage.system.tell(ROOM, InboxWaiting())
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(10)
        assert stage.messages(ROOM) == [RoomChanged(), RoomChanged(), InboxWaiting()]


@pytest.mark.parametrize("retry_after_s", [0.5, 7.0, 900.0])
async def test_a_rate_limited_actor_rests_exactly_as_long_as_it_was_told(
    retry_after_s: float,
) -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, RateLimited(retry_after_s))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(retry_after_s / 2)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(retry_after_s)
        assert stage.times == pytest.approx([0.0, retry_after_s, retry_after_s])
        assert stage.messages(ROOM) == [RoomChanged(), RoomChanged(), InboxWaiting()]


@pytest.mark.parametrize("error", [RateLimited(1), SessionRevoked("logged out")])
async def test_waiting_for_the_server_is_no_crash(error: Exception) -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[error] * 10)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(60)
        assert stage.spawned == [ROOM]
        assert not stage.crashed
        assert not stage.reports
        assert stage.finished == [(ROOM, RoomChanged())]
        assert stage.transitions(ROOM) == []


# ------------------------------------------------------------ quarantine


async def test_three_crashes_within_a_minute_set_a_room_aside() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(10)
        assert len(stage.handled) == 3
        assert stage.state_of(ROOM) is RoomState.QUARANTINED
        (row,) = stage.journal.records
        assert (row.trigger, row.outcome) == ("failed_repeatedly", Outcome.OK)
        assert row.reason.startswith("a bug; next probe in ")


async def test_a_quarantined_room_is_probed_and_a_success_makes_it_ready_to_be_checked() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(25)
        assert len(stage.handled) == 3
        await pass_time(45)
        assert stage.messages(ROOM)[3:] == [InboxWaiting(), RoomChanged()]
        assert stage.transitions(ROOM) == [
            ("unchecked", "failed_repeatedly", "quarantined"),
            ("quarantined", "probed", "unchecked"),
        ]
        assert stage.state_of(ROOM) is RoomState.UNCHECKED


async def test_a_probe_that_fails_sets_the_room_aside_again_for_longer() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 20)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(4 * 3600)
        probes = [later - earlier for earlier, later in pairwise(stage.times[2:])]
        assert len(probes) >= 17
        assert all(30.0 <= wait <= 900.001 for wait in probes)
        assert max(probes) > 300
        assert (
            stage.transitions(ROOM)[:4]
            == [
                ("unchecked", "failed_repeatedly", "quarantined"),
                ("quarantined", "probed", "unchecked"),
            ]
            * 2
        )
        assert [row.attempt for row in stage.journal.records[:4]] == [1, 1, 2, 2]
        assert (ROOM, RoomChanged()) in stage.finished


async def test_crashes_far_apart_set_nobody_aside() -> None:
    async with actor_stage() as stage:
        for _ in range(6):
            stage.fail(ROOM, ValueError("a bug"))
            stage.system.tell(ROOM, RoomChanged())
            await pass_time(61 / 2)
        assert stage.transitions(ROOM) == []
        assert len(stage.finished) == 6


async def test_an_owner_is_never_set_aside() -> None:
    async with actor_stage() as stage:
        stage.fail(ALICE, *[ValueError("a bug")] * 5)
        stage.system.tell(ALICE, IntentsWaiting())
        await pass_time(300)
        assert stage.finished == [(ALICE, IntentsWaiting())]
        assert stage.journal.records == []


async def test_the_homeservers_absence_is_charged_to_no_room_before_the_bot_is_live() -> None:
    async with actor_stage() as stage:
        stage.gate.live = False
        stage.fail(ROOM, *[HomeserverUnavailable("gone")] * 6)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(600)
        assert stage.transitions(ROOM) == []
        assert stage.finished == [(ROOM, RoomChanged())]


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailable("gone"),
        StoreCorrupt("missing in the database: outbox"),
        ExceptionGroup("several", [PlatformFailed("so"), StoreUnavailable("gone")]),
        ExceptionGroup("nested", [ExceptionGroup("", [StoreCorrupt("lost")]), KeyError("then")]),
    ],
)
async def test_a_failure_of_the_store_is_charged_to_no_room(error: Exception) -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[error] * 6)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(600)
        assert stage.transitions(ROOM) == []
        assert stage.finished == [(ROOM, RoomChanged())]


async def test_messages_told_to_a_quarantined_room_wait_for_its_probe() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(10)
        stage.system.tell(ROOM, RoomLeft())
        await pass_time(15)
        assert len(stage.handled) == 3
        await pass_time(60)
        assert stage.messages(ROOM)[3:] == [InboxWaiting(), RoomLeft(), RoomChanged()]


async def test_going_live_again_gives_every_resting_actor_another_chance_at_once() -> None:
    async with actor_stage() as stage:
        stage.fail(ALICE, RateLimited(900))
        stage.fail(ROOM, HomeserverUnavailable("gone"), HomeserverUnavailable("gone"))
        stage.system.tell(ALICE, IntentsWaiting())
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(0.5)
        stage.system.outage_is_over()
        await pass_time()
        assert stage.finished == [(ALICE, IntentsWaiting())]
        assert len(stage.messages(ROOM)) == 2
        cell = stage.system.cells.of(ROOM)
        assert len(cell.crashes) == 1


async def test_going_live_again_leaves_quarantined_rooms_to_their_probes() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(10)
        stage.system.outage_is_over()
        await pass_time(1)
        assert len(stage.handled) == 3


# ------------------------------------------------------------ faults within the fault


@pytest.mark.parametrize("error", [StoreUnavailable("locked"), ValueError("another bug")])
async def test_an_actor_that_cannot_even_note_its_crash_stops_nobody(error: Exception) -> None:
    async with actor_stage() as stage:
        stage.crashed_raises = error
        stage.fail(ROOM, ValueError("a bug"))
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time(10)
        assert stage.finished == [(OTHER_ROOM, RoomChanged()), (ROOM, RoomChanged())]


async def test_a_journal_that_fails_keeps_no_room_in_quarantine() -> None:
    async with actor_stage() as stage:
        stage.journal.fault = StoreUnavailable("disk full")
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(10)
        assert stage.state_of(ROOM) is RoomState.QUARANTINED
        await pass_time(60)
        assert stage.messages(ROOM)[3:] == [InboxWaiting(), RoomChanged()]


async def test_a_trigger_that_a_room_has_no_row_for_is_journaled_as_denied() -> None:
    async with actor_stage() as stage:
        stage.states.fire(RoomId(ROOM.name), RoomTrigger.REPAIRED, "nothing to repair")
        await pass_time()
        (row,) = stage.journal.records
        assert (row.src, row.dst, row.outcome) == ("unchecked", "unchecked", Outcome.DENIED)
        assert stage.state_of(ROOM) is RoomState.UNCHECKED


async def test_an_actor_that_cannot_be_made_is_tried_again_with_its_message() -> None:
    async with actor_stage() as stage:
        spawn, failures = stage.system._handling.spawn, deque([ValueError("no actor")])

        def spawn_second(address: Address) -> Actor:
            if failures:
                raise failures.popleft()
            return spawn(address)

        stage.system._handling.spawn = spawn_second
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(5)
        assert stage.finished == [(ROOM, RoomChanged())]
        assert stage.meter.crashes == 1


async def test_an_interrupted_probe_is_no_success() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(20)
        assert stage.state_of(ROOM) is RoomState.QUARANTINED
        stage.takes_s = 1000.0
        await pass_time(60)
        assert stage.state_of(ROOM) is RoomState.UNCHECKED
        stage.system.interrupt()
        await pass_time()
        assert stage.system.cells.probes_of(ROOM) == 1


@pytest.mark.parametrize("error", [None, ValueError("a bug"), RateLimited(3)])
async def test_an_actor_set_aside_at_work_waits_for_its_probe(error: Exception | None) -> None:
    async with actor_stage() as stage:
        stage.takes_s = 1.0
        if error is not None:
            stage.fail(ROOM, error)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(0.5)
        stage.system.set_aside(ROOM, HomeserverUnavailable("unreadable"))
        await pass_time(20)
        assert stage.state_of(ROOM) is RoomState.QUARANTINED
        assert stage.system.cells.probes_of(ROOM) == 1
        await pass_time(60)
        assert stage.state_of(ROOM) is RoomState.UNCHECKED
