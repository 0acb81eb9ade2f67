"""What belongs to each state, and what is remembered from one state to the next."""

import pytest

from actors.bounds import Bounds
from supervisor.current import Degraded, Fact, Memory, Stopped, Working, entered
from supervisor.lifecycle import BEFORE_LOGIN, State, Trigger

LOST = Fact(Trigger.HOMESERVER_LOST, "no route", retry_after_s=7.0)
FAILING = Fact(Trigger.ROOMS_FAILING, "7 rooms")

BOUNDS = Bounds()


def degraded(fact: Fact = LOST, lost_in: State = State.LIVE) -> Degraded:
    current = entered(State.DEGRADED, fact, lost_in, 5.0)
    assert isinstance(current, Degraded)
    return current


@pytest.mark.parametrize("state", State)
def test_a_value_says_which_state_it_is_since_when_and_why(state: State) -> None:
    current = entered(state, LOST, State.LIVE, 5.0)
    assert (current.state, current.since, current.reason) == (state, 5.0, "no route")


def test_a_loss_carries_its_cause_and_what_the_homeserver_asked_for() -> None:
    lost = degraded()
    assert (lost.cause, lost.lost_in) == (Trigger.HOMESERVER_LOST, State.LIVE)
    assert (lost.retry_after_s, lost.next_attempt_at) == (7.0, None)


@pytest.mark.parametrize("state", [state for state in State if state is not State.DEGRADED])
def test_what_follows_a_recovery_depends_on_where_the_loss_was(state: State) -> None:
    needs_login = state in BEFORE_LOGIN
    expected = Trigger.LOGIN_NEEDED if needs_login else Trigger.RECOVERED
    assert degraded(lost_in=state).recovered() is expected


@pytest.mark.parametrize(
    ("fact", "lost_in", "serves"),
    [
        (FAILING, State.LIVE, True),
        (FAILING, State.RECONCILE, False),
        (LOST, State.LIVE, False),
    ],
)
def test_people_are_served_meanwhile_only_where_some_rooms_of_a_live_bot_fail(
    fact: Fact,
    lost_in: State,
    serves: bool,  # noqa: FBT001
) -> None:
    assert degraded(fact, lost_in).serves is serves


def test_an_attempt_that_fails_changes_the_reason_and_not_the_cause() -> None:
    again = degraded().lost_again(Fact(Trigger.STORE_LOST, "locked"))
    assert (degraded().lacks_store, again.lacks_store) == (False, True)
    assert degraded(Fact(Trigger.STORE_LOST, "locked")).lacks_store
    assert (again.cause, again.reason) == (Trigger.HOMESERVER_LOST, "locked")
    assert (again.since, again.retry_after_s) == (5.0, 0.0)


def test_the_end_says_what_ended_the_bot_and_whether_to_start_again() -> None:
    end = entered(
        State.STOPPED, Fact(Trigger.STOP_REQUESTED, "", start_again=True), State.DEGRADED, 5.0
    )
    assert end == Stopped(5.0, "", Trigger.STOP_REQUESTED, start_again=True)


def test_attempts_are_forgotten_after_a_while_in_live_and_nowhere_else() -> None:
    memory, trigger = Memory(attempts=4), Trigger.HOMESERVER_LOST
    live, hydrate = Working(State.LIVE, 0.0), Working(State.HYDRATE, 0.0)
    assert memory.with_attempt().attempts == 5
    assert memory.after(live, trigger, BOUNDS.healthy_after_s, BOUNDS).attempts == 0
    assert memory.after(live, trigger, BOUNDS.healthy_after_s - 0.1, BOUNDS).attempts == 4
    assert memory.after(hydrate, trigger, 10 * BOUNDS.healthy_after_s, BOUNDS).attempts == 4


def test_in_a_storm_each_login_waits_for_itself() -> None:
    memory, live, login = Memory(), Working(State.LIVE, 0.0), Working(State.LOGIN, 0.0)
    for _ in range(BOUNDS.revocations.limit):
        assert not memory.is_revoked_too_often(BOUNDS)
        memory = memory.after(live, Trigger.SESSION_REVOKED, 1.0, BOUNDS)
    assert memory.is_revoked_too_often(BOUNDS)
    assert memory.after(live, Trigger.HOMESERVER_LOST, 1.0, BOUNDS).is_revoked_too_often(BOUNDS)
    memory = memory.after(login, Trigger.HOMESERVER_LOST, 1.0, BOUNDS)
    assert not memory.is_revoked_too_often(BOUNDS)
    later = 1.0 + BOUNDS.revocations.within_s
    assert not memory.after(live, Trigger.SESSION_REVOKED, later, BOUNDS).is_revoked_too_often(
        BOUNDS
    )
    assert memory.after(live, Trigger.SESSION_REVOKED, 2.0, BOUNDS).is_revoked_too_often(BOUNDS)
