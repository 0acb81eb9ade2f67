"""What a handler, a hook or the policy may do, and what it does to the others."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import pairwise
from random import Random

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from actors.messages import (
    InboxWaiting,
    IntentsWaiting,
    OwnerComplete,
    RoomChanged,
    RoomChecked,
    RoomLeft,
    RoomReported,
    RowsSettled,
    SnapshotTaken,
    owner_address,
    room_address,
)
from actors.model import RoomId, UserId
from actors.port_errors import HomeserverUnavailable, RateLimited, SessionRevoked, StoreUnavailable
from actors.rules.classify import Conflict, ConflictReason, Skipped, SkipReason
from actors.rules.room_states import RoomState
from actors.rules.settlement import RoomReport
from actors.runtime.cells import Cell
from actors.runtime.letters import ActorCrashed, Address, FailuresShared, Message, Report
from actors.runtime.policy import RuntimeBounds
from actors.runtime.restart import Backoff
from tests.stepping.actors import ActorStage, actor_stage, pass_time

pytestmark = pytest.mark.anyio

ROOM, OTHER_ROOM = (room_address(RoomId(f"!{name}:sim.test")) for name in ("room", "other"))
ALICE = owner_address(UserId("@alice:sim.test"))
ASKED = OwnerComplete((), partial=False, stored=None, intents=())
BOUNDS = RuntimeBounds()


class Does:
    """An actor whose handler does what the test says."""

    def __init__(self, act: Callable[[Message], Awaitable[None]]) -> None:
        self._act = act

    async def handle(self, message: Message) -> None:
        await self._act(message)

    async def crashed(self, error: Exception) -> None:
        """Nothing to note."""


def let_do(stage: ActorStage, address: Address, act: Callable[[Message], Awaitable[None]]) -> None:
    """Let one actor do this with each message; the others do what is planned."""
    spawn = stage.system._handling.spawn
    stage.system._handling.spawn = lambda asked: Does(act) if asked == address else spawn(asked)


def own_cancellation() -> BaseException:
    """The loop's cancellation, as it comes out of a task that another part has cancelled."""
    kind = anyio.get_cancelled_exc_class()
    create = getattr(kind, "_create", None)
    return kind() if create is None else create(source="explicit")


# ------------------------------------------------------------ groups of errors


@pytest.mark.parametrize("depth", [1, 2, 5])
async def test_a_rate_limit_in_a_group_is_waited_out_and_no_crash(depth: int) -> None:
    error: Exception = RateLimited(7.0)
    for _ in range(depth):
        error = ExceptionGroup("tasks", [error])
    async with actor_stage() as stage:
        stage.fail(ROOM, error)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(10)
        assert stage.times == pytest.approx([0.0, 7.0])
        assert (stage.crashed, stage.meter.crashes, stage.spawned) == ([], 0, [ROOM])


async def test_a_port_error_in_a_group_is_judged_as_that_error() -> None:
    async with actor_stage() as stage:
        stage.gate.live = False
        error = HomeserverUnavailable("no answer")
        stage.fail(ROOM, *[ExceptionGroup("tasks", [error])] * 8)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(1200)
        assert stage.transitions(ROOM) == []
        assert stage.crashed == [(ROOM, error)] * 8
        assert stage.finished == [(ROOM, RoomChanged())]


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_bug_in_a_group_is_a_crash_that_rests_as_long_as_the_group_asks(
    reverse: bool,  # noqa: FBT001
) -> None:
    bug, errors = ValueError("a bug"), [RateLimited(50.0), HomeserverUnavailable("gone")]
    errors_in_order = [bug, *errors][:: -1 if reverse else 1]
    async with actor_stage() as stage:
        stage.fail(ROOM, ExceptionGroup("tasks", errors_in_order))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(100)
        assert stage.crashed == [(ROOM, bug)]
        assert stage.times == pytest.approx([0.0, 50.0])


@pytest.mark.parametrize("reverse", [False, True])
async def test_without_a_bug_the_longest_rest_in_a_group_counts(
    reverse: bool,  # noqa: FBT001
) -> None:
    errors = [RateLimited(3.0), HomeserverUnavailable("gone"), RateLimited(9.0)]
    async with actor_stage() as stage:
        stage.fail(ROOM, ExceptionGroup("tasks", errors[:: -1 if reverse else 1]))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(20)
        assert stage.crashed == []
        assert stage.times == pytest.approx([0.0, 9.0])


# ------------------------------------------------------------ cancellations


async def test_a_handler_that_raises_the_loops_cancellation_crashes_alone() -> None:
    async with actor_stage() as stage:
        raised: list[Message] = []

        async def act(message: Message) -> None:
            raised.append(message)
            if len(raised) == 1:
                raise own_cancellation()

        let_do(stage, ROOM, act)
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time(5)
        assert raised == [RoomChanged(), RoomChanged()]
        assert stage.finished == [(OTHER_ROOM, RoomChanged())]
        assert stage.meter.crashes == 1


async def test_background_work_that_raises_the_loops_cancellation_harms_nobody() -> None:
    async def work() -> None:
        raise own_cancellation()

    async with actor_stage() as stage:
        with capture_logs() as logs:
            stage.system.background.run(work)
            stage.system.tell(ROOM, RoomChanged())
            await pass_time(1)
        assert stage.finished == [(ROOM, RoomChanged())]
        assert [line["event"] for line in logs] == ["background_failed"]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_program_ends_it_out_of_a_handler_too(fatal: type[BaseException]) -> None:
    async def act(_message: Message) -> None:
        raise fatal

    async def main() -> None:
        async with actor_stage() as stage:
            let_do(stage, ROOM, act)
            stage.system.tell(ROOM, RoomChanged())
            await anyio.sleep(60)

    with pytest.raises(fatal):
        anyio.run(main)


# ------------------------------------------------------------ turns


async def test_an_actor_that_tells_itself_for_ever_leaves_turns_and_hears_stop() -> None:
    async with actor_stage() as stage:
        handled = 0

        async def act(message: Message) -> None:
            nonlocal handled
            handled += 1
            stage.system.tell(ROOM, message)

        let_do(stage, ROOM, act)
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(OTHER_ROOM, RoomChanged())
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert stage.finished == [(OTHER_ROOM, RoomChanged())]
        assert await stage.system.stop(1) == ()
        before = handled
        await anyio.lowlevel.checkpoint()
        assert handled == before > 0


# ------------------------------------------------------------ leaving


async def shielded() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(1000)


async def deaf() -> None:
    """Swallow every cancellation, until the test is over."""
    for _ in range(50):
        try:
            await anyio.sleep(20)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await anyio.sleep(20)


@pytest.mark.parametrize("lasts", [shielded, deaf])
async def test_leaving_names_a_handler_that_does_not_end_and_waits_no_longer_than_it_may(
    lasts: Callable[[], Awaitable[None]],
) -> None:
    async def act(_message: Message) -> None:
        await lasts()

    with capture_logs() as logs:
        async with actor_stage() as stage:
            let_do(stage, ROOM, act)
            stage.system.tell(ROOM, RoomChanged())
            await pass_time(1)
            assert await stage.system.stop(10) == (ROOM,)
        assert anyio.current_time() == pytest.approx(11.0 + BOUNDS.leave_within_s)
        assert stage.system.left_behind == (ROOM.name,)
    (line,) = [line for line in logs if line["event"] == "left_behind"]
    assert (line["actors"], line["background"]) == ([ROOM.name], [])


async def test_leaving_names_background_work_that_does_not_end() -> None:
    async with actor_stage() as stage:
        stage.system.background.run(shielded)
        await pass_time(1)
    assert anyio.current_time() == pytest.approx(1.0 + BOUNDS.leave_within_s)
    assert stage.system.left_behind == ("shielded",)


async def test_what_is_left_behind_starts_no_further_handler() -> None:
    handled: list[Message] = []
    over = anyio.Event()

    async def act(message: Message) -> None:
        handled.append(message)
        with anyio.CancelScope(shield=True):
            await over.wait()

    async with actor_stage() as stage:
        let_do(stage, ROOM, act)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(1)
        stage.system.tell(ROOM, InboxWaiting())
    over.set()
    await pass_time(60)
    assert handled == [RoomChanged()]


async def test_leaving_because_of_an_error_raises_it_whatever_is_left_behind() -> None:
    stages: list[ActorStage] = []

    async def fail() -> None:
        async with actor_stage() as stage:
            stages.append(stage)
            stage.system.background.run(shielded)
            await pass_time(1)
            raise ValueError("of the body")

    with pytest.raises(ValueError, match="of the body"):
        await fail()
    assert stages[0].system.left_behind == ("shielded",)


async def test_a_cancelled_owner_leaves_within_the_bound_too() -> None:
    with anyio.move_on_after(1) as scope:
        async with actor_stage() as stage:
            stage.system.background.run(shielded)
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert anyio.current_time() == pytest.approx(1.0 + BOUNDS.leave_within_s)


# ------------------------------------------------------------ hooks and the policy


async def test_an_actor_that_never_ends_noting_its_crash_rests_and_goes_on() -> None:
    class Hangs(Does):
        @override
        async def crashed(self, error: Exception) -> None:
            await anyio.sleep_forever()

    async with actor_stage() as stage:
        failures = [ValueError("a bug")]
        done: list[Message] = []

        async def act(message: Message) -> None:
            if failures:
                raise failures.pop()
            done.append(message)

        stage.system._handling.spawn = lambda _: Hangs(act)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(BOUNDS.crashed_within_s + 5)
        assert done == [RoomChanged()]


@pytest.mark.parametrize(
    "method",
    ["pause_s", "shared_by", "is_charged", "probe_with", "quarantined", "probed"],
)
async def test_a_policy_that_fails_stops_no_actor(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise KeyError(method)

    async with actor_stage() as stage:
        monkeypatch.setattr(type(stage.failures), method, fail)
        stage.fail(ROOM, *[ValueError("a bug")] * 3)
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time(120)
        assert stage.finished[0] == (OTHER_ROOM, RoomChanged())
        assert (ROOM, RoomChanged()) in stage.finished


async def test_an_observer_that_fails_stops_no_actor() -> None:
    def fail(_report: Report) -> None:
        raise KeyError

    async with actor_stage() as stage:
        stage.system.observe = fail
        stage.fail(ROOM, ValueError("a bug"))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(5)
        assert stage.finished == [(ROOM, RoomChanged())]


async def test_a_timer_that_fails_stops_no_other_timer() -> None:
    def fail() -> None:
        raise KeyError

    async with actor_stage() as stage:
        stage.system._timers.later(1, fail)
        stage.system.tell_later(2, ROOM, RoomChanged())
        await pass_time(5)
        assert stage.finished == [(ROOM, RoomChanged())]


# ------------------------------------------------------------ growing pauses


class Highest(Random):
    """The dice always show the most."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def pauses(stage: ActorStage) -> list[float]:
    return [round(later - earlier) for earlier, later in pairwise(stage.times)]


@pytest.mark.parametrize(
    ("address", "message", "error"),
    [
        (ALICE, IntentsWaiting(), HomeserverUnavailable("gone")),
        (ALICE, IntentsWaiting(), ValueError("a bug")),
    ],
)
async def test_the_pauses_of_an_actor_that_never_recovers_grow_to_the_cap_and_stay_there(
    address: Address, message: Message, error: Exception
) -> None:
    async with actor_stage() as stage:
        stage.system._recovery._random = Highest()
        stage.fail(address, *[error] * 20)
        stage.system.tell(address, message)
        await pass_time(2000)
        assert pauses(stage) == [2, 4, 8, 16, 32, *[60] * 15]


async def test_pauses_of_shared_failures_grow_too() -> None:
    rooms = [room_address(RoomId(f"!{number}:sim.test")) for number in range(8)]
    async with actor_stage() as stage:
        stage.system._recovery._random = Highest()
        for room in rooms:
            stage.fail(room, *[StoreUnavailable("locked")] * 8)
            stage.system.tell(room, RoomChanged())
        await pass_time(400)
        assert not any(cell.quarantined for cell in stage.system.cells)
        times = [
            at for at, (address, _) in zip(stage.times, stage.handled, strict=True)
            if address == rooms[-1]
        ]  # fmt: skip
        assert [round(b - a) for a, b in pairwise(times)] == [2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_single_success_between_crashes_makes_no_pause_shorter() -> None:
    async with actor_stage() as stage:
        stage.system._recovery._random = Highest()
        for _ in range(4):
            stage.fail(ALICE, ValueError("a bug"))
            stage.system.tell(ALICE, IntentsWaiting())
            await pass_time(20)
        assert stage.system.cells.of(ALICE).streak.failures == 4
        await pass_time(BOUNDS.healthy_after_s)
        stage.fail(ALICE, ValueError("a bug"))
        stage.system.tell(ALICE, IntentsWaiting())
        await pass_time()
        assert stage.system.cells.of(ALICE).streak.failures == 1


async def test_a_room_that_is_read_but_fails_over_its_messages_is_set_aside_for_longer_each_time(
) -> None:  # fmt: skip
    async with actor_stage() as stage:
        stage.system._recovery._random = Highest()

        async def act(message: Message) -> None:
            if isinstance(message, RoomLeft):
                raise KeyError

        let_do(stage, ROOM, act)
        waits = []
        for _ in range(3):
            for _ in range(9):
                stage.system.tell(ROOM, RoomLeft())
                await pass_time(1)
            assert stage.state_of(ROOM) is RoomState.QUARANTINED
            cell = stage.system.cells.of(ROOM)
            waits.append(round(cell.paused_until - anyio.current_time(), -1))
            cell.mailbox = None
            await pass_time(waits[-1] + 2)
            assert stage.state_of(ROOM) is RoomState.UNCHECKED
        assert waits == sorted(set(waits))


# ------------------------------------------------------------ answers of an earlier round


def checked(name: str) -> RoomChecked:
    return RoomChecked(RoomId(name), 0, Skipped(SkipReason.UNLINKED))


async def test_a_late_answer_of_a_round_is_not_heard_by_the_next_round() -> None:
    async with actor_stage() as stage:
        heard: list[Report] = []
        rests = [20.0, 0.0]

        async def act(_message: Message) -> None:
            name, rest_s = ("late", "in time")[len(rests) == 1], rests.pop(0)
            await anyio.sleep(rest_s)
            stage.system.report(checked(name))

        def hear(report: Report) -> bool:
            heard.append(report)
            return True

        let_do(stage, ALICE, act)
        with pytest.raises(TimeoutError):
            await stage.system.ask([(ALICE, ASKED)], hear, 10.0)
        await stage.system.ask([(ALICE, ASKED)], hear, 30.0)
        assert heard == [checked("in time")]
        assert stage.meter.dead_letters == 1


async def test_what_waits_when_a_round_has_ended_is_dropped() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 30.0
        stage.system.tell(ALICE, IntentsWaiting())
        await pass_time(1)
        with pytest.raises(TimeoutError):
            await stage.system.ask([(ALICE, ASKED)], lambda _: False, 10.0)
        await pass_time(100)
        assert stage.messages(ALICE) == [IntentsWaiting()]


@pytest.mark.parametrize("error", [ValueError("a bug"), RateLimited(2.0)])
async def test_a_part_of_a_round_that_fails_after_it_is_not_tried_again(error: Exception) -> None:
    async with actor_stage() as stage:
        stage.takes_s = 20.0
        stage.fail(ALICE, error)
        with pytest.raises(TimeoutError):
            await stage.system.ask([(ALICE, ASKED)], lambda _: False, 10.0)
        await pass_time(200)
        assert len(stage.handled) == 1
        stage.takes_s = 0.0
        stage.system.tell(ALICE, IntentsWaiting())
        await pass_time(100)
        assert stage.messages(ALICE)[1:] == [IntentsWaiting()]


async def test_what_a_late_handler_tells_within_its_round_is_dropped_and_the_rest_arrives() -> None:
    async with actor_stage() as stage:
        snapshot = SnapshotTaken.__new__(SnapshotTaken)

        async def act(message: Message) -> None:
            if message is ASKED:
                await anyio.sleep(20)
                stage.system.tell(ROOM, snapshot)
                stage.system.tell(ROOM, RoomChanged())

        let_do(stage, ALICE, act)
        with pytest.raises(TimeoutError):
            await stage.system.ask([(ALICE, ASKED)], lambda _: False, 10.0)
        await pass_time(30)
        assert stage.messages(ROOM) == [RoomChanged()]


async def test_a_round_may_go_on_after_the_crash_of_an_actor_outside_of_it() -> None:
    async with actor_stage() as stage:

        def hear(report: Report) -> bool:
            if isinstance(report, ActorCrashed):
                stage.system.tell(ALICE, ASKED)
            return bool(stage.messages(ALICE))

        stage.fail(ROOM, ValueError("a bug"))
        stage.system.tell(ROOM, RoomChanged())
        with pytest.raises(TimeoutError):
            await stage.system.ask([], hear, 10.0)
        assert stage.messages(ALICE) == [ASKED]


def test_only_what_is_settled_in_a_round_is_part_of_it() -> None:
    desired = RowsSettled.__new__(RowsSettled)
    object.__setattr__(desired, "in_round", False)
    assert not desired.is_asked
    object.__setattr__(desired, "in_round", True)
    assert desired.is_asked


# ------------------------------------------------------------ very many slots


def reports(count: int) -> list[RoomReported]:
    conflict = Conflict(ConflictReason.FAILED, "")
    return [RoomReported(RoomReport(RoomId(f"!{number}"), 0, conflict)) for number in range(count)]


def test_a_mailbox_is_never_copied_however_much_waits() -> None:
    cell = Cell(ALICE, 0.0)
    for report in reports(1000):
        cell.post(report)
    mailbox, first = cell.mailbox, cell.take()
    cell.keep(first)
    assert isinstance(mailbox, OrderedDict)  # a plain dict is slow to empty from its front
    assert cell.mailbox is mailbox
    assert cell.take() is first
    cell.keep(IntentsWaiting())
    assert next(reversed(mailbox)) is IntentsWaiting


async def test_a_hundred_thousand_slots_are_handled_in_order_after_a_crash() -> None:
    async with actor_stage() as stage:
        told = reports(100_000)
        handled: list[Message] = []
        failures: list[Exception] = [ValueError("a bug"), SessionRevoked("logged out")]

        async def act(message: Message) -> None:
            if len(handled) == 50_000 and failures:
                raise failures.pop()
            handled.append(message)

        let_do(stage, ALICE, act)
        for report in told:
            stage.system.tell(ALICE, report)
        await pass_time(60)
        assert handled == told


async def test_thousands_of_rooms_that_fail_alike_are_uncharged_once_each() -> None:
    rooms = [room_address(RoomId(f"!{number}:sim.test")) for number in range(2000)]
    async with actor_stage() as stage:
        charged = stage.system._recovery._charged
        for room in rooms:
            stage.fail(room, StoreUnavailable("locked"))
            stage.system.tell(room, RoomChanged())
        await pass_time()
        assert len(charged) == 0
        assert not any(cell.crashes for cell in stage.system.cells)
        shared = [each for each in stage.reports if isinstance(each, FailuresShared)]
        assert shared[-1].actors == len(rooms)


def test_a_cap_is_reached_by_the_sixth_failure() -> None:
    assert Backoff().delay_s(6, Highest()) == Backoff().cap_s
