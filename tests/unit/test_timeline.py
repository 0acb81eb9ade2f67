"""The journal as lines for people."""

import io
from collections.abc import Sequence
from dataclasses import replace

from actors.runtime.table import Outcome, Transition
from supervisor.text.console import console
from supervisor.text.timeline import Timeline

ROOM = "room:!AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG"


def record(
    at: str, step: str, trigger: str, reason: str = "", machine: str = "lifecycle"
) -> Transition:
    src, dst = step.split(" → ")
    return Transition(at, "b", machine, src, trigger, dst, Outcome.OK, reason, 1, 61_000)


def checked(number: int) -> Transition:
    at = f"2026-11-20T09:00:0{number}.000Z"
    reason = "skipped: direct_chat" if number == 1 else ""
    return record(at, "unchecked → ready", "checked", reason, f"room:!{number}")


STORY = (
    record("2026-11-19T23:59:58.123Z", "login → hydrate", "logged_in", "by password"),
    *(checked(number) for number in range(3)),
    record("2026-11-20T09:00:04.000Z", "ready → quarantined", "failed_repeatedly", "b", ROOM),
    record("2026-11-20T09:00:05.000Z", "unchecked → ready", "checked", machine="room:!0"),
)


def printed(rows: Sequence[Transition], width: int, limit: int | None = None) -> list[str]:
    out = console(io.StringIO())
    out.width = width
    timeline = Timeline(width)
    out.print(timeline.heading())
    for line in timeline.lines(rows, limit):
        out.print(line)
    assert isinstance(out.file, io.StringIO)
    return [line.rstrip() for line in out.file.getvalue().splitlines()]


def test_rooms_that_do_the_same_for_the_same_reason_say_it_once() -> None:
    alike = [
        record("2026-11-20T09:00:00.000Z", "ready → repairing", "drift_found", "no rows", room)
        for room in ("room:!a", "room:!b")
    ]
    assert printed(alike, 160)[1:] == [
        "2026-11-20 09:00:00  ready → repairing                     drift_found: no rows (2 rooms)"
    ]


def test_what_goes_wrong_is_told_room_by_room() -> None:
    failed = [
        replace(STORY[4], outcome=Outcome.ERROR, machine=room) for room in ("room:!a", "room:!b")
    ]
    assert [line.split()[-3] for line in printed(failed, 160)[1:]] == ["room:!a", "room:!b"]


def test_a_wide_timeline_has_a_line_for_each_step_with_everything_in_it() -> None:
    assert printed(STORY, 160) == [
        "time (UTC)           step                           after  why",
        "2026-11-19 23:59:58  login → hydrate            1 min 1 s  logged_in: by password",
        "2026-11-20 09:00:02  unchecked → ready                     checked (3 rooms)",
        f"2026-11-20 09:00:04  ready → quarantined        1 min 1 s  {ROOM} failed_repeatedly: b",
        "2026-11-20 09:00:05  unchecked → ready          1 min 1 s  room:!0 checked",
    ]


def test_a_narrow_timeline_fits_80_columns() -> None:
    assert printed(STORY, 80) == [
        "UTC       step                           after  why",
        "2026-11-19",
        "23:59:58  login → hydrate            1 min 1 s  logged_in: by password",
        "2026-11-20",
        "09:00:02  unchecked → ready                     checked (3 rooms)",
        "09:00:04  ready → quarantined        1 min 1 s  room:!AbCdEfGhIjKlMnOpQrStUvWxYz",
        "                                                0123456789AbCdEfG",
        "                                                failed_repeatedly: b",
        "09:00:05  unchecked → ready          1 min 1 s  room:!0",
        "                                                checked",
    ]


def test_a_limit_counts_lines_not_rooms() -> None:
    assert [line[:19] for line in printed(STORY, 160, 3)[1:]] == [
        "2026-11-20 09:00:02",
        "2026-11-20 09:00:04",
        "2026-11-20 09:00:05",
    ]


def test_the_date_is_told_once_however_many_times_rows_come() -> None:
    timeline = Timeline(80)
    assert len(list(timeline.lines(STORY[:1]))) == 2
    assert len(list(timeline.lines(STORY[:1]))) == 1
    assert len(list(timeline.lines(STORY[-1:]))) == 2


def test_a_time_that_cannot_be_read_is_shown_as_it_is() -> None:
    assert "yesterday" in printed([record("yesterday", "a → b", "t")], 160)[1]
