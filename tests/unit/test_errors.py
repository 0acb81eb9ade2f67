"""Every error in every state, against what is meant, written out anew."""

from itertools import product

import pytest

from actors.port_errors import RateLimited
from supervisor.current import Current, Degraded, Fact, Working, entered
from supervisor.errors import ACTIVE, ERRORS, EXPECTED, fact_of, trigger_for
from supervisor.lifecycle import BEFORE_LOGIN, LIFECYCLE, LOSSES, State, Trigger

MEANT = """
error                 | standby, login      | hydrate reconcile live | degraded                | degraded, no session
HomeserverUnavailable | homeserver_lost     | homeserver_lost        | homeserver_lost         | homeserver_lost
RateLimited           | homeserver_lost     | homeserver_lost        | homeserver_lost         | homeserver_lost
HomeserverRefused     | homeserver_lost     | homeserver_lost        | homeserver_lost         | homeserver_lost
StoreUnavailable      | store_lost          | store_lost             | store_lost              | store_lost
StoreCorrupt          | store_lost          | store_lost             | stop_requested          | stop_requested
SessionRevoked        | homeserver_lost     | session_revoked        | session_revoked         | login_needed
CredentialsRefused    | credentials_refused | session_revoked        | session_revoked         | login_needed
ReconcileFailed       | rooms_failing       | rooms_failing          | rooms_failing           | rooms_failing
RoomsFail             | rooms_failing       | rooms_failing          | rooms_failing           | rooms_failing
LeaseLost             | lease_lost          | lease_lost             | lease_lost              | lease_lost
"""  # noqa: E501 - a table

BUGS = {
    (State.LOGIN, Trigger.ROOMS_FAILING),
    (State.HYDRATE, Trigger.ROOMS_FAILING),
    (State.STANDBY, Trigger.HOMESERVER_LOST),
    (State.STANDBY, Trigger.STORE_LOST),
    (State.STANDBY, Trigger.CREDENTIALS_REFUSED),
    (State.STANDBY, Trigger.ROOMS_FAILING),
    (State.STANDBY, Trigger.LEASE_LOST),
}
"""The activity of the state has no way to raise what would mean this."""

LOST = Fact(Trigger.HOMESERVER_LOST, "gone")


def standing(state: State, *, lost_in: State = State.LIVE) -> Current:
    """The bot in a state."""
    if state is State.DEGRADED:
        return entered(state, LOST, lost_in, 0.0)
    return entered(state, Fact(Trigger.RECOVERED, ""), State.DEGRADED, 0.0)


EVERYWHERE = [standing(state) for state in ACTIVE]
EVERYWHERE += [standing(State.DEGRADED, lost_in=state) for state in BEFORE_LOGIN]


def error_of(kind: type[Exception]) -> Exception:
    return RateLimited(7) if kind is RateLimited else kind.__new__(kind)


def column(current: Current) -> int:
    """Where the table above has a state."""
    if isinstance(current, Degraded):
        return 3 if current.has_session else 4
    return 2 if current.has_session else 1


def test_every_error_has_one_meaning_in_every_state() -> None:
    said = [(meaning.error, state) for meaning in ERRORS for state in meaning.states]
    assert len(said) == len(set(said))
    assert set(said) == set(product(EXPECTED, ACTIVE))


@pytest.mark.parametrize("line", MEANT.strip().splitlines()[1:])
def test_an_error_means_what_is_meant(line: str) -> None:
    cells = [cell.strip() for cell in line.split("|")]
    (kind,) = [kind for kind in EXPECTED if kind.__name__ == cells[0]]
    for current in EVERYWHERE:
        assert trigger_for(error_of(kind), current) == cells[column(current)]


def test_a_lost_position_is_one_only_where_there_was_one() -> None:
    (kind,) = [kind for kind in EXPECTED if kind.__name__ == "PositionLost"]
    meant = {(now.state, trigger_for(error_of(kind), now)) for now in EVERYWHERE}
    others = {(state, Trigger.HOMESERVER_LOST) for state in ACTIVE if state is not State.LIVE}
    assert meant == {(State.LIVE, Trigger.SYNC_POSITION_LOST), *others}


def test_the_table_of_the_lifecycle_has_a_row_for_every_meaning_but_bugs() -> None:
    meant = {
        (now.state, trigger_for(error_of(kind), now)) for now in EVERYWHERE for kind in EXPECTED
    }
    waits_on = {(State.DEGRADED, trigger) for trigger in LOSSES}
    without_a_row = {pair for pair in meant if LIFECYCLE.next(*pair) is None}
    assert without_a_row == waits_on | BUGS


def test_a_loss_while_degraded_has_no_row_so_it_can_only_be_waited_on() -> None:
    assert all(LIFECYCLE.next(State.DEGRADED, trigger) is None for trigger in LOSSES)


def test_a_fact_says_for_how_long_the_homeserver_asks_to_be_left_alone() -> None:
    assert fact_of(RateLimited(7), Working(State.LIVE, 0.0)).retry_after_s == 7


def test_a_damaged_database_found_by_a_probe_and_a_lost_lead_start_the_bot_again() -> None:
    again = {
        (kind.__name__, now.state)
        for now in EVERYWHERE
        for kind in EXPECTED
        if fact_of(error_of(kind), now).start_again
    }
    leading = {("LeaseLost", state) for state in ACTIVE}
    assert again == {("StoreCorrupt", State.DEGRADED), *leading}
