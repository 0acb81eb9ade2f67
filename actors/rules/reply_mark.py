"""The reply mark: what each message of the bot says about itself in its content. Pure."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from actors.anchors import LiveAnchor
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState, TokensUsed
from actors.said import ReplyMark

REPLY_TYPE: Final = "io.surfaces.reply"
"""The key of the mark in a message's content."""
USAGE_TYPE: Final = "io.surfaces.usage"
"""The key of the tokens that an answer took."""
FORGET_TYPE: Final = "io.surfaces.forget"
"""The key that is true in the notice before which the conversation is forgotten."""
MENTIONS_TYPE: Final = "m.mentions"
"""The key of the people that a message notifies. It is empty in the bot's messages."""

_EARLIER_PART_CHARS: Final = 10_000
"""The characters in each part but the last of an answer by an earlier version."""

GIVEN_UP: Final = "given_up"
REFUSED: Final = "refused"
"""The last parts of the transaction ids of what follows an answer that failed and is kept."""

GROWING: Final = (OutboundKind.ANCHOR, OutboundKind.LIVE)
"""The kinds of messages that show an answer while it grows."""

_STATES: Final = {
    "done": ReplyState.DONE,
    "dead": ReplyState.FAILED,
    "unanswered": ReplyState.FAILED,
}
"""The last part of a transaction id that is not the number of a part, and what it stands for."""
_TXN: Final = re.compile(
    r"(?:new\.)?(?P<question>\$.+?)\.(?:(?P<word>done|unanswered|dead)(?:(?<=dead)\.[0-9]+)?"
    r"|(?P<part>[0-9]+)(?:~[^.~]+\.[0-9]+|(?P<end>\.(?:final|dead)(?:\.[0-9]+)?))?)"
)
"""The transaction ids of answers."""


class _Named(NamedTuple):
    """What a transaction id says: the question, the number of the part, the state at its end.

    `is_final`: it ends an anchor.
    """

    question: str
    part: int
    state: ReplyState
    is_final: bool


def reply_mark(message: OutboundMessage) -> dict[str, object]:
    """The mark of a message. An answer's mark names the question, the part and the state.

    Transaction ids of answers are made of the question's event id. `$event.0` is its first part:
    a message, or an anchor. `$event.0~boot.3` is a live edit of that, `$event.0.final` its final,
    and `$event.0.final.2` the first repeated final. `$event.dead` is a message that is given up,
    also as the final of an anchor, repeated as `$event.dead.2`; if the room shows something of its
    answer, `$event.0.dead` is the final that keeps that, and `$event.given_up` says the rest, as
    `$event.refused` does after `$event.0.final`. `$event.unanswered` asks about a message after a
    loss, and `new.$event.done` is a finished command.
    Only the mark of a part that others follow has `more`.
    """
    mark: dict[str, object] = {"txn": message.txn_id}
    named = _named_by(message.txn_id)
    if named is None:
        return mark
    state = ReplyState.LIVE if message.kind in GROWING else message.state or named.state
    more = {"more": True} if message.more else {}
    return {"to": named.question, "part": named.part, "state": state.value, **more, **mark}


def _named_by(txn_id: str) -> _Named | None:
    """What the transaction id of an answer says; None for any other."""
    found = _TXN.fullmatch(txn_id)
    if found is None:
        return None
    part = int(found["part"] or 0)
    state = _STATES.get(found["word"], ReplyState.DONE)
    return _Named(found["question"], part, state, found["end"] is not None)


def says_why_it_failed(mark: ReplyMark) -> bool:
    """Whether a message says of an answer that was kept why it failed. It is no part of one."""
    return mark.to is None and mark.txn.endswith((f".{GIVEN_UP}", f".{REFUSED}"))


class EndedPart(NamedTuple):
    """A part of the answer to a question. `is_final`: the end of an anchor has said that it ended.

    A message of which no more is known may also be an anchor.
    """

    question: EventId
    part: int
    is_final: bool


def part_ended_by(txn_id: str) -> EndedPart | None:
    """The part that a message with this transaction id ends; None for a live edit, and for others.

    It says so after the message was redacted.
    """
    named = _named_by(txn_id)
    if named is None or "~" in txn_id.rpartition(named.question)[2]:
        return None
    return EndedPart(EventId(named.question), named.part, named.is_final)


def mark_in(content: Mapping[str, object]) -> ReplyMark | None:
    """The mark in the content of one of the bot's own messages, or of its edit; None without one.

    What is not as the bot writes it counts as absent: without a proper state or part, the mark
    names no question.
    """
    said = _said(content)
    mark = said.get(REPLY_TYPE)
    txn = mark.get("txn") if isinstance(mark, dict) else None
    if not isinstance(mark, dict) or not isinstance(txn, str):
        return None
    question, part, state = mark.get("to"), mark.get("part", 0), _state_in(mark)
    if not isinstance(question, str) or not question.startswith("$") or state is None:
        return ReplyMark(txn)
    if not isinstance(part, int) or part < 0:
        return ReplyMark(txn)
    return ReplyMark(txn, EventId(question), int(part), state, more=_has_more(mark, said))


def is_live(content: Mapping[str, object]) -> bool:
    """Whether one of the bot's own messages shows an answer that still grows."""
    mark = mark_in(content)
    return mark is not None and mark.state is ReplyState.LIVE


def live_anchor_of(event_id: EventId, mark: ReplyMark | None) -> LiveAnchor | None:
    """The anchor that one of the bot's own messages is by its mark; None for any other message.

    The mark must have the anchor's own transaction id: that of a live edit is another one.
    """
    if mark is None or mark.to is None or mark.state is not ReplyState.LIVE:
        return None
    if mark.txn != f"{mark.to}.{mark.part}":
        return None
    return LiveAnchor(mark.to, mark.part, mark.txn, event_id)


def question_answered_by(content: Mapping[str, object]) -> EventId | None:
    """The question that one of the bot's own messages ends the answer to; None for any other."""
    mark = mark_in(content)
    if mark is None or mark.more or mark.state is ReplyState.LIVE:
        return None
    return mark.to


def tokens_in(content: Mapping[str, object]) -> TokensUsed | None:
    """The tokens that an answer took, in the content of its first part; None if it has none."""
    usage = _said(content).get(USAGE_TYPE)
    if not isinstance(usage, dict):
        return None
    model, prompt, completion = (
        usage.get(key) for key in ("model", "prompt_tokens", "completion_tokens")
    )
    if not (isinstance(model, str) and isinstance(prompt, int) and isinstance(completion, int)):
        return None
    return TokensUsed(model, prompt, completion) if min(prompt, completion) >= 0 else None


def forgets(content: Mapping[str, object]) -> bool:
    """Whether the conversation before one of the bot's own messages is forgotten."""
    return _said(content).get(FORGET_TYPE) is True


def _said(content: Mapping[str, object]) -> Mapping[str, object]:
    """The content that counts: for an edit, the new one."""
    new = content.get("m.new_content")
    return new if isinstance(new, dict) else content


def _state_in(mark: Mapping[str, object]) -> ReplyState | None:
    state = mark.get("state")
    return ReplyState(state) if isinstance(state, str) and state in set(ReplyState) else None


def _has_more(mark: Mapping[str, object], said: Mapping[str, object]) -> bool:
    """Whether further parts follow. Earlier versions, which wrote no mentions, did not say it."""
    body = said.get("body")
    is_full = isinstance(body, str) and len(body) >= _EARLIER_PART_CHARS
    return mark.get("more") is True or (MENTIONS_TYPE not in said and is_full)
