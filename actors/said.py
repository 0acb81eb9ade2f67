"""What was said in a room's timeline, as the history of a conversation needs it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from actors.model import EventId, ReplyState, SharedFile, TokensUsed, UserId


@dataclass(frozen=True, slots=True)
class ReplyMark:
    """The reply mark of one of the bot's own messages. `to` is None if it answers no question.

    `more` says that further parts of the answer follow.
    """

    txn: str
    to: EventId | None = None
    part: int = 0
    state: ReplyState = ReplyState.DONE
    more: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One message in the timeline, with the newest edit that the homeserver bundled with it.

    `edits` is set if the message itself is an edit: the message that it changes. `mark`, `forgets`
    and `tokens` come only from messages of the bot itself. `sent_ts` is in milliseconds since the
    epoch, and `edited_ts` the same of the edit that it was changed by; 0 without one.
    """

    event_id: EventId
    sender: UserId
    sent_ts: int
    msgtype: str
    text: str
    thread: EventId | None = None
    reply_to: EventId | None = None
    quoted: str = ""
    file: SharedFile | None = None
    edits: EventId | None = None
    mark: ReplyMark | None = None
    forgets: bool = False
    tokens: TokensUsed | None = None
    edited_ts: int = 0

    @property
    def shown_ts(self) -> int:
        """When it began to say what it says."""
        return max(self.sent_ts, self.edited_ts)

    @property
    def is_live(self) -> bool:
        """Whether it shows an answer that still grows."""
        return self.mark is not None and self.mark.state is ReplyState.LIVE


@dataclass(frozen=True, slots=True)
class Redacted:
    """A message of the room was redacted.

    `txn` is the transaction id of a message of the bot's own that was shown only now.
    """

    event_id: EventId
    txn: str | None = None


TimelineEvent: TypeAlias = Said | Redacted


@dataclass(frozen=True, slots=True)
class SaidPage:
    """A part of a room's timeline, newest first, since the bot's latest join.

    `earlier` is the token of the page before; None at the end. `names` are the display names of
    the people in it.
    """

    said: tuple[TimelineEvent, ...] = ()
    earlier: str | None = None
    names: Mapping[UserId, str] = field(default_factory=dict)
