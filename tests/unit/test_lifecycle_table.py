"""Every state and every trigger of the bot, against the table of the design, written out anew."""

from itertools import product

import pytest

from supervisor.lifecycle import LIFECYCLE, State, Trigger

DESIGN = """
standby                          | elected                             | login
login                            | logged_in                           | hydrate
login                            | homeserver_lost                     | degraded
login                            | credentials_refused                 | stopped
hydrate                          | hydrated                            | reconcile
hydrate reconcile live degraded  | session_revoked                     | login
hydrate reconcile live           | homeserver_lost                     | degraded
login hydrate reconcile live     | store_lost                          | degraded
reconcile live                   | rooms_failing                       | degraded
reconcile                        | reconciled                          | live
live                             | sync_position_lost                  | hydrate
degraded                         | recovered                           | hydrate
degraded                         | login_needed                        | login
login hydrate reconcile live degraded | lease_lost                     | stopped
standby login hydrate reconcile live degraded | stop_requested         | stopped
"""

EXPECTED = {
    (src, trigger.strip()): dst.strip()
    for sources, trigger, dst in (line.split("|") for line in DESIGN.strip().splitlines())
    for src in sources.split()
}


@pytest.mark.parametrize(("state", "trigger"), [*product(State, Trigger)])
def test_each_trigger_leads_where_the_design_says_or_is_denied(
    state: State, trigger: Trigger
) -> None:
    assert LIFECYCLE.next(state, trigger) == EXPECTED.get((state.value, trigger.value))


def test_the_design_names_nothing_that_does_not_exist() -> None:
    pairs = {(state.value, trigger.value) for state, trigger in product(State, Trigger)}
    assert EXPECTED.keys() <= pairs


def test_the_bot_begins_by_standing_by() -> None:
    assert LIFECYCLE.initial is State.STANDBY


def test_the_way_back_from_degraded_never_leads_straight_to_live() -> None:
    ways = {LIFECYCLE.next(State.DEGRADED, trigger) for trigger in Trigger}
    assert ways == {None, State.HYDRATE, State.LOGIN, State.STOPPED}


def test_live_is_reached_through_hydrate_and_reconcile_alone() -> None:
    before_live = {row.src for row in LIFECYCLE.rows if row.dst is State.LIVE}
    before_reconcile = {row.src for row in LIFECYCLE.rows if row.dst is State.RECONCILE}
    assert (before_live, before_reconcile) == ({State.RECONCILE}, {State.HYDRATE})


def test_nothing_follows_the_end() -> None:
    assert all(LIFECYCLE.next(State.STOPPED, trigger) is None for trigger in Trigger)


def test_no_two_rows_speak_of_the_same_state_and_trigger() -> None:
    assert len({(row.src, row.trigger) for row in LIFECYCLE.rows}) == len(LIFECYCLE.rows)
