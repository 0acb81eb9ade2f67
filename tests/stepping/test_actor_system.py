"""Mailboxes and tasks: who is given what, when, and how many at a time."""

from functools import partial

import anyio
import anyio.lowlevel
import pytest
import structlog
from structlog.testing import capture_logs

from actors.messages import (
    InboxWaiting,
    IntentsWaiting,
    OwnerComplete,
    RoomChanged,
    RoomChecked,
    RoomLeft,
    RoomReported,
    owner_address,
    room_address,
)
from actors.model import RoomId, UserId
from actors.port_errors import HomeserverUnavailable
from actors.rules.classify import Conflict, ConflictReason, Skipped, SkipReason
from actors.rules.settlement import RoomReport
from actors.runtime.letters import ActorCrashed, Address, Message, Report
from tests.stepping.actors import actor_stage, pass_time

pytestmark = pytest.mark.anyio

ROOM, OTHER_ROOM = (room_address(RoomId(f"!{name}:sim.test")) for name in ("room", "other"))
ALICE = owner_address(UserId("@alice:sim.test"))


def reported(room_id: str, detail: str = "") -> RoomReported:
    conflict = Conflict(ConflictReason.FAILED, detail)
    return RoomReported(RoomReport(RoomId(room_id), 0, conflict))


async def test_an_actor_handles_one_message_at_a_time() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 1.0
        for message in (RoomChanged(), InboxWaiting(), RoomLeft()):
            stage.system.tell(ROOM, message)
        await pass_time(10)
        assert len(stage.finished) == 3
        assert stage.busiest[ROOM] == 1
        assert stage.times == pytest.approx([0.0, 1.0, 2.0])


async def test_actors_run_side_by_side() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 1.0
        rooms = [room_address(RoomId(f"!{number}:sim.test")) for number in range(20)]
        for room_id in rooms:
            stage.system.tell(room_id, RoomChanged())
        await pass_time(1.5)
        assert len(stage.finished) == 20
        assert stage.most_at_once == 20


async def test_every_handling_is_measured_and_a_crash_is_counted() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, ValueError("no"))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(5)
        assert stage.meter.crashes == 1
        assert sum(stage.meter.handling.counts) == 2


async def test_messages_are_handled_in_the_order_in_which_they_were_told() -> None:
    async with actor_stage() as stage:
        messages: list[Message] = [reported(f"!{number}") for number in range(30)]
        messages += [OwnerComplete((), partial=False, stored=None, intents=()), IntentsWaiting()]
        for message in messages:
            stage.system.tell(ALICE, message)
        await pass_time()
        assert stage.messages(ALICE) == messages


CHECKED = [RoomChecked(RoomId(f"!{number}"), 0, Skipped(SkipReason.UNLINKED)) for number in (1, 2)]


async def test_whoever_asks_hears_every_report_until_there_is_an_answer() -> None:
    heard: list[Report] = []

    def hear(report: Report) -> bool:
        heard.append(report)
        return report == CHECKED[1]

    async with actor_stage() as stage, anyio.create_task_group() as tasks:
        tasks.start_soon(stage.system.ask, [(ROOM, RoomChanged())], hear, 10.0)
        await pass_time()
        assert stage.messages(ROOM) == [RoomChanged()]
        for report in CHECKED:
            stage.system.report(report)
        await pass_time()
        stage.system.report(ActorCrashed(ROOM, ValueError()))
        assert heard == CHECKED
        assert len(stage.reports) == 1
        assert stage.meter.dead_letters == 0


async def test_an_answer_that_comes_too_late_is_a_dead_letter() -> None:
    async with actor_stage() as stage:
        asked_at = anyio.current_time()
        with pytest.raises(TimeoutError):
            await stage.system.ask([(ROOM, RoomChanged())], lambda _: True, 10.0)
        assert anyio.current_time() == pytest.approx(asked_at + 10)
        stage.system.report(CHECKED[0])
        assert stage.meter.dead_letters == 1


async def test_signals_that_wait_coalesce_and_keep_their_place() -> None:
    async with actor_stage() as stage:
        for _ in range(1000):
            stage.system.tell(ROOM, RoomChanged())
            stage.system.tell(ROOM, InboxWaiting())
        await pass_time()
        assert stage.messages(ROOM) == [RoomChanged(), InboxWaiting()]


async def test_what_changes_after_a_departure_is_looked_at_after_it() -> None:
    async with actor_stage() as stage:
        for message in (RoomChanged(), RoomLeft(), RoomChanged()):
            stage.system.tell(ROOM, message)
        await pass_time()
        assert stage.messages(ROOM) == [RoomLeft(), RoomChanged()]


async def test_the_latest_report_of_a_room_takes_the_place_of_an_earlier_one() -> None:
    async with actor_stage() as stage:
        stage.system.tell(ALICE, reported("!a", "old"))
        stage.system.tell(ALICE, reported("!b"))
        stage.system.tell(ALICE, reported("!a", "new"))
        await pass_time()
        assert stage.messages(ALICE) == [reported("!a", "new"), reported("!b")]


async def test_a_signal_that_comes_while_its_like_is_handled_is_handled_afterwards() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 1.0
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(0.5)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(5)
        assert stage.messages(ROOM) == [RoomChanged(), RoomChanged()]
        assert stage.busiest[ROOM] == 1


async def test_what_people_said_or_were_promised_is_not_handled_before_the_bot_is_live() -> None:
    async with actor_stage() as stage:
        stage.gate.live = False
        stage.system.tell(ROOM, InboxWaiting())
        stage.system.tell(ALICE, IntentsWaiting())
        stage.system.tell(ROOM, RoomChanged())
        await pass_time()
        assert stage.handled == [(ROOM, RoomChanged())]


async def test_a_message_can_be_told_later() -> None:
    async with actor_stage() as stage:
        stage.system.tell_later(5.0, ROOM, RoomChanged())
        stage.system.tell_later(2.0, OTHER_ROOM, RoomChanged())
        await pass_time(4.999)
        assert [address for address, _ in stage.handled] == [OTHER_ROOM]
        await pass_time(0.002)
        assert [address for address, _ in stage.handled] == [OTHER_ROOM, ROOM]
        assert stage.times == pytest.approx([2.0, 5.0])


async def test_an_idle_actor_is_dropped_after_fifteen_minutes() -> None:
    async with actor_stage() as stage:
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(14 * 60)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(14 * 60)
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(17 * 60)
        assert stage.spawned == [ROOM]
        stage.system.tell(ROOM, RoomChanged())
        await pass_time()
        assert stage.spawned == [ROOM, ROOM]
        assert len(stage.finished) == 4


async def test_an_actor_that_is_dropped_while_it_rests_keeps_its_messages() -> None:
    async with actor_stage() as stage:
        stage.fail(ROOM, HomeserverUnavailable("gone"))
        stage.system.tell(ROOM, RoomChanged())
        await pass_time()
        cell = stage.system.cells.of(ROOM)
        assert cell.mailbox == {RoomChanged: RoomChanged()}
        await pass_time(3600)
        assert stage.finished == [(ROOM, RoomChanged())]
        assert cell.mailbox is None


async def test_a_long_handler_is_not_dropped_under_way() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 3600.0
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(1800)
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(2 * 3600)
        assert len(stage.finished) == 2
        assert stage.spawned == [ROOM]


# ------------------------------------------------------------ stopping


async def test_stopping_lets_a_running_handler_end_and_starts_no_other() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 3.0
        stage.system.tell(ROOM, RoomChanged())
        stage.system.tell(ROOM, InboxWaiting())
        await pass_time(1)
        assert await stage.system.stop(10) == ()
        assert anyio.current_time() == pytest.approx(3.0)
        stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time(60)
        assert stage.finished == [(ROOM, RoomChanged())]


async def test_stopping_names_who_is_stuck_and_waits_no_longer_than_it_may() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 3600.0
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(1)
        stage.takes_s = 2.0
        stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time(1)
        assert await stage.system.stop(10) == (ROOM,)
        assert anyio.current_time() == pytest.approx(12.0)
        assert stage.finished == [(OTHER_ROOM, RoomChanged())]


async def test_stopping_with_nobody_busy_is_over_at_once() -> None:
    async with actor_stage() as stage:
        stage.system.tell(ROOM, RoomChanged())
        await pass_time()
        stopped_at = anyio.current_time()
        assert await stage.system.stop(10) == ()
        assert anyio.current_time() == stopped_at


async def test_leaving_the_system_ends_handlers_wherever_they_are() -> None:
    async with actor_stage() as stage:
        stage.takes_s = 3600.0
        stage.system.tell(ROOM, RoomChanged())
        await pass_time(1)
    assert anyio.current_time() == pytest.approx(1.0)
    assert stage.finished == []
    stage.system.tell(ROOM, RoomChanged())
    await pass_time(1)
    assert len(stage.handled) == 1


# ------------------------------------------------------------ background work


async def test_background_work_runs_beside_the_actors() -> None:
    async with actor_stage() as stage:
        done: list[str] = []

        async def work(name: str) -> None:
            await anyio.sleep(1)
            done.append(name)

        stage.system.background.run(work, "receipt")
        assert done == []
        await pass_time(2)
        assert done == ["receipt"]


@pytest.mark.parametrize("error", [HomeserverUnavailable("gone"), ValueError("a bug")])
async def test_background_work_that_fails_harms_nobody(error: Exception) -> None:
    async with actor_stage() as stage:

        async def work() -> None:
            raise error

        with structlog.testing.capture_logs() as logs:
            stage.system.background.run(work)
            stage.system.tell(ROOM, RoomChanged())
            await pass_time(1)
        assert stage.finished == [(ROOM, RoomChanged())]
        (line,) = [entry for entry in logs if entry["event"] == "background_failed"]
        assert line["error"] == str(error)


async def test_actors_may_become_known_while_all_are_looked_at() -> None:
    async with actor_stage() as stage:
        stage.system.tell(ROOM, RoomChanged())
        for cell in stage.system.cells:
            assert cell.address == ROOM
            stage.system.tell(OTHER_ROOM, RoomChanged())
        await pass_time()
        assert len(stage.finished) == 2


async def test_actors_that_wait_for_nothing_leave_turns_for_others() -> None:
    async with actor_stage() as stage:
        rallies = 0

        class Rally:
            def __init__(self, other: Address) -> None:
                self._other = other

            async def handle(self, message: Message) -> None:
                nonlocal rallies
                rallies += 1
                if rallies < 10_000:
                    stage.system.tell(self._other, message)

            async def crashed(self, error: Exception) -> None:
                raise error

        others = {ROOM: OTHER_ROOM, OTHER_ROOM: ROOM}
        stage.system._handling.spawn = lambda address: Rally(others[address])
        stage.system.tell(ROOM, RoomChanged())
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert 0 < rallies < 10_000
        await pass_time()
        assert rallies == 10_000


async def test_background_work_of_any_kind_may_fail() -> None:
    async def fail(reason: str) -> None:
        raise ValueError(reason)

    async with actor_stage() as stage:
        with capture_logs() as logs:
            stage.system.background.run(partial(fail, "no"))
            await pass_time()
        assert [line["error"] for line in logs] == ["no"]
