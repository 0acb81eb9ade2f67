"""Metrics: their names, and that Prometheus can read them."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from actors.meter import LIVE_EDIT_OUTCOMES, REPLY_OUTCOMES, Meter
from actors.platform_state import PlatformState
from actors.port_errors import StoreUnavailable
from actors.runtime.table import Outcome, Transition
from actors.runtime.transition_log import TransitionLog
from supervisor.lifecycle import State
from supervisor.status.history import STEPS, History
from supervisor.status.metrics import exposition
from supervisor.status.snapshot import Leading, Snapshot, WorkersSeen
from tests.browser.stage import by_workers, degraded, live, platform_in
from tests.stepping.scripted import RecordingJournal

NAMES = {
    "surfaces_bot_info",
    "surfaces_bot_state",
    "surfaces_bot_transitions",
    "surfaces_bot_leader",
    "surfaces_bot_lease_epoch",
    "surfaces_bot_second_instance",
    "surfaces_bot_recovery_attempts",
    "surfaces_bot_rooms",
    "surfaces_bot_owners",
    "surfaces_bot_room_repairs",
    "surfaces_bot_quarantines",
    "surfaces_bot_actor_crashes",
    "surfaces_bot_dead_letters",
    "surfaces_bot_malformed",
    "surfaces_bot_inbox_waiting",
    "surfaces_bot_reading_paused",
    "surfaces_bot_rooms_behind",
    "surfaces_bot_outbox_unsent",
    "surfaces_bot_upkeep_due",
    "surfaces_bot_conflicts",
    "surfaces_bot_handling_seconds",
    "surfaces_bot_homeserver_request_seconds",
    "surfaces_bot_homeserver_requests",
    "surfaces_bot_rate_limits",
    "surfaces_bot_platform_state",
    "surfaces_bot_replies_running",
    "surfaces_bot_replies_waiting",
    "surfaces_bot_replies",
    "surfaces_bot_first_token_seconds",
    "surfaces_bot_reply_seconds",
    "surfaces_bot_tokens",
    "surfaces_bot_workers_alive",
    "surfaces_bot_questions_running",
    "surfaces_bot_questions_waiting",
    "surfaces_bot_oldest_question_seconds",
    "surfaces_bot_live_edits_per_second",
    "surfaces_bot_live_edits",
    "surfaces_bot_finals_repeated",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def record(machine: str, src: str, trigger: str, dst: str, outcome: Outcome) -> Transition:
    return Transition(
        at="2026-01-02T03:04:05.678Z",
        boot="b",
        machine=machine,
        src=src,
        trigger=trigger,
        dst=dst,
        outcome=outcome,
        reason="",
        attempt=1,
        dwell_ms=5,
    )


def measured(
    snapshot: Snapshot, meter: Meter | None = None, history: History | None = None
) -> dict[tuple[str, str], float]:
    """Every sample by its name and its labels' values, in the order of the labels' names."""
    text = exposition(snapshot, meter or Meter(), history or History()).decode()
    return {
        (sample.name, ",".join(dict(sorted(sample.labels.items())).values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_exactly_these_families_are_measured_beside_the_process() -> None:
    text = exposition(live(), Meter(), History()).decode()
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {name for name in names if not name.startswith("process_")} == NAMES


def test_the_state_is_1_for_one_state_only() -> None:
    states = {
        label: value
        for (name, label), value in measured(degraded()).items()
        if name == "surfaces_bot_state"
    }
    assert states == {str(state): float(state is State.DEGRADED) for state in State}


def test_what_the_snapshot_counts_is_measured() -> None:
    found = measured(live())
    assert found["surfaces_bot_rooms", "ready"] == 1243
    assert found["surfaces_bot_owners", ""] == 250
    assert found["surfaces_bot_inbox_waiting", ""] == 3
    assert found["surfaces_bot_outbox_unsent", ""] == 1
    assert found["surfaces_bot_upkeep_due", ""] == 12
    assert found["surfaces_bot_conflicts", ""] == 1


def test_a_second_instance_is_measured() -> None:
    assert measured(live())["surfaces_bot_second_instance", ""] == 0
    found = measured(replace(live(), second_instance="process 7 on myhost"))
    assert found["surfaces_bot_second_instance", ""] == 1


def test_what_is_not_known_has_no_sample() -> None:
    found = measured(replace(live(), owners_total=None, reconciled=None))
    assert ("surfaces_bot_owners", "") not in found
    assert ("surfaces_bot_conflicts", "") not in found


def test_what_the_meter_counts_is_measured() -> None:
    meter = Meter()
    for seconds in (0.001, 0.2, 99.0):
        meter.handling.add(seconds)
    meter.answers.update(ok=5, RateLimited=2, HomeserverUnavailable=1)
    meter.crashes = 4
    meter.dead_letters = 2
    meter.malformed = 3
    found = measured(live(), meter)
    assert found["surfaces_bot_handling_seconds_bucket", "0.005"] == 1
    assert found["surfaces_bot_handling_seconds_bucket", "0.25"] == 2
    assert found["surfaces_bot_handling_seconds_bucket", "30.0"] == 2
    assert found["surfaces_bot_handling_seconds_bucket", "+Inf"] == 3
    assert found["surfaces_bot_handling_seconds_count", ""] == 3
    assert found["surfaces_bot_handling_seconds_sum", ""] == pytest.approx(99.201)
    assert found["surfaces_bot_homeserver_requests_total", "homeserver_unavailable"] == 1
    assert found["surfaces_bot_homeserver_requests_total", "ok"] == 5
    assert found["surfaces_bot_rate_limits_total", ""] == 2
    assert found["surfaces_bot_actor_crashes_total", ""] == 4
    assert found["surfaces_bot_dead_letters_total", ""] == 2
    assert found["surfaces_bot_malformed_total", ""] == 3


def test_transitions_are_counted_by_kind_and_rooms_together() -> None:
    history = History()
    for room in ("!a", "!b"):
        history.note(record(f"room:{room}", "repairing", "repaired", "ready", Outcome.OK))
    history.note(record("room:!a", "ready", "repaired", "ready", Outcome.DENIED))
    history.note(record("room:!a", "ready", "failed_repeatedly", "quarantined", Outcome.OK))
    history.note(record("lifecycle", "live", "store_lost", "degraded", Outcome.ERROR))
    found = measured(live(), history=history)
    assert found["surfaces_bot_transitions_total", "ready,room,ok,repairing,repaired"] == 2
    assert found["surfaces_bot_transitions_total", "degraded,lifecycle,error,live,store_lost"] == 1
    assert found["surfaces_bot_room_repairs_total", ""] == 2
    assert found["surfaces_bot_quarantines_total", ""] == 1


@pytest.mark.anyio
async def test_what_the_journal_could_not_keep_is_counted_all_the_same() -> None:
    journal, history = RecordingJournal([]), History()
    journal.fault = StoreUnavailable("disk full")
    log = TransitionLog(journal, "boot", lambda: 0.0, tell=history.note)
    await log.write(log.decided("lifecycle", "login", "logged_in", "hydrate", ""))
    await log.write(log.decided("room:!a", "unchecked", "checked", "ready", ""))
    assert history.counts.total() == 2
    assert [step.trigger for step in history.steps] == ["logged_in"]


def test_a_history_begins_with_the_newest_of_what_the_journal_has() -> None:
    history = History()
    many = [record("lifecycle", "a", str(n), "b", Outcome.OK) for n in range(STEPS + 3)]
    history.remember(many, "this boot")
    assert [step.trigger for step in history.steps] == [str(n) for n in range(3, STEPS + 3)]
    assert history.counts.total() == 0
    history.note(replace(many[-1], boot="this boot"))
    history.remember(many[:1], "this boot")
    assert [step.trigger for step in history.steps] == ["0", str(STEPS + 2)]


def test_the_platform_has_one_series_for_each_state() -> None:
    sick = platform_in(PlatformState.UNAVAILABLE, "connection refused")
    found = {
        state: measured(sick)["surfaces_bot_platform_state", f"openai,{state}"]
        for state in PlatformState
    }
    assert found == {"well": 0, "busy": 0, "unavailable": 1, "misconfigured": 0}


def test_replies_are_counted_from_the_start_so_that_the_first_failure_is_an_increase() -> None:
    meter = Meter()
    outcomes = REPLY_OUTCOMES
    assert [measured(live(), meter)["surfaces_bot_replies_total", each] for each in outcomes] == (
        [0] * len(outcomes)
    )
    meter.replies["failed"] += 1
    meter.tokens["prompt"] += 40
    meter.tokens["completion"] += 2
    meter.first_token.add(0.3)
    meter.reply.add(900.0)
    found = measured(live(), meter)
    assert found["surfaces_bot_replies_total", "failed"] == 1
    assert found["surfaces_bot_tokens_total", "prompt"] == 40
    assert found["surfaces_bot_tokens_total", "completion"] == 2
    assert found["surfaces_bot_first_token_seconds_bucket", "0.5"] == 1
    assert found["surfaces_bot_reply_seconds_bucket", "600.0"] == 0
    assert found["surfaces_bot_reply_seconds_bucket", "1800.0"] == 1
    assert found["surfaces_bot_replies_running", ""] == 2
    assert found["surfaces_bot_replies_waiting", ""] == 1


def test_before_there_is_a_platform_its_state_is_not_known() -> None:
    names = {name for name, _ in measured(replace(live(), platform=None))}
    assert not names & {"surfaces_bot_platform_state", "surfaces_bot_replies_running"}


def test_live_edits_are_counted_by_outcome() -> None:
    meter = Meter()
    assert measured(live(), meter)["surfaces_bot_live_edits_total", "no_token"] == 0
    meter.live_edits.update(sent=7, busy=3, limited=2, no_token=1)
    meter.finals_repeated = 1
    found = measured(live(), meter)
    assert [found["surfaces_bot_live_edits_total", each] for each in LIVE_EDIT_OUTCOMES] == [
        7,
        3,
        2,
        1,
    ]
    assert found["surfaces_bot_finals_repeated_total", ""] == 1
    assert found["surfaces_bot_live_edits_per_second", ""] == 0.3
    names = {name for name, _ in measured(replace(live(), streaming=None))}
    assert "surfaces_bot_live_edits_per_second" not in names


def test_workers_are_measured_where_they_ask_the_platform() -> None:
    names = ("workers_alive", "questions_running", "questions_waiting", "oldest_question_seconds")

    def of(workers: WorkersSeen) -> list[float | None]:
        found = measured(by_workers(workers))
        return [found.get((f"surfaces_bot_{name}", "")) for name in names]

    busy = WorkersSeen(alive=2, in_work=5, waiting=3, oldest_waiting_s=72.5)
    assert of(busy) == [2, 5, 3, 72.5]
    assert of(WorkersSeen(alive=1, in_work=0, waiting=0)) == [1, 0, 0, 0]
    assert of(WorkersSeen()) == [None] * 4
    assert ("surfaces_bot_workers_alive", "") not in measured(live())


def test_who_leads_is_measured_where_several_processes_may() -> None:
    assert ("surfaces_bot_leader", "") not in measured(live())
    for role, leads in (("leader", 1), ("standby", 0)):
        leading = Leading(role=role, epoch=7)  # type: ignore[arg-type]
        found = measured(replace(live(), leading=leading))
        assert found["surfaces_bot_leader", ""] == leads
        assert found["surfaces_bot_lease_epoch", ""] == 7
