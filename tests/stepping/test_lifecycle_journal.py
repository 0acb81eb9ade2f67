"""What the journal says of the lifecycle, and when."""

import re

import anyio
import pytest
import structlog

from actors.port_errors import (
    HomeserverUnavailable,
    PortError,
    PositionLost,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.runtime.table import Outcome
from supervisor.lifecycle import LIFECYCLE, MACHINE, State, Trigger
from tests.stepping.scripted import BOOT, Drive

pytestmark = pytest.mark.anyio


async def eventful(drive: Drive) -> None:
    """Through most of the table, and to the end."""
    drive.activities.plan("log_in", HomeserverUnavailable("gone"))
    drive.activities.plan("probe", SessionRevoked("no token"))
    drive.activities.plan("hydrate", StoreUnavailable("locked"))
    drive.activities.plan("serve", PositionLost("unknown"), SessionRevoked("logged out"))
    for _ in range(13):
        await drive.step()
    assert drive.supervisor.state is State.RECONCILE
    drive.supervisor.request_stop("SIGTERM")
    await drive.step()


async def test_every_transition_is_journaled_before_the_next_activity() -> None:
    drive = Drive()
    drive.activities.plan("serve", HomeserverUnavailable("gone"))
    await drive.walk(State.HYDRATE, State.RECONCILE, State.LIVE, State.DEGRADED, State.HYDRATE)
    assert drive.happened == [
        "log_in",
        "journal: logged_in",
        "hydrate",
        "journal: hydrated",
        "reconcile",
        "journal: reconciled",
        "serve",
        "journal: homeserver_lost",
        "probe",
        "journal: recovered",
    ]


async def test_the_state_has_changed_before_the_journal_is_written() -> None:
    drive = Drive()
    seen: list[tuple[State, int]] = []
    drive.journal.when_asked = lambda: seen.append((drive.supervisor.state, len(drive.changes)))
    await drive.walk(State.HYDRATE, State.RECONCILE)
    assert seen == [(State.HYDRATE, 1), (State.RECONCILE, 2)]
    assert drive.changes == [(State.HYDRATE, "log_in done"), (State.RECONCILE, "hydrate done")]


async def test_replaying_the_journal_reproduces_the_state() -> None:
    drive = Drive()
    state = drive.supervisor.state
    await eventful(drive)
    for row in drive.journal.records:
        assert row.src == state
        following = LIFECYCLE.next(state, Trigger(row.trigger))
        assert following is not None
        assert row.dst == following
        state = following
    assert state is drive.supervisor.state is State.STOPPED


async def test_a_row_says_when_in_which_run_and_on_what_occasion() -> None:
    drive = Drive()
    drive.activities.takes_s["log_in"] = 1.5
    await drive.step()
    (row,) = drive.journal.records
    assert row.at == "2023-11-14T22:13:20.250Z"
    assert (row.boot, row.machine) == (BOOT, MACHINE)
    assert (row.src, row.trigger, row.dst) == ("login", "logged_in", "hydrate")
    assert (row.outcome, row.reason, row.attempt) == (Outcome.OK, "log_in done", 1)
    assert row.dwell_ms == 1500


async def test_dwell_ms_counts_from_the_last_transition() -> None:
    drive = Drive()
    drive.activities.takes_s |= {"hydrate": 2.0, "serve": 600.0}
    drive.activities.plan("serve", HomeserverUnavailable("gone"))
    await drive.walk(State.HYDRATE)
    await anyio.sleep(5)
    await drive.walk(State.RECONCILE, State.LIVE, State.DEGRADED)
    assert [row.dwell_ms for row in drive.journal.records] == [0, 7000, 0, 600_000]


async def test_an_outcome_says_whether_the_activity_failed() -> None:
    drive = Drive()
    await eventful(drive)
    failed = {row.trigger for row in drive.journal.records if row.outcome is Outcome.ERROR}
    fine = {row.trigger for row in drive.journal.records if row.outcome is Outcome.OK}
    assert failed == {"homeserver_lost", "store_lost", "session_revoked", "sync_position_lost"}
    assert fine == {
        "logged_in", "hydrated", "reconciled", "recovered", "login_needed", "stop_requested",
    }  # fmt: skip


async def test_the_attempt_counts_the_tries_since_the_bot_was_last_well() -> None:
    drive = Drive()
    await drive.go_to(State.DEGRADED)
    drive.activities.plan("probe", HomeserverUnavailable("gone"), HomeserverUnavailable("gone"))
    await drive.walk(State.HYDRATE, State.RECONCILE, State.LIVE)
    drive.activities.takes_s["serve"] = 61.0
    drive.activities.plan("serve", HomeserverUnavailable("gone"))
    await drive.walk(State.DEGRADED, State.HYDRATE)
    assert [row.attempt for row in drive.journal.records[-5:]] == [3, 3, 3, 1, 1]


async def test_each_transition_is_one_line_of_the_log() -> None:
    drive = Drive()
    with structlog.testing.capture_logs() as logs:
        await drive.step()
    (line,) = [entry for entry in logs if entry["event"] == "lifecycle_transition"]
    fields = ("log_level", "machine", "src", "trigger", "dst", "outcome", "reason")
    assert [line[field] for field in fields] == [
        "info", "lifecycle", "login", "logged_in", "hydrate", "ok", "log_in done",
    ]  # fmt: skip


@pytest.mark.parametrize("fault", [StoreUnavailable("disk full"), StoreCorrupt("malformed")])
async def test_a_journal_that_fails_does_not_stop_the_bot(fault: PortError) -> None:
    drive = Drive()
    drive.journal.fault = fault
    with structlog.testing.capture_logs() as logs:
        await drive.walk(State.HYDRATE, State.RECONCILE)
        drive.journal.fault = None
        await drive.walk(State.LIVE)
    assert [row.trigger for row in drive.journal.records] == ["reconciled"]
    lost = [entry for entry in logs if entry["event"] == "journal_lost"]
    assert len(lost) == 2
    assert all(re.fullmatch("disk full|malformed", entry["error"]) for entry in lost)
