"""The ways back to `live`, one test each."""

import anyio
import pytest

from actors.port_errors import (
    CredentialsRefused,
    HomeserverRefused,
    HomeserverUnavailable,
    PlatformFailed,
    PortError,
    PositionLost,
    RateLimited,
    SessionRevoked,
    StoreCorrupt,
    StoreUnavailable,
)
from actors.reconcile import ReconcileFailed, RoomsFail
from supervisor.lifecycle import State, Trigger
from supervisor.supervisor import TransitionDenied
from tests.stepping.scripted import Drive, told

pytestmark = pytest.mark.anyio

LOGIN, HYDRATE, RECONCILE = State.LOGIN, State.HYDRATE, State.RECONCILE
LIVE, DEGRADED, STOPPED = State.LIVE, State.DEGRADED, State.STOPPED

ACTIVITY = {LOGIN: "log_in", HYDRATE: "hydrate", RECONCILE: "reconcile", LIVE: "serve"}


async def test_the_way_to_live_leads_through_hydrate_and_reconcile() -> None:
    drive = Drive()
    assert drive.supervisor.state is LOGIN
    assert told(await drive.step()) == (LOGIN, Trigger.LOGGED_IN, HYDRATE, "log_in done")
    assert told(await drive.step()) == (HYDRATE, Trigger.HYDRATED, RECONCILE, "hydrate done")
    assert told(await drive.step()) == (RECONCILE, Trigger.RECONCILED, LIVE, "reconcile done")
    assert drive.supervisor.state is LIVE


async def test_a_lost_homeserver_leads_back_through_hydrate() -> None:
    drive = Drive()
    await drive.walk(HYDRATE, RECONCILE, LIVE)
    drive.activities.plan("serve", HomeserverUnavailable("no route"))
    assert told(await drive.step()) == (LIVE, Trigger.HOMESERVER_LOST, DEGRADED, "no route")
    assert (await drive.step()).dst is HYDRATE
    assert (await drive.step()).dst is RECONCILE
    assert (await drive.step()).dst is LIVE


async def test_a_homeserver_lost_while_hydrating_is_probed_and_hydrated_again() -> None:
    drive = Drive()
    drive.activities.plan("hydrate", HomeserverUnavailable("reset"))
    await drive.walk(HYDRATE, DEGRADED, HYDRATE, RECONCILE, LIVE)


async def test_a_homeserver_lost_while_reconciling_leads_back_through_hydrate() -> None:
    drive = Drive()
    drive.activities.plan("reconcile", HomeserverUnavailable("reset"))
    await drive.walk(HYDRATE, RECONCILE, DEGRADED, HYDRATE, RECONCILE, LIVE)


async def test_a_homeserver_that_is_not_there_yet_is_waited_for_and_logged_in_to() -> None:
    drive = Drive()
    drive.activities.plan("log_in", HomeserverUnavailable("connection refused"))
    drive.activities.plan("probe", HomeserverUnavailable("still"), SessionRevoked("no token"))
    await drive.walk(DEGRADED)
    assert told(await drive.step()) == (DEGRADED, Trigger.LOGIN_NEEDED, LOGIN, "no token")
    await drive.walk(HYDRATE, RECONCILE, LIVE)


async def test_a_probe_that_succeeds_without_a_login_of_ours_leads_back_to_the_login() -> None:
    """Whose token it succeeded with, only the login asks."""
    drive = Drive()
    drive.activities.plan("log_in", HomeserverUnavailable("the answer was lost"))
    await drive.walk(DEGRADED, LOGIN, HYDRATE, RECONCILE, LIVE)


@pytest.mark.parametrize(
    ("state", "activity", "error"),
    [
        (LOGIN, "log_in", SessionRevoked("M_UNKNOWN_TOKEN")),
        (HYDRATE, "hydrate", PositionLost("M_UNKNOWN_POS")),
        (RECONCILE, "reconcile", PositionLost("M_UNKNOWN_POS")),
    ],
)
async def test_what_is_said_of_a_session_where_there_is_none_is_a_lost_homeserver(
    state: State, activity: str, error: PortError
) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(activity, error)
    step = await drive.step()
    assert (step.trigger, step.dst) == (Trigger.HOMESERVER_LOST, DEGRADED)


async def test_a_session_revoked_during_an_outage_is_no_missing_login() -> None:
    drive = Drive()
    await drive.go_to(DEGRADED)
    drive.activities.plan("probe", HomeserverUnavailable("still"), SessionRevoked("logged out"))
    assert told(await drive.step()) == (DEGRADED, Trigger.SESSION_REVOKED, LOGIN, "logged out")
    await drive.walk(HYDRATE, RECONCILE, LIVE)


async def test_after_a_revoked_session_a_failed_login_needs_a_login_again() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", SessionRevoked("logged out"))
    drive.activities.plan("log_in", HomeserverUnavailable("gone"))
    drive.activities.plan("probe", SessionRevoked("no token"))
    await drive.walk(LOGIN, DEGRADED)
    assert (await drive.step()).trigger is Trigger.LOGIN_NEEDED


@pytest.mark.parametrize("state", [HYDRATE, RECONCILE, LIVE])
async def test_a_revoked_session_is_logged_in_again(state: State) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(ACTIVITY[state], SessionRevoked("logged out"))
    assert told(await drive.step()) == (state, Trigger.SESSION_REVOKED, LOGIN, "logged out")
    await drive.walk(HYDRATE, RECONCILE, LIVE)


async def test_a_lost_sync_position_is_forgotten_and_everything_read_anew() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", PositionLost("unknown"))
    assert told(await drive.step()) == (LIVE, Trigger.SYNC_POSITION_LOST, HYDRATE, "unknown")
    assert drive.happened == ["serve", "forget_position", "journal: sync_position_lost"]
    await drive.walk(RECONCILE, LIVE)


@pytest.mark.parametrize("state", [HYDRATE, RECONCILE, LIVE])
async def test_a_lost_store_leads_back_through_hydrate(state: State) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(ACTIVITY[state], StoreUnavailable("disk full"))
    drive.activities.plan("probe", StoreUnavailable("disk full"))
    assert told(await drive.step()) == (state, Trigger.STORE_LOST, DEGRADED, "disk full")
    await drive.walk(HYDRATE, RECONCILE, LIVE)
    assert drive.happened.count("probe") == 2


async def test_a_reconciliation_that_fails_is_begun_anew_after_a_while() -> None:
    drive = Drive()
    drive.activities.plan("reconcile", ReconcileFailed("an owner's actor failed"))
    await drive.walk(HYDRATE, RECONCILE)
    assert (await drive.step()).trigger is Trigger.ROOMS_FAILING
    await drive.walk(HYDRATE, RECONCILE, LIVE)


async def test_while_rooms_fail_together_the_others_are_served() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", RoomsFail("7 rooms fail the same way"))
    step = await drive.step()
    assert told(step) == (LIVE, Trigger.ROOMS_FAILING, DEGRADED, "7 rooms fail the same way")
    drive.happened.clear()
    await drive.walk(HYDRATE)
    assert drive.happened == ["serve", "probe", "journal: recovered"]
    await drive.walk(RECONCILE, LIVE)


async def test_what_was_never_reconciled_is_not_served_meanwhile() -> None:
    drive = Drive()
    await drive.go_to(RECONCILE)
    drive.activities.plan("reconcile", ReconcileFailed("an owner's actor failed"))
    await drive.walk(DEGRADED, HYDRATE)
    assert "serve" not in drive.happened


@pytest.mark.parametrize(
    "error", [HomeserverUnavailable("gone"), RoomsFail("again"), StoreUnavailable("locked")]
)
async def test_a_loss_while_some_rooms_fail_is_probed_no_sooner(error: Exception) -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", RoomsFail("7 rooms"), *[error] * 9)
    drive.activities.plan("probe", *[HomeserverUnavailable("gone")] * 8)
    await drive.walk(DEGRADED)
    drive.happened.clear()
    times: list[float] = []
    drive.activities.when_asked = lambda: times.append(anyio.current_time())
    await drive.walk(HYDRATE)
    assert drive.happened == [*["serve", "probe"] * 9, "journal: recovered"]
    assert all(
        probed - served >= 1.0 for served, probed in zip(times[::2], times[1::2], strict=True)
    )


async def test_a_rate_limit_while_some_rooms_fail_is_waited_for() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", RoomsFail("7 rooms"), RateLimited(90))
    await drive.walk(DEGRADED)
    started = anyio.current_time()
    await drive.walk(HYDRATE)
    assert anyio.current_time() - started == pytest.approx(90)


async def test_a_position_lost_while_some_rooms_fail_is_forgotten() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", RoomsFail("7 rooms"), PositionLost("unknown"))
    await drive.walk(DEGRADED)
    drive.happened.clear()
    await drive.walk(HYDRATE)
    assert drive.happened == ["serve", "forget_position", "probe", "journal: recovered"]


@pytest.mark.parametrize("error", [SessionRevoked("logged out"), CredentialsRefused("locked")])
async def test_a_session_revoked_while_some_rooms_fail_leads_to_the_login(error: Exception) -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", RoomsFail("7 rooms"), error)
    await drive.walk(DEGRADED)
    assert told(await drive.step()) == (DEGRADED, Trigger.SESSION_REVOKED, LOGIN, str(error))


async def test_a_session_revoked_again_and_again_is_somebody_elses_and_waited_for() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    for _ in range(2):
        drive.activities.plan("serve", SessionRevoked("logged out"))
        await drive.walk(LOGIN, HYDRATE, RECONCILE, LIVE)
    drive.activities.plan("serve", SessionRevoked("logged out"))
    await drive.walk(LOGIN)
    step = await drive.step()
    assert (step.trigger, step.dst) == (Trigger.HOMESERVER_LOST, DEGRADED)
    assert step.reason == (
        "the session was revoked 3 times within 5 min: "
        "another program seems to use this account and device id"
    )
    drive.activities.plan("probe", SessionRevoked("logged out"))
    await drive.walk(LOGIN, HYDRATE, RECONCILE, LIVE)


async def test_sessions_revoked_far_apart_are_no_storm() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    for _ in range(5):
        await anyio.sleep(200)
        drive.activities.plan("serve", SessionRevoked("logged out"))
        await drive.walk(LOGIN, HYDRATE, RECONCILE, LIVE)


async def test_credentials_refused_stop_and_the_end_says_why() -> None:
    drive = Drive()
    drive.activities.plan("log_in", CredentialsRefused("check MATRIX_PASSWORD"))
    last = await drive.supervisor.run()
    assert (last.cause, last.reason) == (Trigger.CREDENTIALS_REFUSED, "check MATRIX_PASSWORD")
    assert drive.supervisor.current is last
    assert drive.happened == ["log_in", "journal: credentials_refused"]


@pytest.mark.parametrize("state", [HYDRATE, RECONCILE, LIVE, DEGRADED])
async def test_an_account_locked_while_we_run_is_the_logins_to_judge(state: State) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(ACTIVITY.get(state, "probe"), CredentialsRefused("the account is locked"))
    drive.activities.plan("log_in", CredentialsRefused("the account is locked"))
    step = await drive.step()
    assert (step.trigger, step.dst) == (Trigger.SESSION_REVOKED, LOGIN)
    assert (await drive.step()).trigger is Trigger.CREDENTIALS_REFUSED
    assert drive.supervisor.state is STOPPED


LOST = (HomeserverUnavailable("x"), RateLimited(7), HomeserverRefused(403, "M_FORBIDDEN", "no"))


@pytest.mark.parametrize("state", [LOGIN, HYDRATE, RECONCILE, LIVE])
@pytest.mark.parametrize("error", LOST, ids=lambda error: type(error).__name__)
async def test_whatever_keeps_the_homeserver_from_answering_counts_as_its_loss(
    state: State, error: PortError
) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(ACTIVITY[state], error)
    assert told(await drive.step()) == (state, Trigger.HOMESERVER_LOST, DEGRADED, str(error))


@pytest.mark.parametrize("error", [*LOST, StoreUnavailable("locked")])
async def test_a_probe_that_fails_stays_degraded(error: PortError) -> None:
    drive = Drive()
    await drive.go_to(DEGRADED)
    drive.activities.plan("probe", error)
    assert (await drive.step()).trigger is Trigger.RECOVERED
    assert drive.happened == ["probe", "probe", "journal: recovered"]


@pytest.mark.parametrize("state", [HYDRATE, RECONCILE, LIVE])
async def test_a_damaged_database_counts_as_a_lost_store(state: State) -> None:
    drive = Drive()
    await drive.go_to(state)
    drive.activities.plan(ACTIVITY[state], StoreCorrupt("malformed"))
    assert told(await drive.step()) == (state, Trigger.STORE_LOST, DEGRADED, "malformed")


async def test_a_database_that_is_still_damaged_is_begun_anew_by_starting_again() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.activities.plan("serve", StoreCorrupt("malformed"))
    drive.activities.plan("probe", StoreCorrupt("malformed"))
    await drive.walk(DEGRADED)
    step = await drive.step()
    assert told(step) == (
        DEGRADED,
        Trigger.STOP_REQUESTED,
        STOPPED,
        "malformed; starting again to make anew what is lost",
    )
    assert (await drive.supervisor.run()).start_again


async def test_an_ordinary_stop_starts_nothing_again() -> None:
    drive = Drive()
    await drive.go_to(LIVE)
    drive.supervisor.request_stop("SIGTERM")
    assert not (await drive.supervisor.run()).start_again


async def test_an_error_without_a_text_is_named() -> None:
    drive = Drive()
    drive.activities.plan("log_in", HomeserverUnavailable())
    assert (await drive.step()).reason == "HomeserverUnavailable"


async def test_a_trigger_without_a_row_is_refused_and_changes_nothing() -> None:
    drive = Drive()
    drive.activities.plan("log_in", RoomsFail("many rooms fail"))
    with pytest.raises(TransitionDenied, match="rooms_failing in login: many rooms fail"):
        await drive.step()
    assert drive.supervisor.state is LOGIN
    assert (drive.journal.records[0].outcome, drive.journal.records[0].dst) == ("denied", "login")


@pytest.mark.parametrize("error", [PlatformFailed("not ours to answer"), ValueError("a bug")])
async def test_what_no_activity_may_raise_is_a_bug_and_ends_the_process(error: Exception) -> None:
    drive = Drive()
    drive.activities.plan("hydrate", error)
    await drive.step()
    with pytest.raises(type(error)):
        await drive.step()
    assert drive.supervisor.state is HYDRATE


async def test_nothing_follows_the_end() -> None:
    drive = Drive()
    drive.activities.plan("log_in", CredentialsRefused("no"))
    await drive.walk(STOPPED)
    with pytest.raises(RuntimeError, match="a stopped bot has no activity"):
        await drive.step()


async def test_a_serve_that_ends_without_a_reason_is_a_bug() -> None:
    drive = Drive()
    drive.activities.serve_ends = True
    await drive.walk(HYDRATE, RECONCILE, LIVE)
    with pytest.raises(RuntimeError, match="serve ends by raising"):
        await drive.step()
