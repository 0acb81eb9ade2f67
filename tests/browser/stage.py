"""The real status server with snapshots that a test chooses.

`python -m tests.browser.stage` serves one on port 8484.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio

from actors.bounds import Bounds
from actors.platform_state import PlatformState
from actors.replies.values import Stage
from actors.runtime.table import Outcome, Transition
from supervisor.lifecycle import MACHINE
from supervisor.settings import Bind
from supervisor.status.platform import REMEDIES
from supervisor.status.server import status_server
from supervisor.status.snapshot import (
    LISTED,
    AtWork,
    Conversation,
    Leading,
    Lifecycle,
    Note,
    Owner,
    PlatformSeen,
    Quarantined,
    Reconciled,
    Snapshot,
    Streaming,
    WorkersSeen,
    rfc3339,
)
from supervisor.status.workers import NO_WORKER, START_ONE

HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&lt;b&gt;{{7*7}}\u202egnp.exe\x00"
)


def now_s() -> float:
    """Seconds since the epoch."""
    return datetime.now(UTC).timestamp()


def step(  # noqa: PLR0917 - a row of a table
    at_s: float, src: str, trigger: str, dst: str, reason: str, dwell_s: float
) -> Transition:
    """A step of the lifecycle."""
    return Transition(
        at=rfc3339(at_s),
        boot="b00t",
        machine=MACHINE,
        src=src,
        trigger=trigger,
        dst=dst,
        outcome=Outcome.ERROR if dst == "degraded" else Outcome.OK,
        reason=reason,
        attempt=1,
        dwell_ms=round(dwell_s * 1000),
    )


def a_life(now: float) -> tuple[Transition, ...]:
    """The steps of a start, an outage of four minutes, and a recovery."""
    t = now - 2700
    return (
        step(t, "login", "logged_in", "hydrate", "logged in by stored session", 0.2),
        step(t + 9, "hydrate", "hydrated", "reconcile", "1250 rooms", 9),
        step(t + 11, "reconcile", "reconciled", "live", "3 changes, 1 conflict", 2),
        step(t + 1200, "live", "homeserver_lost", "degraded", "502 Bad Gateway", 1189),
        step(
            t + 1440,
            "degraded",
            "recovered",
            "hydrate",
            "homeserver and database answer again",
            240,
        ),
        step(t + 1441, "hydrate", "hydrated", "reconcile", "2 rooms changed", 1),
        step(t + 1441.5, "reconcile", "reconciled", "live", "0 changes, 1 conflict", 0.5),
    )


def live() -> Snapshot:
    """A live bot, with an entry in every section of the page."""
    now = now_s()
    steps = a_life(now)
    return Snapshot(
        version="0.2.0",
        user_id="@surfaces:example.org",
        homeserver="https://matrix.example.org",
        boot="3f9c1a7e20bd",
        pid=4711,
        started_at=rfc3339(now - 2701),
        taken_at=rfc3339(now),
        lifecycle=Lifecycle(
            state="live", since=steps[-1].at, reason="0 changes, 1 conflict", steps=steps
        ),
        rooms={"unchecked": 2, "repairing": 1, "ready": 1243, "quarantined": 2, "left": 4},
        owners=tuple(
            Owner(user_id=f"@{name}:example.org", space_id=f"!space-{name}:example.org", chats=n)
            for n, name in enumerate(("alice", "bob", "carol"), start=3)
        ),
        owners_total=250,
        quarantined=(
            quarantined("!Jq1wXkP2:example.org", "Tax questions", now),
            quarantined("!hostile:example.org", HOSTILE, now),
        ),
        inbox_waiting=3,
        outbox_unsent=1,
        upkeep_due=12,
        reconciled=Reconciled(
            at=steps[-1].at,
            counts={
                "joined_rooms": 1252,
                "restored_chat_rows": 2,
                "repaired_chat_rows": 1,
                "already_right": 1240,
                "changes": 3,
            },
            skipped=7,
            conflicts=(Note(room_id="!c:example.org", reason="owner_ambiguous", detail=HOSTILE),),
            conflicts_total=1,
        ),
        platform=a_platform(now),
        at_work=at_work(now),
        streaming=Streaming(
            per_s=0.3,
            live_edits={"sent": 4210, "busy": 12, "limited": 30, "no_token": 977},
            finals_repeated=1,
        ),
    )


def at_work(now: float) -> AtWork:
    """A conversation in every state."""
    streaming = Conversation(
        room_id="!Qm3kXz8:example.org",
        state=Stage.STREAMING,
        since=rfc3339(now - 72),
        shown_parts=2,
        shown_chars=4310,
        said_chars=4512,
        behind=1,
        name="Thesis",
        chat_id="C2",
        owner="@alice:example.org",
    )
    others = (
        replace(streaming, state=state, room_id=f"!{state}:example.org", shown_parts=0, behind=0)
        for state in Stage
        if state is not Stage.STREAMING
    )
    hostile = Conversation(room_id="!x", state=Stage.QUEUED, name=HOSTILE, owner=HOSTILE)
    listed = streaming, *others, hostile
    counts = {state.value: 1 for state in Stage} | {"queued": 2}
    return AtWork(counts=counts, listed=listed)


def crowded() -> Snapshot:
    """A leader with a hundred thousand rooms: every list is as long as it gets."""
    seen, now = live(), now_s()
    (queued,) = (each for each in at_work(now).listed if each.state == Stage.QUEUED and each.since)
    work = tuple(replace(queued, room_id=f"!q{n}:example.org") for n in range(LISTED))
    rooms = tuple(quarantined(f"!r{n}:example.org", HOSTILE, now) for n in range(LISTED))
    report = seen.reconciled
    assert report is not None
    notes = tuple(replace(report.conflicts[0], room_id=f"!c{n}") for n in range(LISTED))
    owner = seen.owners[0]
    return replace(
        seen,
        lifecycle=replace(seen.lifecycle, steps=seen.lifecycle.steps * 17),
        leading=Leading(role="leader", epoch=7, leader="process 1 on a"),
        rooms={**seen.rooms, "ready": 95_000, "quarantined": 4_000},
        owners=tuple(replace(owner, user_id=f"@u{n}:example.org") for n in range(LISTED)),
        owners_total=10_000,
        quarantined=rooms,
        reconciled=replace(report, conflicts=notes, conflicts_total=3_000),
        at_work=AtWork(counts={"streaming": 0, "queued": 1_200}, listed=work),
    )


def standing_by() -> Snapshot:
    """A process that waits for the lead."""
    seen = young()
    lifecycle = replace(seen.lifecycle, state="standby", reason="process 1 on a leads in epoch 7")
    leading = Leading(role="standby", epoch=7, leader="process 1 on a")
    return replace(seen, lifecycle=lifecycle, leading=leading)


def a_platform(now: float) -> PlatformSeen:
    """A platform that is well and has answered."""
    return PlatformSeen(
        name="openai",
        state="well",
        since=rfc3339(now - 2690),
        running=2,
        waiting=1,
        replies={"done": 1830, "stopped": 12, "refused": 1, "failed": 3, "retried": 9},
        first_token_s=0.62,
        reply_s=7.4,
        tokens={"prompt": 2_410_332, "completion": 391_276},
    )


def platform_in(state: PlatformState, reason: str) -> Snapshot:
    """A live bot whose platform is in this state."""
    seen, now = live(), now_s()
    remedy = REMEDIES[state]
    platform = replace(a_platform(now), state=state, reason=reason, remedy=remedy)
    return replace(seen, platform=replace(platform, since=rfc3339(now - 252), running=0))


def by_workers(workers: WorkersSeen) -> Snapshot:
    """A live bot whose platform is asked by workers."""
    return replace(live(), workers=workers)


def without_worker() -> Snapshot:
    """A live bot whose questions wait for a worker."""
    remedy = REMEDIES[PlatformState.UNAVAILABLE]
    reason = "no worker is running: start `surfaces-bot worker`"
    down = replace(a_platform(now_s()), state="unavailable", reason=reason, remedy=remedy)
    workers = WorkersSeen(
        alive=0, in_work=0, waiting=3, oldest_waiting_s=8.2, trouble=NO_WORKER, remedy=START_ONE
    )
    return replace(by_workers(workers), platform=down)


def quarantined(room_id: str, name: str, now: float) -> Quarantined:
    """A quarantined room."""
    return Quarantined(
        room_id=room_id,
        reason="the platform answered with something that is no text",
        since=rfc3339(now - 95),
        probes=2,
        next_probe_at=rfc3339(now + 75),
        name=name,
        chat_id="C4",
        owner="@alice:example.org",
    )


def degraded() -> Snapshot:
    """A degraded bot: its homeserver refuses connections."""
    now = now_s()
    lost = step(now - 180, "live", "homeserver_lost", "degraded", "connection refused", 1100)
    return replace(
        live(),
        lifecycle=Lifecycle(
            state="degraded",
            since=lost.at,
            reason="connection refused",
            cause="homeserver_lost",
            failures=4,
            next_attempt_at=rfc3339(now + 21),
            steps=(*a_life(now), lost),
        ),
    )


def young() -> Snapshot:
    """A bot that starts for the first time: most values are not known yet."""
    now = now_s()
    return replace(
        live(),
        lifecycle=Lifecycle(state="login", since=rfc3339(now), reason="opening the files"),
        rooms=dict.fromkeys(live().rooms, 0),
        owners=(),
        owners_total=None,
        quarantined=(),
        inbox_waiting=None,
        outbox_unsent=None,
        upkeep_due=0,
        reconciled=None,
        platform=None,
        at_work=None,
        streaming=None,
    )


def warm() -> Snapshot:
    """A live bot after a warm restart that found no changed rooms."""
    seen = live()
    nothing = Reconciled(
        at=seen.lifecycle.since,
        counts=dict.fromkeys(("joined_rooms", "already_right", "changes"), 0),
        skipped=0,
        conflicts=(),
        conflicts_total=0,
        partly=True,
    )
    return replace(
        seen,
        lifecycle=replace(seen.lifecycle, reason="no room has changed"),
        rooms={**dict.fromkeys(seen.rooms, 0), "unchecked": 1250, "ready": 2},
        unchanged=1250,
        quarantined=(),
        reconciled=nothing,
    )


@dataclass(slots=True)
class Puppet:
    """Implements `supervisor.status.server.Observed`."""

    says: Snapshot = field(default_factory=live)
    url: str = ""

    async def snapshot(self) -> Snapshot:
        return replace(self.says, taken_at=rfc3339(now_s()))

    def readiness(self) -> tuple[bool, str]:
        return self.says.lifecycle.state == "live", self.says.lifecycle.reason

    async def metrics(self) -> bytes:
        return b"surfaces_bot_up 1\n"


@asynccontextmanager
async def on_stage(
    says: Snapshot | None = None, port: int = 0, bounds: Bounds = Bounds()
) -> AsyncIterator[Puppet]:
    """Serve a puppet on loopback."""
    puppet = Puppet(says or live())
    async with status_server(Bind("127.0.0.1", port), puppet, bounds) as url:
        assert url is not None
        puppet.url = url
        yield puppet


async def _show() -> None:
    async with on_stage(port=8484):
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(_show)
