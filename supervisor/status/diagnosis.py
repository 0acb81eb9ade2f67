"""A diagnosis of the bot from its journal, in a few sentences. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from actors.rules.room_states import RoomState
from actors.runtime.table import Transition
from supervisor.lifecycle import LOSSES, MACHINE, RESET, State, Trigger
from supervisor.text.plain import duration, until

if TYPE_CHECKING:
    from supervisor.status.snapshot import Snapshot

_LOSS_WINDOW: Final = timedelta(hours=1)
_REPEAT_WINDOW: Final = timedelta(minutes=10)
_REPEATS: Final = 3
"""So many revocations or starts within `_REPEAT_WINDOW` are reported."""
_NO_FAULTS: Final = frozenset({Trigger.STOP_REQUESTED, Trigger.LEASE_LOST})
"""Ends of a run that the process itself did not cause."""
_ROOMS_NAMED: Final = 5
_ADVICE: Final = {
    Trigger.HOMESERVER_LOST: "`surfaces-bot check` tests the same homeserver.",
    Trigger.STORE_LOST: "Check the disk and the permissions of MATRIX_DB_PATH.",
    Trigger.ROOMS_FAILING: "The bot serves the other rooms meanwhile.",
}
_NO_ROWS: Final = (
    "The process that leads in epoch {} has no row in this journal: it has just begun, it uses "
    "another journal, or its rows were too old to be kept."
)
_DOING: Final = {
    State.STANDBY: "standing by",
    State.LOGIN: "logging in",
    State.HYDRATE: "reading its rooms",
    State.RECONCILE: "updating its database",
}


def diagnosis(
    rows: Sequence[Transition],
    now: datetime,
    *,
    started: datetime | None,
    seen: "Snapshot | None" = None,
    epoch: int | None = None,
) -> str | None:
    """One sentence per line, the most important one first; None without a row of the lifecycle.

    `rows` are the whole journal, oldest first. `started` is the start time of the running bot,
    None if no bot is running. `seen` is the snapshot of that bot, None if it did not answer: the
    journal has past transitions, and only the bot knows its next attempts. `epoch` is that of the
    lease under which a process leads now, on this or another machine: the state is that of its run.
    """
    lifecycle = [row for row in rows if row.machine == MACHINE and row.outcome != "denied"]
    if not lifecycle:
        return None
    last = lifecycle[-1]
    if epoch is not None:
        boots = boots_in(lifecycle, epoch)
        leading = [row for row in lifecycle if row.boot in boots]
        if not leading:
            return _NO_ROWS.format(epoch)
        last = leading[-1]
        has_ended = last.dst == State.STOPPED  # the lease is freed soon
        started = None if has_ended else datetime.fromisoformat(leading[0].at)
    if seen is not None and (seen.boot, seen.lifecycle.state) != (last.boot, last.dst):
        seen = None  # the snapshot and the journal are from different moments
    sentences = [_state(last, now, started, seen)]
    sentences += _revocations(lifecycle, now)
    sentences += _starts(lifecycle, now)
    sentences += _bugs(rows, last.boot)
    if started is not None and last.dst != State.STOPPED:
        sentences += _losses(lifecycle, now)
        sentences += _quarantined(rows, last.boot, now, seen)
    return "\n".join(sentences)


def boots_in(lifecycle: Iterable[Transition], epoch: int) -> set[str]:
    """The run that was elected in this epoch, by its `boot`; empty if no transition names it."""
    named = re.compile(rf"epoch {epoch}\b")
    return {
        row.boot
        for row in lifecycle
        if row.trigger == Trigger.ELECTED and named.match(row.reason) is not None
    }


def _state(
    last: Transition, now: datetime, started: datetime | None, seen: "Snapshot | None"
) -> str:
    if started is None:
        return _end(last, now)
    # After a clock that was set back, the order of the two times says nothing.
    is_earlier = started <= now and datetime.fromisoformat(last.at) < started
    if last.dst == State.STOPPED or (is_earlier and seen is None):
        return f"starting for {_length(now - started)}: the bot has not logged in yet."
    # The bot measures the age of its state itself; the journal has times of the wall clock.
    since = (
        _length(now - datetime.fromisoformat(seen.lifecycle.since)) if seen else _since(last, now)
    )
    match last.dst:
        case State.LIVE:
            return f"live for {since}, since {_hour(last)}."
        case State.DEGRADED:
            advice = _ADVICE.get(Trigger(last.trigger), "")
            reason = seen.lifecycle.reason if seen else last.reason
            why = f"{last.trigger}: {reason}" if reason else last.trigger
            return f"degraded for {since}: {why}. {advice} {_next_attempt(now, seen)}"
        case doing:
            return f"{_DOING.get(State(doing), doing)} for {since}."


def _next_attempt(now: datetime, seen: "Snapshot | None") -> str:
    if seen is None or seen.lifecycle.next_attempt_at is None:
        return (
            "The bot retries at least once a minute, unless the homeserver asks for more time, "
            "and continues with hydrate."
        )
    number, due = seen.lifecycle.failures, seen.lifecycle.next_attempt_at
    if datetime.fromisoformat(due) <= now:
        return f"Attempt {number} is under way; if it succeeds, the bot continues with hydrate."
    return (
        f"Next attempt {until(due, now)} (attempt {number}); "
        "if it succeeds, the bot continues with hydrate."
    )


def _end(last: Transition, now: datetime) -> str:
    since = _since(last, now)
    if last.dst != State.STOPPED:
        return (
            f"not running: the last run ended abruptly in state {last.dst}, after {_hour(last)}. "
            "Start the bot again; nothing has to be cleaned up."
        )
    if last.trigger == RESET:
        return f"reset {since} ago; the next run rebuilds the database from the homeserver."
    if last.trigger == Trigger.CREDENTIALS_REFUSED:
        return f"stopped {since} ago: {last.reason}. A restart alone does not help."
    if last.trigger == Trigger.LEASE_LOST:
        return f"stopped {since} ago, because the process no longer leads: {last.reason}."
    return f"stopped {since} ago on request ({last.reason})."


def _losses(lifecycle: Iterable[Transition], now: datetime) -> Iterator[str]:
    """Repeated losses within the hour, even if the bot is live now."""
    recent = _within(lifecycle, now, _LOSS_WINDOW)
    lost = Counter(row.trigger for row in recent if row.trigger in LOSSES)
    if lost.total() > 1:
        causes = ", ".join(f"{trigger} {count}" for trigger, count in lost.most_common())
        yield f"degraded {lost.total()} times within the last hour ({causes})."


def _revocations(lifecycle: Iterable[Transition], now: datetime) -> Iterator[str]:
    recent = _within(lifecycle, now, _REPEAT_WINDOW)
    revoked = sum(row.trigger == Trigger.SESSION_REVOKED for row in recent)
    if revoked >= _REPEATS:
        yield (
            f"the session was revoked {revoked} times within 10 min: another program seems to use "
            "this account and device. Stop it, or give one of them its own MATRIX_DEVICE_ID."
        )


def _starts(lifecycle: Iterable[Transition], now: datetime) -> Iterator[str]:
    """Repeated starts of a bot that ends by itself.

    A run that ended by a requested stop, or because another process leads, is not counted.
    """
    recent = [row for row in _within(lifecycle, now, _REPEAT_WINDOW) if row.trigger != RESET]
    others = {row.boot for row in recent if row.trigger in _NO_FAULTS}
    boots = {row.boot for row in recent} - others
    if len(boots) >= _REPEATS:
        yield (
            f"started {len(boots)} times within 10 min without a requested stop: the last lines of "
            "the log and the exit code say why the bot ends."
        )


def _bugs(rows: Iterable[Transition], boot: str) -> Iterator[str]:
    for row in rows:
        if row.boot == boot and row.outcome == "denied":
            yield f"a bug: {row.trigger} in state {row.src} ({row.machine}). Please report it."
            return


def _quarantined(
    rows: Iterable[Transition], boot: str, now: datetime, seen: "Snapshot | None"
) -> Iterator[str]:
    latest = {row.machine: row for row in rows if row.boot == boot and row.machine != MACHINE}
    quarantined = [row for row in latest.values() if row.dst == RoomState.QUARANTINED]
    if not quarantined:
        return
    rooms = "1 room is" if len(quarantined) == 1 else f"{len(quarantined)} rooms are"
    yield f"{rooms} quarantined and probed from time to time; the bot serves the other rooms:"
    known = {f"room:{room.room_id}": room for room in seen.quarantined} if seen else {}
    for row in quarantined[-_ROOMS_NAMED:]:
        room = known.get(row.machine)
        probe = f", next probe {until(room.next_probe_at, now)}" if room else ""
        reason = room.reason if room else row.reason
        yield f"  {row.machine} for {_since(row, now)}{probe}: {reason}"
    if len(quarantined) > _ROOMS_NAMED:
        yield f"  and {len(quarantined) - _ROOMS_NAMED} more"


def _within(rows: Iterable[Transition], now: datetime, span: timedelta) -> list[Transition]:
    return [row for row in rows if now - datetime.fromisoformat(row.at) <= span]


def _since(row: Transition, now: datetime) -> str:
    return _length(now - datetime.fromisoformat(row.at))


def _length(span: timedelta) -> str:
    return duration(max(0, round(span.total_seconds() * 1000)))


def _hour(row: Transition) -> str:
    return f"{datetime.fromisoformat(row.at):%Y-%m-%d %H:%M:%S} UTC"
