"""What the journal comes to, in sentences."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.runtime.table import Outcome, Transition
from supervisor.lifecycle import RESET
from supervisor.status.diagnosis import diagnosis
from supervisor.status.snapshot import Lifecycle, Quarantined, Snapshot

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
A_DAY = NOW - timedelta(days=1)
ROOM = "room:!a:example.org"
BOOT = "boot-1"


def step(
    ago: timedelta,
    src: str,
    trigger: str,
    dst: str,
    reason: str = "",
    *,
    machine: str = "lifecycle",
    outcome: Outcome = Outcome.OK,
    boot: str = BOOT,
) -> Transition:
    at = (NOW - ago).isoformat(timespec="milliseconds")
    return Transition(at, boot, machine, src, trigger, dst, outcome, reason, 1, 0)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


LIVE = step(minutes(182), "reconcile", "reconciled", "live", "0 changes, 0 conflicts")
LOST = step(minutes(3), "live", "homeserver_lost", "degraded", "502 from a proxy (not Matrix)")
QUARANTINED = step(minutes(5), "ready", "failed_repeatedly", "quarantined", "boom", machine=ROOM)


SOON = "2026-11-20T12:00:20Z"
SEEN = Snapshot(
    version="0.2.0",
    user_id="@bot:example.org",
    homeserver="https://example.org",
    boot=BOOT,
    pid=4711,
    started_at="2026-11-19T12:00:00Z",
    taken_at="2026-11-20T12:00:00Z",
    lifecycle=Lifecycle(
        state="degraded", since=LOST.at, reason="502 again", failures=4, next_attempt_at=SOON
    ),
    rooms={},
)


def told(
    *rows: Transition, started: datetime | None = A_DAY, seen: Snapshot | None = None
) -> list[str]:
    text = diagnosis(rows, NOW, started=started, seen=seen)
    assert text is not None
    return text.splitlines()


@pytest.mark.parametrize("rows", [(), (QUARANTINED,)])
def test_without_a_lifecycle_there_is_nothing_to_say(rows: tuple[Transition, ...]) -> None:
    assert diagnosis(rows, NOW, started=A_DAY) is None


def test_a_bot_that_is_well_is_live_since_some_time() -> None:
    assert told(LIVE) == ["live for 3 h 2 min, since 2026-11-20 08:58:00 UTC."]


def test_a_degraded_bot_says_for_how_long_why_and_what_next() -> None:
    (line,) = told(LIVE, LOST)
    assert line == (
        "degraded for 3 min: homeserver_lost: 502 from a proxy (not Matrix). `surfaces-bot check` "
        "tests the same homeserver. The bot retries at least once a minute, unless the "
        "homeserver asks for more time, and continues with hydrate."
    )


def test_a_degraded_bot_that_can_be_asked_says_when_it_tries_next() -> None:
    (line,) = told(LIVE, LOST, seen=SEEN)
    assert line.startswith("degraded for 3 min: homeserver_lost: 502 again. ")
    assert line.endswith(
        "Next attempt in 20 s (attempt 4); if it succeeds, the bot continues with hydrate."
    )
    due = replace(SEEN, lifecycle=replace(SEEN.lifecycle, next_attempt_at=LOST.at))
    (line,) = told(LIVE, LOST, seen=due)
    assert line.endswith("Attempt 4 is under way; if it succeeds, the bot continues with hydrate.")


@pytest.mark.parametrize(
    "seen",
    [
        replace(SEEN, boot="the run after"),
        replace(SEEN, lifecycle=replace(SEEN.lifecycle, state="hydrate", next_attempt_at=None)),
    ],
)
def test_what_a_bot_says_that_has_gone_on_since_is_not_mixed_with_the_journal(
    seen: Snapshot,
) -> None:
    assert told(LIVE, LOST, seen=seen) == told(LIVE, LOST)


@pytest.mark.parametrize(
    ("trigger", "advice"),
    [("store_lost", "MATRIX_DB_PATH"), ("rooms_failing", "serves the other rooms")],
)
def test_each_way_to_be_degraded_has_its_advice(trigger: str, advice: str) -> None:
    (line,) = told(LIVE, replace(LOST, trigger=trigger, reason=""))
    assert f"{trigger}. " in line
    assert advice in line


@pytest.mark.parametrize(
    ("state", "doing"),
    [
        ("login", "logging in for 2 min."),
        ("hydrate", "reading its rooms for 2 min."),
        ("reconcile", "updating its database for 2 min."),
    ],
)
def test_a_bot_on_its_way_says_what_it_is_doing(state: str, doing: str) -> None:
    assert told(step(minutes(2), "degraded", "recovered", state)) == [doing]


def test_what_the_run_before_did_is_not_taken_for_the_state_of_this_one() -> None:
    started = NOW - timedelta(seconds=20)
    expected = ["starting for 20 s: the bot has not logged in yet."]
    assert told(LIVE, QUARANTINED, started=started)[:1] == expected
    stopped = step(minutes(1), "live", "stop_requested", "stopped", "SIGTERM")
    assert told(LIVE, stopped, started=started) == expected


@pytest.mark.parametrize(
    ("trigger", "reason", "expected"),
    [
        ("stop_requested", "SIGTERM", "stopped 5 min ago on request (SIGTERM)."),
        (
            "credentials_refused",
            "check MATRIX_PASSWORD",
            "stopped 5 min ago: check MATRIX_PASSWORD. A restart alone does not help.",
        ),
        (
            "lease_lost",
            "epoch 7 has ended",
            "stopped 5 min ago, because the process no longer leads: epoch 7 has ended.",
        ),
        (RESET, "x", "reset 5 min ago; the next run rebuilds the database from the homeserver."),
    ],
)
def test_a_stopped_bot_says_who_wanted_it(trigger: str, reason: str, expected: str) -> None:
    end = step(minutes(5), "live", trigger, "stopped", reason)
    assert told(LIVE, QUARANTINED, end, started=None) == [expected]


def test_a_run_that_was_cut_off_is_told_apart_from_one_that_goes_on() -> None:
    (line,) = told(LIVE, QUARANTINED, started=None)
    assert line == (
        "not running: the last run ended abruptly in state live, after 2026-11-20 08:58:00 UTC. "
        "Start the bot again; nothing has to be cleaned up."
    )


def test_a_bot_that_is_lost_again_and_again_says_so_even_while_it_is_live() -> None:
    long_ago = step(minutes(61), "live", "homeserver_lost", "degraded")
    store = replace(LOST, trigger="store_lost")
    back = step(minutes(2), "reconcile", "reconciled", "live")
    assert told(long_ago, LOST, LOST, store, back) == [
        "live for 2 min, since 2026-11-20 11:58:00 UTC.",
        "degraded 3 times within the last hour (homeserver_lost 2, store_lost 1).",
    ]


def test_two_programs_that_take_turns_on_one_device_are_recognised() -> None:
    revoked = [step(minutes(ago), "live", "session_revoked", "login") for ago in (11, 3, 2, 1)]
    assert len(told(*revoked[:3])) == 1
    assert told(*revoked)[1].startswith("the session was revoked 3 times within 10 min: another")


def test_a_bot_that_is_started_again_and_again_says_so() -> None:
    starts = [
        step(minutes(ago), "login", "logged_in", "hydrate", boot=f"boot-{ago}")
        for ago in (20, 3, 2, 1)
    ]
    resets = step(minutes(1), "stopped", RESET, "stopped", boot="reset")
    assert len(told(*starts[:3], resets)) == 1
    assert told(*starts)[1].startswith("started 3 times within 10 min without a requested stop")
    wanted = step(minutes(2.5), "live", "stop_requested", "stopped", "SIGTERM", boot="boot-3")
    assert len(told(*starts[:2], wanted, *starts[2:])) == 1


def test_quarantined_rooms_are_named_as_long_as_they_are() -> None:
    assert told(LIVE, QUARANTINED)[1:] == [
        "1 room is quarantined and probed from time to time; the bot serves the other rooms:",
        "  room:!a:example.org for 5 min: boom",
    ]
    probed = step(minutes(1), "quarantined", "probed", "unchecked", machine=ROOM)
    assert len(told(LIVE, QUARANTINED, probed)) == 1
    assert len(told(LIVE, replace(QUARANTINED, boot="an older one"))) == 1


def test_a_quarantined_room_of_a_bot_that_can_be_asked_has_its_next_probe() -> None:
    room = Quarantined(
        room_id="!a:example.org", reason="bang", since=LOST.at, probes=2, next_probe_at=SOON
    )
    seen = replace(
        SEEN, lifecycle=Lifecycle(state="live", since=LIVE.at, reason=""), quarantined=(room,)
    )
    other = replace(QUARANTINED, machine="room:!b")
    assert told(LIVE, QUARANTINED, other, seen=seen)[2:] == [
        "  room:!a:example.org for 5 min, next probe in 20 s: bang",
        "  room:!b for 5 min: boom",
    ]


def test_of_many_quarantined_rooms_some_are_named() -> None:
    rooms = [replace(QUARANTINED, machine=f"room:!{number}") for number in range(7)]
    _live, heading, *named, more = told(LIVE, *rooms)
    assert heading.startswith("7 rooms are quarantined")
    assert len(named) == 5
    assert more == "  and 2 more"


def test_a_denied_trigger_is_a_bug_and_moves_nothing() -> None:
    denied = step(minutes(1), "live", "hydrated", "live", outcome=Outcome.DENIED)
    live, bug = told(LIVE, denied)
    assert live.startswith("live for 3 h")
    assert bug == "a bug: hydrated in state live (lifecycle). Please report it."


def test_a_clock_that_was_set_back_since_the_start_makes_no_running_bot_a_starting_one() -> None:
    row = step(minutes(2), "reconcile", "reconciled", "live")
    ahead = NOW + timedelta(hours=1)
    assert told(row, started=ahead)[0].startswith("live for 2 min")


def test_the_bot_itself_knows_best_for_how_long_it_has_been_in_its_state() -> None:
    stepped = step(timedelta(days=1), "live", "homeserver_lost", "degraded", "502")
    assert told(stepped, seen=SEEN)[0].startswith("degraded for 3 min")


def led(boot: str, epoch: int, ago: timedelta, end: str = "live") -> tuple[Transition, ...]:
    """A run that was elected in this epoch, a second before it came to its latest state."""
    reason = f"epoch {epoch}, after process 1 on a host in epoch {epoch - 7}"
    return (
        step(ago + timedelta(seconds=1), "standby", "elected", "login", reason, boot=boot),
        step(ago, "reconcile", "reconciled", end, boot=boot),
    )


def test_the_state_is_that_of_the_process_that_leads_and_not_of_this_one() -> None:
    late = step(minutes(0.5), "live", "lease_lost", "stopped", "epoch 70 has ended", boot="old")
    bug = step(minutes(0.4), "x", "y", "x", machine=ROOM, outcome=Outcome.DENIED, boot="old")
    rows = (*led("old", 70, minutes(9)), *led("new", 77, minutes(2)), late, bug)
    started = NOW - timedelta(seconds=20)
    for of_this_process in (started, A_DAY, None):
        text = diagnosis(rows, NOW, started=of_this_process, epoch=77)
        assert text == "live for 2 min, since 2026-11-20 11:58:00 UTC."


def test_a_standby_that_is_asked_says_nothing_about_the_process_that_leads() -> None:
    standing_by = replace(SEEN, lifecycle=Lifecycle(state="standby", since=LOST.at, reason=""))
    text = diagnosis(led("new", 77, minutes(2)), NOW, started=NOW, seen=standing_by, epoch=77)
    assert text is not None
    assert text.startswith("live for 2 min")


def test_a_leader_without_rows_is_not_taken_for_another_run() -> None:
    text = diagnosis(led("old", 770, minutes(9)), NOW, started=A_DAY, epoch=77)
    assert text is not None
    assert text.startswith("The process that leads in epoch 77 has no row in this journal: ")


def test_a_leader_that_has_stopped_and_not_yet_freed_its_lease_is_not_a_starting_one() -> None:
    end = step(minutes(0), "live", "stop_requested", "stopped", "SIGTERM", boot="new")
    text = diagnosis((*led("new", 77, minutes(2)), end), NOW, started=A_DAY, epoch=77)
    assert text == "stopped 0.0 s ago on request (SIGTERM)."


def test_a_lost_lease_is_no_start_of_a_bot_that_ends_by_itself() -> None:
    lost = [
        step(minutes(ago), "live", "lease_lost", "stopped", boot=f"boot-{ago}") for ago in (4, 3, 2)
    ]
    assert len(told(*lost, *led("new", 77, minutes(1)))) == 1
