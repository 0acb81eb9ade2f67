"""Every number that limits the bot, in one frozen value.

`docs/runtime-semantics.md` lists them for operators, and a test compares the two. A test that needs
others passes `replace(Bounds(), …)`. Numbers that a protocol fixes are not here.
"""

from dataclasses import dataclass

from actors.runtime.policy import RuntimeBounds
from actors.runtime.restart import Backoff, CorrelationBreaker, CrashWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Names that end in `_s` are in seconds."""

    runtime: RuntimeBounds = RuntimeBounds()
    """Restarts, quarantine, idle actors."""

    # Rooms
    inbox_batch: int = 16
    """Messages of a room that are read from the inbox at once."""
    attempts: int = 5
    """Failures after which a message is dead."""
    read_after_s: float = 0.2
    """A message is shown as read after this, and with it those that came meanwhile."""
    look_again_s: float = 1.0
    """A room that is perhaps still being created is read again after this."""
    undecided_for_s: float = 30.0
    """A room in conflict over unreadable rooms is read again after this."""
    related_rooms: int = 12
    """Rooms that are read for each room whose relations matter."""
    gap_messages: int = 5_000
    """Messages that are fetched to fill one room's gap; older ones are given up."""
    platform_timeout_s: float = 120.0
    """The platform answers within this, or has failed."""
    platform_slots: int = 16
    """Replies that are asked of the platform at a time."""
    homeserver_slots: int = 16
    """The actors' larger requests to the homeserver at a time."""
    typing_after_s: float = 0.2
    """An answer that comes sooner needs no typing notice."""
    typing_again_s: float = 20.0
    """A typing notice is renewed after this; the homeserver forgets it after 30 s."""
    confirm_within_s: float = 60.0
    """A yes to `!archive` counts within this."""

    # Owners
    unclear_for_s: float = 60.0
    """An unclear createRoom may still be at work on the server for this long. A room that it makes
    meanwhile comes with the next sync, and is adopted then."""
    unknown_again_s: float = 10.0
    """A creation that waits for an unreadable room looks again after this."""
    awaited_again_s: float = 0.2
    """A creation that waits for a room's actor looks again after this."""
    upkeep_again_s: float = 5.0
    """Upkeep waits for this after a request without an answer."""

    # Rounds and failures
    round_within_s: float = 120.0
    """All answers of a round of reconciliation come within this; no handler in it waits."""
    session_pause_s: float = 5.0
    """An actor rests for this when there is no session."""
    breaker: CorrelationBreaker = CorrelationBreaker()
    """When many rooms fail the same way, the cause is outside of them."""

    # Serving
    poll_s: float = 30.0
    """The long poll of /sync."""
    nothing_new_s: float = 1.0
    """The pause after an answer of /sync that says nothing and came at once."""
    regularly_s: float = 20.0
    """What waits in the store is announced again at least this often."""
    inbox_limit: int = 1_000
    """Messages that may wait, in all rooms, before reading pauses."""
    paused_s: float = 0.5
    """While reading pauses, the inbox is counted again after this."""
    answers_first_s: float = 0.05
    """Reading waits this long, at most, for the answers to what was read last. A homeserver that is
    asked for news meanwhile looks for those before it takes the answers."""
    gaps_within_s: float = 10.0
    """Reading waits this long, at most, for gaps; then each room's own actor fetches its gap."""
    changed_rooms: int = 50
    """When more rooms than this have changed, reading all rooms at once is quicker."""
    prune_every_s: float = 3600.0
    """How often settled messages are deleted."""
    keep_s: float = 7 * 86_400.0
    """How long settled messages are kept."""
    send: Backoff = Backoff()
    """The pause after a message that could not be sent."""
    send_batch: int = 16
    """Messages of a room that are read from the outbox at once."""
    renew_s: float = 180.0
    """A name in the account's data that was overwritten is written again after this."""
    gone_after_s: float = 540.0
    """A second instance is considered gone after this much silence."""

    # The lifecycle
    probe: Backoff = Backoff()
    """The wait between two attempts while degraded."""
    healthy_after_s: float = 60.0
    """After so long in `live`, the next loss is waited for as if it were the first."""
    revocations: CrashWindow = CrashWindow(limit=3, within_s=300.0)
    """So many revoked sessions mean that two programs take turns."""
    stop_within_s: float = 10.0
    """Handlers' time to end when the bot stops."""
    look_at_lock_s: float = 5.0
    """How often the bot looks whether its instance lock is still there."""

    # The status page
    page_sample_s: float = 1.0
    """The shortest time between two snapshots on a page."""
    page_alive_s: float = 15.0
    """An unchanged bot sends a sign of life this often. After about twice this time without one,
    the page shows that the connection is lost."""
    page_listeners: int = 32
    """Pages that are kept up to date at a time; further pages get status 503."""

    # The homeserver and the files
    request_s: float = 30.0
    """Any request that has no bound of its own."""
    create_s: float = 60.0
    """A createRoom."""
    sync_grace_s: float = 15.0
    """What a /sync may take beyond its long poll."""
    hydrate_s: float = 300.0
    """Reading all rooms at once."""
    busy_s: float = 5.0
    """A database statement waits this long for another process's lock."""
    journal_rows: int = 100_000
    """Rows in the journal; older ones are deleted."""
    journal_age_s: float = 90 * 86_400.0
    """The age of the journal's rows; older ones are deleted."""
