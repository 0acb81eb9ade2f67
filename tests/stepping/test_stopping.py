"""A request to stop ends whatever the supervisor does, and nothing comes after it."""

import anyio
import pytest

from actors.leadership import Lead
from actors.port_errors import (
    CredentialsRefused,
    HomeserverUnavailable,
    LeaseLost,
    StoreUnavailable,
)
from actors.runtime.table import Outcome
from supervisor.current import Stopped
from supervisor.lifecycle import INITIAL, State, Trigger
from tests.stepping.scripted import LONG_S, Drive, told

pytestmark = pytest.mark.anyio

ACTIVITIES = {
    State.STANDBY: "lead",
    State.LOGIN: "log_in",
    State.HYDRATE: "hydrate",
    State.RECONCILE: "reconcile",
    State.LIVE: "serve",
    State.DEGRADED: "probe",
}
BUT_STANDBY = [state for state in ACTIVITIES if state is not State.STANDBY]
each_state = pytest.mark.parametrize("state", list(ACTIVITIES))


def test_no_state_with_an_activity_is_left_out_here() -> None:
    assert set(ACTIVITIES) == set(State) - {State.STOPPED}


@each_state
async def test_a_stop_ends_the_activity_of_each_state(state: State) -> None:
    drive = Drive(INITIAL)
    await drive.go_to(state)
    drive.activities.takes_s[ACTIVITIES[state]] = LONG_S
    ends: list[Stopped] = []

    async def run() -> None:
        ends.append(await drive.supervisor.run())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.sleep(LONG_S / 2)
        drive.supervisor.request_stop("SIGTERM")
    assert [(end.cause, end.reason) for end in ends] == [(Trigger.STOP_REQUESTED, "SIGTERM")]
    assert [(row.src, row.dst) for row in drive.journal.records[-1:]] == [(state, State.STOPPED)]
    assert drive.happened == [ACTIVITIES[state], "journal: stop_requested"]


@each_state
async def test_a_stop_between_two_steps_starts_nothing_more(state: State) -> None:
    drive = Drive(INITIAL)
    await drive.go_to(state)
    drive.supervisor.request_stop("SIGINT")
    step = await drive.supervisor.step()
    assert told(step) == (state, Trigger.STOP_REQUESTED, State.STOPPED, "SIGINT")
    assert drive.happened == ["journal: stop_requested"]


@pytest.mark.parametrize("state", BUT_STANDBY)
async def test_the_loss_of_the_lead_ends_each_activity_and_a_fresh_run_follows(
    state: State,
) -> None:
    drive = Drive(INITIAL)
    await drive.go_to(state)
    drive.activities.takes_s[ACTIVITIES[state]] = LONG_S
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive.supervisor.keep_lead)
        tasks.start_soon(drive.supervisor.run)
        await anyio.sleep(LONG_S / 2)
        drive.activities.lose_lead.set()
    last = drive.supervisor.current
    assert isinstance(last, Stopped)
    assert (last.cause, last.start_again) == (Trigger.LEASE_LOST, True)
    assert last.reason == "another process leads"
    (row,) = drive.journal.records[-1:]
    assert (row.src, row.outcome) == (state, Outcome.ERROR)
    assert drive.happened == [ACTIVITIES[state], "journal: lease_lost"]


@pytest.mark.parametrize("state", BUT_STANDBY)
async def test_a_write_that_another_leader_prevents_ends_the_bot_for_a_fresh_run(
    state: State,
) -> None:
    drive = Drive(INITIAL)
    await drive.go_to(state)
    drive.activities.plan(ACTIVITIES[state], LeaseLost("epoch 7 has ended"))
    step = await drive.step()
    assert told(step) == (state, Trigger.LEASE_LOST, State.STOPPED, "epoch 7 has ended")
    assert isinstance(drive.supervisor.current, Stopped)
    assert drive.supervisor.current.start_again


async def test_a_process_that_stands_by_leads_only_when_it_is_elected() -> None:
    drive = Drive(INITIAL)
    drive.activities.takes_s["lead"] = LONG_S / 2
    lead = await drive.supervisor.stand_by()
    assert lead == drive.supervisor.lead == Lead(7, "lead done")
    assert drive.supervisor.state is State.LOGIN
    (row,) = drive.journal.records
    assert (row.trigger, row.reason, row.dwell_ms) == ("elected", "lead done", LONG_S * 500)


async def test_a_process_that_is_stopped_while_it_stands_by_has_no_lead() -> None:
    drive = Drive(INITIAL)
    drive.supervisor.request_stop("SIGTERM")
    assert await drive.supervisor.stand_by() is None
    assert (await drive.supervisor.run()).reason == "SIGTERM"


async def test_a_stop_while_waiting_for_the_next_probe_does_not_wait_for_it() -> None:
    drive = Drive()
    await drive.go_to(State.DEGRADED)
    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive.supervisor.run)
        await anyio.sleep(0.5)
        drive.supervisor.request_stop("SIGTERM")
    assert drive.supervisor.state is State.STOPPED
    assert drive.happened == ["journal: stop_requested"]
    assert anyio.current_time() - started == pytest.approx(0.5)


async def test_a_stop_while_the_journal_is_written_starts_nothing_more() -> None:
    drive = Drive()
    drive.journal.when_asked = lambda: drive.supervisor.request_stop("SIGTERM")
    assert (await drive.supervisor.run()).reason == "SIGTERM"
    assert drive.happened == ["log_in", "journal: logged_in", "journal: stop_requested"]


async def test_the_loss_of_the_lead_shows_at_once_while_the_journal_does_not_answer() -> None:
    drive = Drive()
    await drive.go_to(State.LIVE)
    drive.activities.plan("serve", StoreUnavailable("no answer"))
    drive.journal.takes_s = LONG_S / 2
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drive.supervisor.keep_lead)
        tasks.start_soon(drive.supervisor.run)
        await anyio.sleep(1)
        shown = [drive.supervisor.state]
        drive.activities.lose_lead.set()
        await anyio.sleep(1)
        shown.append(drive.supervisor.state)
        assert drive.journal.records[-1].trigger == "reconciled"
    assert shown == [State.DEGRADED, State.STOPPED]
    assert drive.happened == ["serve", "journal: store_lost", "journal: lease_lost"]
    assert drive.changes[-2:] == [
        (State.DEGRADED, "no answer"),
        (State.STOPPED, "another process leads"),
    ]


async def test_a_stop_of_a_bot_that_has_ended_changes_nothing() -> None:
    drive = Drive()
    drive.activities.plan("log_in", CredentialsRefused("wrong password"))
    drive.journal.when_asked = lambda: drive.supervisor.request_stop("SIGTERM")
    assert (await drive.supervisor.run()).reason == "wrong password"
    assert drive.happened == ["log_in", "journal: credentials_refused"]


async def test_the_first_reason_to_stop_is_kept() -> None:
    drive = Drive()
    drive.supervisor.request_stop("SIGTERM")
    drive.supervisor.request_stop("SIGINT")
    assert (await drive.supervisor.run()).reason == "SIGTERM"


async def test_an_activity_that_fails_while_it_is_stopped_is_stopped_all_the_same() -> None:
    drive = Drive()
    drive.activities.plan("log_in", HomeserverUnavailable("gone"))
    drive.activities.when_asked = lambda: drive.supervisor.request_stop("SIGTERM")
    await drive.walk(State.STOPPED)


async def test_a_cancelled_supervisor_makes_no_transition() -> None:
    drive = Drive()
    drive.activities.takes_s["log_in"] = LONG_S
    with anyio.move_on_after(1) as scope:
        await drive.supervisor.run()
    assert scope.cancelled_caught
    assert drive.supervisor.state is State.LOGIN
    assert drive.journal.records == []
