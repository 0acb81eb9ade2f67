"""What can be said of the bot at one moment: frozen values, the same for page, JSON and metrics.

Times are RFC 3339 in UTC. None where something could not be found out, such as a count while the
database cannot be read. Lists are cut; the number beside a list is of all.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from actors.runtime.table import Transition

PROGRAM: Final = "surfaces-bot"
LISTED: Final = 100
"""At most so many rows of anything: ten thousand rooms must not make the page slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Where the bot is, since when and why; the newest transitions, oldest first.

    `cause` is what was lost while degraded. `next_attempt_at` is then the time of the next
    attempt, in the past while one is being made. `failures` counts the attempts so far.
    """

    state: str
    since: str
    reason: str
    cause: str | None = None
    failures: int = 0
    next_attempt_at: str | None = None
    steps: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A person with a Space. `chats` were given out so far, archived ones included."""

    user_id: str
    space_id: str
    chats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A room that is set aside. What the cache does not know of it is None."""

    room_id: str
    reason: str
    since: str
    probes: int
    next_probe_at: str
    name: str | None = None
    chat_id: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A room that the last reconciliation mentions, and why."""

    room_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The last reconciliation: when, its counts in the report's words, and what it could not do.

    `partly`: it looked only at the rooms that had changed, and knew the others to be as they were.
    """

    at: str | None
    counts: dict[str, int]
    skipped: int
    conflicts: tuple[Note, ...]
    conflicts_total: int
    partly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of one bot."""

    version: str
    user_id: str
    homeserver: str
    boot: str
    pid: int
    started_at: str
    taken_at: str
    lifecycle: Lifecycle
    rooms: dict[str, int]
    """How many rooms are in each state, every state included."""
    unchanged: int = 0
    """How many of the unchecked ones need no look: nothing has changed since they had one."""
    owners: tuple[Owner, ...] = ()
    owners_total: int | None = None
    quarantined: tuple[Quarantined, ...] = ()
    inbox_waiting: int | None = None
    outbox_unsent: int | None = None
    upkeep_due: int = 0
    reconciled: Reconciled | None = None
    second_instance: str | None = None
    """Another process that uses the same account, in words."""
    program: str = PROGRAM

    def says_the_same_as(self, other: "Snapshot") -> bool:
        """Whether nothing but time has passed between the two."""
        return replace(self, taken_at="") == replace(other, taken_at="")


class NotASnapshot(Exception):
    """What was read is not a snapshot of ours: something else answers there."""


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as one JSON object, on one line."""
    return msgspec.json.encode(snapshot)


def decode(content: bytes) -> Snapshot:
    """A snapshot from JSON. Raises NotASnapshot."""
    try:
        snapshot = msgspec.json.decode(content, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotASnapshot(str(error)) from error
    if snapshot.program != PROGRAM:
        raise NotASnapshot(f"it is from {snapshot.program}")
    return snapshot


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch in the journal's form."""
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
