"""Every number that limits the bot, in one frozen value.

`docs/runtime-semantics.md` lists the bounds for operators, and a test compares the two. A test that
needs other bounds passes `replace(Bounds(), …)`. Numbers that a protocol fixes are not here.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from actors.rules.bucket import EditLimits
from actors.rules.exchange import ExchangeLimits
from actors.runtime.policy import RuntimeBounds
from actors.runtime.restart import Backoff, CorrelationBreaker, CrashWindow

_ROOMS_OF_A_ROUND: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The bounds of one bot. Names that end in `_s` are in seconds."""

    runtime: RuntimeBounds = RuntimeBounds()
    """The bounds of the actor runtime: restarts, quarantine, idle actors."""

    # Rooms
    inbox_batch: int = 16
    """How many messages of a room are read from the inbox at once."""
    attempts: int = 5
    """How many failed attempts make a message dead."""
    read_after_s: float = 0.2
    """A message is shown as read after this time, together with later ones that wait by then."""
    read_every_s: float = 1.0
    """Two read receipts of a room are at least so far apart."""
    look_again_s: float = 1.0
    """A room that may still be in creation is read again after this time."""
    undecided_for_s: float = 30.0
    """A room in conflict because of an unreadable room is read again after this time."""
    related_rooms: int = 12
    """How many related rooms are read for one room, at most."""
    inbox_room_limit: int = 100
    """How many messages of one room may wait in the inbox; further ones stay on the homeserver, in
    the room's gap."""
    gap_page: int = 50
    """How many messages of a gap are fetched at once, at most."""
    gap_messages: int = 5_000
    """How many messages are fetched to fill one gap; older messages are given up."""
    platform_connect_s: float = 30.0
    """A connection to the platform must be made within this time."""
    platform_first_s: float = 300.0
    """The first sign of life of an answer must come within this time."""
    platform_idle_s: float = 120.0
    """Each further sign of life must come within this time."""
    platform_total_s: float = 3_600.0
    """A whole answer must come within this time."""
    platform_close_s: float = 5.0
    """An answer that is given up must end within this time; otherwise it is left behind."""
    platform_check_s: float = 30.0
    """The platform must say within this time whether it is well."""
    platform_slots: int = 16
    """How many messages the platform is asked to answer at the same time …"""
    platform_slots_owner: int = 2
    """… and how many of one owner's chats."""
    platform_retry: Backoff = Backoff()
    """The pause before a question is asked again whose answer has failed."""
    platform_probe: Backoff = Backoff()
    """The pause before a platform that does not answer is checked again."""
    misconfigured_again_s: float = 60.0
    """A platform that refuses the bot itself is checked again after this time."""
    busy_told_s: float = 10.0
    """A person whose question waits for the platform for this long is told so."""
    context_trims: int = 2
    """How often a conversation that is too long is cut for one question."""
    unsupported_for_s: float = 3_600.0
    """Files of a type that a model has refused are left out for this long."""
    answer_chars: int = 400_000
    """How many characters an answer may have; a longer one is cut."""
    stream_after_s: float = 1.5
    """An answer that takes longer than this is shown while it grows …"""
    stream_chars: int = 80
    """… once it has so many characters that end with a sentence or a line …"""
    stream_words_s: float = 6.0
    """… or any whole words after this time."""
    edit_pauses_s: tuple[float, ...] = (1.5, 2.0, 3.0, 5.0, 8.0, 10.0)
    """The pauses before the edits that show more of an answer; the last one is repeated."""
    edit_chars: int = 40
    """An edit shows at least so many new characters."""
    edits: int = 30
    """An answer has at most this many edits, the ends of its parts included."""
    settle_s: float = 30.0
    """A live edit that the homeserver does not answer is repeated for this long, before the end."""
    live_edits: EditLimits = EditLimits()
    """How fast the edits of growing answers may follow each other, for the whole account."""
    unanswered_s: float = 3600.0
    """After the loss of the database, questions that are older than this are not answered but asked
    about."""
    unanswered_pages: int = 50
    """How many pages of a room's timeline are then read to find them, at most; more only while they
    hold nothing older than `unanswered_s`."""
    homeserver_slots: int = 16
    """How many large requests the actors make to the homeserver at the same time; and how many
    messages are sent at the same time."""
    typing_after_s: float = 0.2
    """A reply that takes less than this time needs no typing notice."""
    typing_again_s: float = 20.0
    """A typing notice is renewed after this time; the homeserver forgets it after 30 s."""
    quote_within_s: float = 10.0
    """A text that a message replies to is left out unless it can be read within this time."""
    quote_chars: int = 4_000
    """How many characters of a text that a message replies to go to the platform."""
    file_bytes: int = 8 * 1024 * 1024
    """A file for the platform has no more bytes than this."""
    text_file_bytes: int = 64 * 1024
    """A file of text, which becomes a part of the question, has no more bytes than this."""
    file_cache_bytes: int = 32 * 1024 * 1024
    """How many bytes of files are kept in memory, so that later questions need not read them."""
    file_slots: int = 4
    """How many files are read at the same time."""
    answer_files: int = 10
    """How many files of one answer are shown, at most."""
    answer_file_bytes: int = 32 * 1024 * 1024
    """How many bytes the files of one answer have together, at most."""
    file_attempts: int = 3
    """A file is left out after the homeserver has failed to give it, or to take it, this often."""
    file_again_s: float = 5.0
    """The pause before a file is uploaded again that was refused without a clear reason."""
    history_pages: int = 20
    """How many pages of a room's timeline are read for a conversation, at most."""
    history_rooms: int = 1_000
    """The conversations of so many rooms are kept in memory; others are read again."""
    history_bytes: int = 128 * 1024 * 1024
    """The memory for conversations in all, about."""
    history_room_bytes: int = 1024 * 1024
    """A room's conversation that has grown by so much memory, about, is read again."""
    history_restarts: int = 5
    """Reading a conversation that changes meanwhile begins anew so often, then it has failed."""
    history_unsent: int = 200
    """How many messages of a room are looked at in the outbox, because its timeline has them not
    yet."""
    history_pictures: int = 4
    """How many pictures of a conversation the platform is shown: the newest."""
    history_file_bytes: int = 8 * 1024 * 1024
    """The files of a conversation that the platform is shown have no more bytes together."""
    picture_within_s: float = 10.0
    """A new room is created without an avatar unless that is uploaded within this time."""
    confirm_within_s: float = 60.0
    """`!yes` answers `!archive` within this time."""
    edit_within_s: float = 3600.0
    """An edit is answered if its question is no older than this."""
    settings_rooms: int = 2_000
    """The settings of this many chats are kept in memory, and those of as many Spaces."""
    exchange: ExchangeLimits = ExchangeLimits()
    """When an exchange with one sender is taken for one between programs."""
    exchange_senders: int = 64
    """How many senders of a room the bot remembers for that."""

    # Owners
    unclear_for_s: float = 60.0
    """A createRoom without a clear answer may still be carried out for this long. A room that it
    makes by then comes with a later sync, and is adopted."""
    unknown_again_s: float = 10.0
    """A creation that waits for an unreadable room looks again after this time."""
    awaited_again_s: float = 0.2
    """A creation that waits for a room's actor looks again after this time."""
    put_off_first_s: float = 5.0
    """An intent that was refused unclearly, or for now, is tried again after this time …"""
    put_off_cap_s: float = 900.0
    """… which doubles each time up to this one."""
    encryption_again_s: float = 20.0
    """The homeserver is asked again after this time whether it encrypts new rooms."""
    encrypted_pause_s: float = 60.0
    """No room is created for this long after an encrypted creation; the pause doubles each time."""
    encrypted_pause_cap_s: float = 86_400.0
    """The longest pause after an encrypted creation."""
    refused_invites: int = 3
    """After this many refused invites to rooms of one owner, the others are not tried."""
    way_again_s: float = 3600.0
    """A direct chat is told the way to the owner's chats at most once in this time."""
    turn_s: float = 90.0
    """An owner keeps its turn to get rooms for this long without a sign of life. An owner that the
    homeserver makes wait for longer lets others go first."""
    turn_grace_s: float = 5.0
    """An owner that asked earlier is waited for so long after it could have taken its turn."""
    turn_again_s: float = 5.0
    """An owner that waits for its turn looks again after this time, if it is not called before."""
    place_after_s: float = 10.0
    """An owner that waits for this long is told its place in the queue."""
    limit_told_s: float = 30.0
    """An owner whose room the homeserver refuses to create for this long is told so at once."""
    place_every_s: float = 60.0
    """One owner at most is told its place in this time: telling delays those that are served."""
    place_again_s: float = 300.0
    """An owner is told its new place after this time at the earliest."""
    upkeep_again_s: float = 5.0
    """Upkeep waits this long after a failure, before it goes on to other rooms."""
    upkeep: Backoff = Backoff(base_s=5.0, cap_s=300.0, floor_s=5.0)
    """The pause before upkeep tries a room again that has failed."""
    upkeep_refusals: int = 3
    """Upkeep gives up what the homeserver refuses so often in a row, until the room changes."""

    # Rounds and failures
    round_within_s: float = 120.0
    """All answers of a round of up to 10,000 rooms must come within this time. No handler in a
    round waits. `round_within` has the time for more rooms."""
    refused_pause_s: float = 60.0
    """An actor pauses for this long when the account is refused, or until the bot is live again."""
    session_pause_s: float = 5.0
    """An actor pauses for this long when there is no session."""
    breaker: CorrelationBreaker = CorrelationBreaker()
    """The rule that recognises a common cause when many rooms fail the same way."""

    # Serving
    poll_s: float = 30.0
    """The long poll of /sync."""
    nothing_new_s: float = 1.0
    """The pause after an answer of /sync that has no news and came at once."""
    regularly_s: float = 20.0
    """Waiting rows of the store are announced again at least this often."""
    inbox_limit: int = 1_000
    """How many messages may wait, in all rooms that are well, before the pump pauses."""
    paused_s: float = 0.5
    """A paused pump counts the inbox again after this time."""
    answers_first_s: float = 0.05
    """The pump waits this long, at most, for the replies to the messages it accepted last: a
    homeserver that is asked for news at once searches for them before it takes the replies. A
    typing notice is taken back after this time."""
    gaps_within_s: float = 10.0
    """The pump waits this long, at most, to fill gaps; then each room's actor fills its own."""
    changed_rooms: int = 50
    """If more rooms than this have changed, all rooms are read at once, because that is quicker."""
    reread_s: float = 86_400.0
    """All rooms are read again, one after the other, when this has passed since they were."""
    reread_pause_s: float = 0.1
    """The pause between two of these rooms."""
    prune_every_s: float = 3600.0
    """The time between two deletions of settled messages."""
    keep_s: float = 7 * 86_400.0
    """The time for which settled messages are kept."""
    send: Backoff = Backoff()
    """The pause after a message that could not be sent."""
    send_batch: int = 16
    """How many messages of a room are read from the outbox at once."""
    generation_s: float = 60.0
    """The generation is replaced after this time, if something was accepted or sent meanwhile."""
    resend_s: float = 20 * 3600.0
    """A message that was first tried longer ago is looked for in its room before it is sent again:
    homeservers forget transaction ids, Synapse after 24 hours."""
    renew_s: float = 180.0
    """An announcement that another instance has replaced is written again after this time."""
    gone_after_s: float = 540.0
    """A second instance is considered gone after this much silence."""

    # The lifecycle
    rooms_asked: int = 3
    """A refusal of the account is confirmed in this many other rooms."""
    probe: Backoff = Backoff()
    """The pause between two attempts while degraded."""
    look_at_store_s: float = 0.25
    """A bot that has lost its database asks it this often."""
    healthy_after_s: float = 60.0
    """What has worked for this long is well: an actor without a failure, a room's sender, the bot
    in `live`. Pauses grow with each failure, and only for what is well they start from the shortest
    again."""
    revocations: CrashWindow = CrashWindow(limit=3, within_s=300.0)
    """The number of revoked sessions that means that two programs take turns."""
    stop_within_s: float = 10.0
    """The time that running handlers have when the bot stops."""
    lease_s: float = 6.0
    """How long a lease is good. Another process takes over after this much silence."""
    look_at_lease_s: float = 0.1
    """The time between two looks of a process that stands by."""
    leave_to_others_s: float = 0.1
    """A machine leaves a free lease to others for so long, for each account that it leads …"""
    leave_to_others_up_to_s: float = 1.0
    """… and for this long at most."""
    hand_over_within_s: float = 0.2
    """The time that running handlers have when the bot stops and another process may take over."""
    look_at_lock_s: float = 5.0
    """The time between two checks that the instance lock is still there, and between two signs of
    life."""
    silent_s: float = 60.0
    """A process without a sign of life for this long is not healthy."""
    check_within_s: float = 300.0
    """`check` waits this long, at most, for the platform: a slow model may be loading."""

    # The status page
    page_sample_s: float = 1.0
    """The shortest time between two snapshots on a page."""
    page_alive_s: float = 15.0
    """An unchanged bot sends a sign of life this often. After about twice this time without one,
    the page shows that the connection is lost."""
    page_listeners: int = 32
    """Pages that are kept up to date at a time; further pages get status 503."""

    # The homeserver and the files
    find_pages: int = 10
    """How many pages of its own messages the bot searches for one that it may have sent."""
    skew_s: float = 3600.0
    """The clocks of the bot and the homeserver differ by no more than this."""
    request_s: float = 30.0
    """The timeout of a request without a bound of its own."""
    media_s: float = 60.0
    """The timeout of reading or writing a file."""
    create_s: float = 60.0
    """The timeout of a createRoom."""
    token_asks: int = 5
    """An access token without a password is given up after the homeserver refused it this often."""
    token_again_s: float = 3.0
    """The pause between two such questions."""
    sync_grace_s: float = 15.0
    """The time that a /sync may take in addition to its long poll."""
    hydrate_s: float = 300.0
    """The timeout of reading all rooms at once."""
    busy_s: float = 5.0
    """A database statement waits this long, at most, for another process's lock."""
    journal_rows: int = 100_000
    """How many rows the journal keeps; older rows are deleted."""
    journal_age_s: float = 90 * 86_400.0
    """The age up to which the journal keeps rows."""

    def round_within(self, rooms: int) -> float:
        """The seconds within which all answers of a round of so many rooms must come."""
        return self.round_within_s * ceil(rooms / _ROOMS_OF_A_ROUND)
