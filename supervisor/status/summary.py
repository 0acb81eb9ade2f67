"""A snapshot as lines of text, for `status` on a terminal. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from supervisor.status.snapshot import (
    AtWork,
    Conversation,
    Leading,
    Note,
    PlatformSeen,
    Quarantined,
    Snapshot,
    Streaming,
    WorkersSeen,
)
from supervisor.text.plain import duration, until

LISTED: Final = 10
"""The number of rooms that are listed in a section."""
_LABEL: Final = 12


def summary(seen: Snapshot, page: str, now: datetime) -> Iterator[str]:
    """The lines: the state and its reason, the figures, and a section for each list."""
    yield from _lifecycle(seen, now)
    yield from _problems(seen, now)
    yield ""
    yield _line("bot", f"{seen.user_id} on {seen.homeserver}")
    up = _since(seen.started_at, now)
    yield _line("process", f"{seen.pid}, up {up}, version {seen.version}, boot {seen.boot or '…'}")
    if seen.leading is not None:
        yield _line("leading", _leading(seen.leading))
    yield _line("page", page)
    yield _line("rooms", _rooms(seen))
    yield _line("owners", _count(seen.owners_total))
    inbox, outbox = _count(seen.inbox_waiting), _count(seen.outbox_unsent)
    upkeep = _of(seen.upkeep_due, "room")
    waiting = f"{inbox} to handle, {outbox} to send, {upkeep} due for upkeep"
    if seen.rooms_behind:
        waiting += f", {_of(seen.rooms_behind, 'room')} with more on the homeserver"
    yield _line("waiting", waiting)
    if seen.platform is not None:
        yield from _platform(seen.platform)
    if seen.workers is not None:
        yield _line("workers", _workers(seen.workers))
    if seen.streaming is not None:
        yield _line("streaming", _streaming(seen.streaming))
    yield _line("reconciled", _reconciled(seen, now))
    if seen.at_work is not None:
        yield from _at_work(seen.at_work, now)
    yield from _section("quarantined", seen.rooms.get("quarantined", 0), _quarantined(seen, now))
    conflicts = seen.reconciled.conflicts if seen.reconciled else ()
    total = seen.reconciled.conflicts_total if seen.reconciled else 0
    yield from _section("conflicts", total, map(_conflict, conflicts))


def _lifecycle(seen: Snapshot, now: datetime) -> Iterator[str]:
    lifecycle = seen.lifecycle
    cause = f"{lifecycle.cause}: " if lifecycle.cause else ""
    why = f": {cause}{lifecycle.reason}" if lifecycle.reason else ""
    yield f"{lifecycle.state} for {_since(lifecycle.since, now)}{why}"
    if lifecycle.next_attempt_at is not None:
        yield f"recovery attempt {lifecycle.failures}: {until(lifecycle.next_attempt_at, now)}"


def _problems(seen: Snapshot, now: datetime) -> Iterator[str]:
    if seen.reading_paused is not None:
        yield seen.reading_paused
    if seen.second_instance is not None:
        yield f"another process uses this account, {seen.second_instance}: stop one of the two"
    if seen.creates_no_rooms is not None:
        yield f"no Space and no chat is created: {seen.creates_no_rooms}"
    if seen.workers is not None and seen.workers.trouble:
        yield seen.workers.trouble
        yield f"  {seen.workers.remedy}"
    elif seen.platform is not None and seen.platform.trouble:
        yield f"{seen.platform.trouble} (for {_since(seen.platform.since, now)})"
        yield f"  {seen.platform.remedy}"


def _rooms(seen: Snapshot) -> str:
    rooms = {**seen.rooms, "unchanged": seen.unchanged}
    rooms["unchecked"] = rooms.get("unchecked", 0) - seen.unchanged
    parts = ", ".join(f"{count:,} {state}" for state, count in rooms.items() if count)
    return f"{sum(seen.rooms.values()):,}{f': {parts}' if parts else ''}"


def _platform(seen: PlatformSeen) -> Iterator[str]:
    yield _line("platform", f"{seen.name}, {seen.state}")
    ended = [f"{count:,} {outcome}" for outcome, count in seen.replies.items() if count]
    work = [f"{seen.running:,} in work", f"{seen.waiting:,} waiting", *ended]
    yield _line("replies", ", ".join(work))
    times = ((seen.first_token_s, "the first word"), (seen.reply_s, "all of it"))
    told = [f"{what} after {_brief(time_s)}" for time_s, what in times if time_s is not None]
    if told:
        yield _line("speed", f"{', '.join(told)} (medians)")
    if any(seen.tokens.values()):
        tokens = ", ".join(f"{count:,} {kind}" for kind, count in seen.tokens.items())
        yield _line("tokens", tokens)


def _workers(seen: WorkersSeen) -> str:
    if seen.alive is None:
        return "unknown, the database does not answer"
    questions = f"{_count(seen.in_work)} in work, {_count(seen.waiting)} waiting"
    oldest = seen.oldest_waiting_s
    since = "" if oldest is None else f", the oldest for {_brief(oldest)}"
    return f"{seen.alive:,} running; questions: {questions}{since}"


def _streaming(seen: Streaming) -> str:
    counts = dict(seen.live_edits)
    told = [f"{_of(counts.pop('sent', 0), 'live edit')} sent"]
    left_out = [
        f"{count:,} {reason.replace('_', ' ')}" for reason, count in counts.items() if count
    ]
    if left_out:
        told.append(f"left out: {', '.join(left_out)}")
    if seen.finals_repeated:
        told.append(f"{_of(seen.finals_repeated, 'end')} sent once more")
    state = f"off: {seen.off}" if seen.off else f"at most {seen.per_s:.2g} a second"
    return "; ".join([state, *told])


def _at_work(work: AtWork, now: datetime) -> Iterator[str]:
    counts = [f"{count:,} {state}" for state, count in work.counts.items() if count]
    title = f"conversations at work: {', '.join(counts)}"
    lines = ((_named(each), _work(each, now)) for each in work.listed)
    yield from _section(title, work.total, lines)


def _work(seen: Conversation, now: datetime) -> str:
    since = f" for {_since(seen.since, now)}" if seen.since else ""
    shown = f"{_of(seen.shown_chars, 'character')} in {_of(seen.shown_parts, 'message')} shown"
    told = [shown] if seen.shown_parts else []
    if seen.said_chars:
        told.append(f"{seen.said_chars:,} said")
    if seen.behind:
        told.append(f"{_of(seen.behind, 'message')} behind it")
    return f"{seen.state}{since}{': ' if told else ''}{', '.join(told)}"


def _reconciled(seen: Snapshot, now: datetime) -> str:
    report = seen.reconciled
    if report is None:
        return "not yet"
    when = f"{_since(report.at, now)} ago: " if report.at else ""
    changes, looked_at = report.counts.get("changes", 0), report.counts.get("joined_rooms", 0)
    if report.partly and not looked_at:
        return f"{when}no room had changed"
    if report.partly:
        when += f"in {_of(looked_at, 'changed room')}: "
    changed, undecided = _of(changes, "change"), _of(report.conflicts_total, "conflict")
    return f"{when}{changed}, {report.skipped:,} skipped, {undecided}"


def _section(title: str, total: int, entries: Iterator[tuple[str, str]]) -> Iterator[str]:
    if not total:
        return
    yield ""
    yield f"{title} ({total:,})"
    listed = 0
    for (first, second), _ in zip(entries, range(LISTED), strict=False):
        yield f"  {first}"
        yield f"    {second}"
        listed += 1
    if total > listed:
        yield f"  and {total - listed:,} more"


def _quarantined(seen: Snapshot, now: datetime) -> Iterator[tuple[str, str]]:
    for room in seen.quarantined:
        when = f"for {_since(room.since, now)}, next probe {until(room.next_probe_at, now)}"
        yield _named(room), f"{room.reason} ({when})"


def _named(room: Quarantined | Conversation) -> str:
    """The room, with its name, its chat id and its owner as far as they are known."""
    if room.owner is None:
        return room.room_id
    name = f"“{room.name}”, " if room.name else ""
    kind = room.chat_id or ("a room" if room.name is None else "Space")
    return f"{room.room_id}  {name}{kind} of {room.owner}"


def _conflict(note: Note) -> tuple[str, str]:
    return note.room_id, f"{note.reason}: {note.detail}" if note.detail else note.reason


def _line(label: str, text: str) -> str:
    return f"{label:<{_LABEL}}{text}"


def _count(value: int | None) -> str:
    return "unknown" if value is None else f"{value:,}"


def _of(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _brief(time_s: float) -> str:
    return duration(round(time_s * 1000))


def _since(at: str, now: datetime) -> str:
    past = now - datetime.fromisoformat(at)
    return duration(max(0, round(past.total_seconds() * 1000)))


def _leading(leading: Leading) -> str:
    who = f"{leading.leader or 'no process'} leads"
    if leading.role == "leader":
        who = f"this process leads{f' as {leading.leader}' if leading.leader else ''}"
    return f"{leading.role}, {who}, epoch {leading.epoch}"
