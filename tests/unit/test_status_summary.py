"""A snapshot in words, line by line."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actors.platform_state import PlatformState
from supervisor.status.platform import REMEDIES
from supervisor.status.snapshot import (
    TEXT_CHARS,
    AtWork,
    Conversation,
    Leading,
    Lifecycle,
    Note,
    PlatformSeen,
    Quarantined,
    Reconciled,
    Snapshot,
    Streaming,
    WorkersSeen,
    within_bounds,
)
from supervisor.status.summary import LISTED, summary
from supervisor.status.workers import NO_WORKER, START_ONE
from supervisor.text.plain import harmless

NOW = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
LIVE = Snapshot(
    version="0.2.0",
    user_id="@bot:example.org",
    homeserver="https://example.org",
    boot="3f9c1a7e20bd",
    pid=4711,
    started_at="2026-01-02T11:00:00.000Z",
    taken_at="2026-01-02T12:00:00.000Z",
    lifecycle=Lifecycle(state="live", since="2026-01-02T11:00:08.500Z", reason="3 changes"),
    rooms={"unchecked": 0, "repairing": 0, "ready": 10_002, "quarantined": 0, "left": 4},
    owners_total=2001,
    inbox_waiting=3,
    outbox_unsent=1,
    upkeep_due=12,
    reconciled=Reconciled(
        at="2026-01-02T11:00:08.500Z",
        counts={"changes": 3},
        skipped=7,
        conflicts=(),
        conflicts_total=0,
    ),
)


def told(seen: Snapshot) -> str:
    return "\n".join(summary(seen, "http://127.0.0.1:8484/", NOW))


def test_a_bot_that_is_well_is_told_in_a_few_lines() -> None:
    assert (
        told(LIVE)
        == """\
live for 59 min 52 s: 3 changes

bot         @bot:example.org on https://example.org
process     4711, up 1 h, version 0.2.0, boot 3f9c1a7e20bd
page        http://127.0.0.1:8484/
rooms       10,006: 10,002 ready, 4 left
owners      2,001
waiting     3 to handle, 1 to send, 12 rooms due for upkeep
reconciled  59 min 52 s ago: 3 changes, 7 skipped, 0 conflicts"""
    )


def test_a_second_process_is_told_right_below_the_state() -> None:
    lines = told(replace(LIVE, second_instance="process 7 on myhost")).splitlines()
    assert lines[1] == (
        "another process uses this account, process 7 on myhost: stop one of the two"
    )
    assert len(lines) == len(told(LIVE).splitlines()) + 1


def test_a_bot_that_creates_no_rooms_says_why_right_below_the_state() -> None:
    reason = "the homeserver says that it encrypts every new private room"
    lines = told(replace(LIVE, creates_no_rooms=reason)).splitlines()
    assert lines[1] == f"no Space and no chat is created: {reason}"


def test_a_bot_that_reads_no_further_says_why_right_below_the_state() -> None:
    why = "reading pauses: more than 1000 messages wait to be handled"
    assert told(replace(LIVE, reading_paused=why)).splitlines()[1] == why


def test_rooms_with_more_on_the_homeserver_are_counted() -> None:
    assert "due for upkeep, 2 rooms with more on the homeserver\n" in told(
        replace(LIVE, rooms_behind=2)
    )


def test_rooms_that_need_no_look_are_no_worry() -> None:
    at = "2026-01-02T11:59:50Z"
    nothing = Reconciled(at=at, counts={}, skipped=0, conflicts=(), conflicts_total=0, partly=True)
    rooms = {**LIVE.rooms, "unchecked": 10_000, "ready": 2}
    warm = replace(LIVE, rooms=rooms, unchanged=10_000, reconciled=nothing)
    assert "rooms       10,006: 2 ready, 4 left, 10,000 unchanged\n" in told(warm)
    assert told(warm).endswith("reconciled  10 s ago: no room had changed")
    some = replace(nothing, counts={"joined_rooms": 2, "changes": 1})
    assert told(replace(warm, reconciled=some)).endswith(
        "reconciled  10 s ago: in 2 changed rooms: 1 change, 0 skipped, 0 conflicts"
    )


def test_a_lost_bot_says_what_is_missing_and_when_it_tries_again() -> None:
    lifecycle = Lifecycle(
        state="degraded",
        since="2026-01-02T11:57:00Z",
        reason="502 Bad Gateway",
        cause="homeserver_lost",
        failures=4,
        next_attempt_at="2026-01-02T12:00:20Z",
    )
    lost = replace(LIVE, lifecycle=lifecycle)
    assert told(lost).splitlines()[:2] == [
        "degraded for 3 min: homeserver_lost: 502 Bad Gateway",
        "recovery attempt 4: in 20 s",
    ]
    now = replace(lost, lifecycle=replace(lifecycle, next_attempt_at="2026-01-02T11:59:59Z"))
    assert told(now).splitlines()[1] == "recovery attempt 4: now"


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    young = replace(
        LIVE,
        boot="",
        rooms=dict.fromkeys(LIVE.rooms, 0),
        owners_total=None,
        inbox_waiting=None,
        reconciled=None,
    )
    assert told(young).splitlines()[5:] == [
        "rooms       0",
        "owners      unknown",
        "waiting     unknown to handle, 1 to send, 12 rooms due for upkeep",
        "reconciled  not yet",
    ]


def test_rooms_that_fail_and_conflicts_are_told_one_by_one() -> None:
    room = Quarantined(
        room_id="!a:example.org",
        reason="a bug",
        since="2026-01-02T11:59:00Z",
        probes=1,
        next_probe_at="2026-01-02T12:00:30Z",
        name="Taxes",
        chat_id="C4",
        owner="@alice:example.org",
    )
    unknown = replace(room, room_id="!b:example.org", name=None, owner=None)
    report = Reconciled(
        at=None,
        counts={},
        skipped=0,
        conflicts=(
            Note(room_id="!c:example.org", reason="owner_ambiguous", detail="a, b"),
            Note(room_id="!d:example.org", reason="failed", detail=""),
        ),
        conflicts_total=2,
    )
    seen = replace(
        LIVE,
        rooms={**LIVE.rooms, "quarantined": 2},
        quarantined=(room, unknown),
        reconciled=report,
    )
    assert (
        told(seen).partition("reconciled  ")[2]
        == """\
0 changes, 0 skipped, 2 conflicts

quarantined (2)
  !a:example.org  “Taxes”, C4 of @alice:example.org
    a bug (for 1 min, next probe in 30 s)
  !b:example.org
    a bug (for 1 min, next probe in 30 s)

conflicts (2)
  !c:example.org
    owner_ambiguous: a, b
  !d:example.org
    failed"""
    )


def test_a_long_list_is_cut_and_the_rest_is_counted() -> None:
    notes = tuple(Note(room_id=f"!{n}", reason="failed", detail="") for n in range(100))
    report = Reconciled(at=None, counts={}, skipped=0, conflicts=notes, conflicts_total=5000)
    lines = told(replace(LIVE, reconciled=report)).splitlines()
    assert lines[-1] == f"  and {5000 - LISTED:,} more"
    assert lines[-2 * LISTED - 2] == "conflicts (5,000)"


HOSTILE = "<b>\u202egnp.exe\x1b[2J\nlive for 1 s" + "x" * 60_000


def test_conversations_at_work_are_told_with_what_people_see_of_the_answers() -> None:
    streaming = Conversation(
        room_id="!a:example.org",
        state="streaming",
        since="2026-01-02T11:59:48Z",
        shown_parts=2,
        shown_chars=1204,
        said_chars=1311,
        behind=1,
        name="Taxes",
        chat_id="C4",
        owner="@alice:example.org",
    )
    asked = Conversation(room_id="!b", state="asked", since=streaming.since, owner="@bob:b")
    queued = Conversation(room_id="!c:example.org", state="queued")
    counts = {"streaming": 1, "asked": 1, "waiting": 0, "queued": 1000}
    work = AtWork(counts=counts, listed=(streaming, asked, *[queued] * 48))
    lines = told(replace(LIVE, at_work=work)).partition("\n\nconversations at work")[2].splitlines()
    shown = "1,204 characters in 2 messages shown"
    assert lines[:7] == [
        ": 1 streaming, 1 asked, 1,000 queued (1,002)",
        "  !a:example.org  “Taxes”, C4 of @alice:example.org",
        f"    streaming for 12 s: {shown}, 1,311 said, 1 message behind it",
        "  !b  a room of @bob:b",
        "    asked for 12 s",
        "  !c:example.org",
        "    queued",
    ]
    assert lines[-1] == f"  and {1002 - LISTED:,} more"


def test_without_a_conversation_at_work_none_is_listed() -> None:
    assert told(replace(LIVE, at_work=AtWork(counts={"queued": 0}))) == told(LIVE)


def test_a_text_of_a_stranger_is_cut_and_stays_on_its_line() -> None:
    seen = Conversation(room_id="!a", state="asked", name=HOSTILE, owner=HOSTILE)
    cut = within_bounds(replace(LIVE, at_work=AtWork(counts={"asked": 1}, listed=(seen,))))
    (line,) = [harmless(line) for line in told(cut).split("!a")[1:]]
    assert len(line) < 3 * TEXT_CHARS
    assert "<b>\\u202egnp.exe\\x1b[2J\\nlive for 1 s" in line
    assert line.count("…") == 2


WELL = PlatformSeen(
    name="openai",
    state="well",
    since="2026-01-02T11:00:00Z",
    running=2,
    waiting=1,
    replies={"done": 1830, "stopped": 12, "refused": 0},
    first_token_s=0.62,
    reply_s=74.2,
    tokens={"prompt": 2_410_332, "completion": 391_276},
)


def test_a_platform_that_is_well_is_told_with_its_work() -> None:
    assert """
platform    openai, well
replies     2 in work, 1 waiting, 1,830 done, 12 stopped
speed       the first word after 0.6 s, all of it after 1 min 14 s (medians)
tokens      2,410,332 prompt, 391,276 completion
reconciled  """ in told(replace(LIVE, platform=WELL))


def test_a_platform_that_has_not_been_asked_yet_has_no_times_and_no_tokens() -> None:
    new = replace(
        WELL,
        running=0,
        waiting=0,
        replies={"done": 0},
        first_token_s=None,
        reply_s=None,
        tokens={"prompt": 0, "completion": 0},
    )
    text = told(replace(LIVE, platform=new))
    assert "replies     0 in work, 0 waiting\nreconciled  " in text


@pytest.mark.parametrize("state", list(PlatformState))
def test_a_platform_in_trouble_is_told_right_below_the_state_with_a_remedy(
    state: PlatformState,
) -> None:
    sick = replace(
        WELL,
        state=state,
        since="2026-01-02T11:57:00Z",
        reason="the key is refused",
        remedy=REMEDIES[state],
    )
    lines = told(replace(LIVE, platform=sick)).splitlines()
    if state is PlatformState.WELL:
        assert lines[1] == ""
        return
    assert lines[1:4] == [
        f"the platform openai is {state}: the key is refused (for 3 min)",
        f"  {REMEDIES[state]}",
        "",
    ]
    assert REMEDIES[state].startswith("Questions wait")


@pytest.mark.parametrize(
    ("streaming", "line"),
    [
        (
            Streaming(
                per_s=0.45, live_edits={"sent": 1200, "busy": 3, "limited": 0, "no_token": 7}
            ),
            "at most 0.45 a second; 1,200 live edits sent; left out: 3 busy, 7 no token",
        ),
        (
            Streaming(per_s=5, live_edits={"sent": 1}, finals_repeated=2),
            "at most 5 a second; 1 live edit sent; 2 ends sent once more",
        ),
        (
            Streaming(off="BOT_STREAM=off", per_s=0.2, live_edits={"sent": 0}),
            "off: BOT_STREAM=off; 0 live edits sent",
        ),
    ],
)
def test_what_was_shown_of_growing_answers_is_told_in_one_line(
    streaming: Streaming, line: str
) -> None:
    assert f"\nstreaming   {line}\n" in told(replace(LIVE, streaming=streaming))


@pytest.mark.parametrize(
    ("leading", "line"),
    [
        (
            Leading(role="leader", epoch=7, leader="process 1 on a"),
            "leader, this process leads as process 1 on a, epoch 7",
        ),
        (
            Leading(role="standby", epoch=7, leader="process 1 on a"),
            "standby, process 1 on a leads, epoch 7",
        ),
        (Leading(role="standby", epoch=7), "standby, no process leads, epoch 7"),
    ],
)
def test_of_several_processes_it_is_told_which_one_leads(leading: Leading, line: str) -> None:
    assert f"leading     {line}\n" in told(replace(LIVE, leading=leading))


BUSY = WorkersSeen(alive=2, in_work=5, waiting=3, oldest_waiting_s=12.4)


@pytest.mark.parametrize(
    ("workers", "line"),
    [
        (BUSY, "2 running; questions: 5 in work, 3 waiting, the oldest for 12 s"),
        (
            WorkersSeen(alive=1, in_work=0, waiting=0),
            "1 running; questions: 0 in work, 0 waiting",
        ),
        (WorkersSeen(), "unknown, the database does not answer"),
    ],
)
def test_the_workers_are_told_in_one_line(workers: WorkersSeen, line: str) -> None:
    text = told(replace(LIVE, workers=workers))
    assert f"\nworkers     {line}\n" in text
    assert text.splitlines()[1] == ""


def test_a_bot_without_a_worker_says_so_below_the_state_and_the_platform_does_not() -> None:
    sick = replace(WELL, state="unavailable", reason=NO_WORKER, remedy="look at it")
    lines = told(
        replace(LIVE, platform=sick, workers=replace(BUSY, trouble=NO_WORKER, remedy=START_ONE))
    ).splitlines()
    assert lines[1:4] == [NO_WORKER, f"  {START_ONE}", ""]
    assert "surfaces-bot worker" in START_ONE
