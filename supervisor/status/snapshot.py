"""The status of the bot at one moment: frozen values, the same for page, JSON and metrics.

Times are RFC 3339 in UTC. None stands for a value that is not known, such as a count while the
database cannot be read. Lists are truncated to `LISTED`; the total beside a list counts all. Texts
are cut at `TEXT_CHARS`, because a room's name may have tens of thousands of characters.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from actors.platform_state import PlatformState
from actors.runtime.table import Transition
from supervisor.lifecycle import MACHINE
from supervisor.status.not_a_snapshot import NotASnapshot

PROGRAM: Final = "surfaces-bot"
LISTED: Final = 50
"""The longest list in a snapshot: a hundred thousand rooms must not make the page slow."""
TEXT_CHARS: Final = 400
"""The longest text in a snapshot. The ids of Matrix are shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """The bot's state, its start and reason, and the newest transitions, oldest first.

    While the bot is degraded, `cause` is the trigger of the loss and `next_attempt_at` is the time
    of the next attempt to recover, in the past while an attempt is under way. `failures` is the
    number of attempts so far.
    """

    state: str
    since: str
    reason: str
    cause: str | None = None
    failures: int = 0
    next_attempt_at: str | None = None
    steps: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leading:
    """Which of several processes leads the bot. `role` is that of this process.

    `epoch` is that of the latest lead that this process knows, and `leader` names the process that
    leads; None if no process leads, or none is known to.
    """

    role: Literal["leader", "standby"]
    epoch: int
    leader: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An owner with a Space. `chats` is the number of chats so far, archived ones included."""

    user_id: str
    space_id: str
    chats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A quarantined room. Fields that the cache does not know are None."""

    room_id: str
    reason: str
    since: str
    probes: int
    next_probe_at: str
    name: str | None = None
    chat_id: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A chat with a question that is answered now, or waits. Fields that are not known are None.

    `state` is one of `actors.replies.values.Stage`, and has lasted since `since` at most: that is
    when the reply began, or the message was accepted. `said_chars` counts what the platform has
    said of the answer. Of that, the room shows `shown_chars` characters in `shown_parts` messages.
    `behind` counts the messages that wait in the room behind the question.
    """

    room_id: str
    state: str
    since: str | None = None
    shown_parts: int = 0
    shown_chars: int = 0
    said_chars: int = 0
    behind: int = 0
    name: str | None = None
    chat_id: str | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """The conversations at work: all by state, with every state as a key, and the first of them.

    Those that are nearest to an answer come first, and of these the oldest.
    """

    counts: dict[str, int]
    listed: tuple[Conversation, ...] = ()

    @property
    def total(self) -> int:
        """The number of all conversations at work."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A room in the report of the last reconciliation, with the reason."""

    room_id: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """The last reconciliation: its time, the counts of its report, its skips and conflicts.

    `partly` means that it read only the rooms that had changed; the others were known unchanged.
    """

    at: str | None
    counts: dict[str, int]
    skipped: int
    conflicts: tuple[Note, ...]
    conflicts_total: int
    partly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformSeen:
    """The chat platform: its state with start, reason and remedy, and its work since the start.

    `remedy` says what an operator can do; it is empty if there is nothing to do. `running` and
    `waiting` count the replies in work and those that wait, for a place or for the platform.
    `replies` counts ended replies by outcome, with every outcome as a key. The times are medians,
    estimated, and None before the first reply. `tokens` has the tokens of all replies by kind.
    """

    name: str
    state: str
    since: str
    reason: str = ""
    remedy: str = ""
    running: int = 0
    waiting: int = 0
    replies: dict[str, int]
    first_token_s: float | None = None
    reply_s: float | None = None
    tokens: dict[str, int]

    @property
    def trouble(self) -> str:
        """What is wrong with the platform, in one sentence; empty if it is well."""
        if self.state == PlatformState.WELL:
            return ""
        why = f": {self.reason}" if self.reason else ""
        return f"the platform {self.name} is {self.state}{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSeen:
    """The workers that make the platform's calls.

    `alive` counts those that have shown a sign of life lately, `in_work` the questions that they
    work at, and `waiting` the questions that no worker has taken. The oldest of these has waited
    for `oldest_waiting_s` seconds; None if none waits. The counts are None if the database can't be
    read. `trouble` says what is wrong, and `remedy` what to do; both are empty if all is well.
    """

    alive: int | None = None
    in_work: int | None = None
    waiting: int | None = None
    oldest_waiting_s: float | None = None
    trouble: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaming:
    """Answers that are shown while they grow, since the start.

    `off` says why no answer is; it is empty if answers are. `per_s` is how many live edits a second
    the account may send for long. `live_edits` counts them by outcome, with every outcome as a key:
    those that were `sent`, and those that were left out, by the reason. `finals_repeated` counts
    the ends of answers that were sent once more, because a late live edit had covered them.
    """

    off: str = ""
    per_s: float
    live_edits: dict[str, int]
    finals_repeated: int = 0


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
    """The number of rooms in each state, with every state as a key."""
    unchanged: int = 0
    """The number of unchecked rooms that need no check: they have not changed since the last."""
    owners: tuple[Owner, ...] = ()
    owners_total: int | None = None
    quarantined: tuple[Quarantined, ...] = ()
    inbox_waiting: int | None = None
    reading_paused: str | None = None
    """Why the bot reads no further for now; None while it reads on."""
    rooms_behind: int = 0
    """The number of rooms with messages that are still to be fetched from the homeserver."""
    outbox_unsent: int | None = None
    upkeep_due: int = 0
    reconciled: Reconciled | None = None
    second_instance: str | None = None
    """A description of another process that uses the same account; None if there is none."""
    creates_no_rooms: str | None = None
    """Why the bot creates no Space and no chat at the moment; None if it creates them."""
    platform: PlatformSeen | None = None
    """None until the bot has opened its files."""
    at_work: AtWork | None = None
    """None until the bot has opened its files."""
    workers: WorkersSeen | None = None
    """None if the bot makes the platform's calls itself, or has not opened its files yet."""
    streaming: Streaming | None = None
    """None until the bot has opened its files."""
    leading: Leading | None = None
    """None if the bot is one process, on files."""
    program: str = PROGRAM

    def equals_except_time(self, other: "Snapshot") -> bool:
        """Whether the two snapshots differ in `taken_at` at most."""
        return replace(self, taken_at="") == replace(other, taken_at="")


def within_bounds(snapshot: Snapshot) -> Snapshot:
    """The snapshot with every long text cut."""
    return msgspec.convert(_cut(msgspec.to_builtins(snapshot)), Snapshot)


def _cut(value: object) -> object:
    match value:
        case str() if len(value) > TEXT_CHARS:
            return f"{value[: TEXT_CHARS - 1]}…"
        case list() | tuple():
            return [_cut(each) for each in value]
        case dict():
            return {key: _cut(each) for key, each in value.items()}
        case _:
            return value


def encode(snapshot: Snapshot) -> bytes:
    """The snapshot as one JSON object, on one line."""
    return msgspec.json.encode(snapshot)


def decode(content: bytes) -> Snapshot:
    """A snapshot from JSON. Raises NotASnapshot."""
    try:
        snapshot = msgspec.convert(_of_this_release(msgspec.json.decode(content)), Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotASnapshot(str(error)) from error
    if snapshot.program != PROGRAM:
        raise NotASnapshot(f"it is from {snapshot.program}")
    return snapshot


def _of_this_release(page: object) -> object:
    """A page as this release writes it: steps of release 0.1 do not name their machine."""
    lifecycle = page.get("lifecycle") if isinstance(page, dict) else None
    steps = lifecycle.get("steps") if isinstance(lifecycle, dict) else None
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            step.setdefault("machine", MACHINE)
    return page


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 in UTC, with milliseconds, as in the journal."""
    at = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")
