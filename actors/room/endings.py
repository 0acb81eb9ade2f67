"""The messages that a reply ends with, and those that say that it takes its time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from actors.anchors import Anchor, next_end
from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    SharedFile,
)
from actors.platform import Reason
from actors.replies.values import (
    Answered,
    Dropped,
    Lost,
    ModelRefused,
    Occasion,
    Question,
    Refused,
    TooLong,
    reply_message,
)
from actors.reply_texts import ReplyTexts
from actors.rules.files import about_refusals, not_sent
from actors.rules.formatting import Formatted, Formatter
from actors.rules.reply_mark import GIVEN_UP, REFUSED
from actors.rules.showing import Shown
from actors.rules.wording import in_lines, worded
from actors.writes import QueueMessage, RedactAnchors, Write

_DEAD: Final = ".dead"
"""The end of the transaction ids that end a question which is given up."""


def messages_of(
    question: Question,
    outcome: Answered | Refused | TooLong | ModelRefused | Dropped,
    texts: ReplyTexts,
    formatted: Formatter,
) -> list[OutboundMessage]:
    """The messages that an ended reply sends into its room, in order."""
    match outcome:
        case Answered():
            return _answer(question, outcome, texts, formatted)
        case Refused(say):
            return [_no_answer(question, Formatted(say))]
        case TooLong(by_instructions):
            too_long = texts.instructions_too_long if by_instructions else texts.question_too_long
            return [_no_answer(question, worded(too_long))]
        case ModelRefused(model):
            return [_no_answer(question, worded(texts.model_refused, model=model))]
        case Dropped():
            return []


def says_something(
    outcome: Answered | Refused | TooLong | ModelRefused | Dropped,
) -> bool:
    """Whether an ended reply says anything in words of the bot's own."""
    if not isinstance(outcome, Answered):
        return True
    told = outcome.reason in {Reason.LENGTH, Reason.FILTER} or outcome.left_out or outcome.trimmed
    return bool(told) or any(isinstance(piece, Lost) for piece in outcome.pieces)


def end_of(
    question: EventId, said: Iterable[OutboundMessage], anchors: Iterable[Anchor]
) -> list[Write]:
    """The writes that end the answer to a question with these messages.

    A part that has an anchor is the final edit of that; if the anchor is void, it is a message
    under the same transaction id. The message that the question is given up edits the first part,
    unless `keeping` has let it be a message of its own. An anchor that shows no part, or one that
    is a file, is taken back.
    """
    by_txn = {anchor.txn_id: anchor for anchor in anchors}
    if not by_txn:
        return list(map(QueueMessage, said))
    writes: list[Write] = []
    for message in said:
        part = message.txn_id.removesuffix(_DEAD)
        anchor = by_txn.get(f"{question}.0" if part == question else part)
        if anchor is not None:
            is_dead = part != message.txn_id
            writes.append(QueueMessage(_ended(anchor, message, is_dead=is_dead)))
        else:
            writes.append(QueueMessage(message))
    return [*writes, RedactAnchors(question)]


def _ended(anchor: Anchor, message: OutboundMessage, *, is_dead: bool) -> OutboundMessage:
    # A question that is given up may be asked again, and then has another end.
    # An end that was sent before a loss keeps its transaction id.
    end = next_end(anchor.ended_by) if anchor.ended_by else f"{anchor.txn_id}.final"
    txn_id = message.txn_id if is_dead else end
    if anchor.is_void or message.file is not None:
        return replace(message, txn_id=txn_id)
    return replace(
        message,
        txn_id=txn_id,
        kind=OutboundKind.FINAL,
        edits=anchor.txn_id,
        target=anchor.event_id,
    )


def keeping(
    question: InboundMessage,
    said: Sequence[OutboundMessage],
    shown: Sequence[str],
    formatted: Formatter,
) -> list[OutboundMessage]:
    """The messages of an end, with the shown texts of the answer if others would replace them.

    `shown` are the texts that the room shows. They end as a failed answer, and what is said
    instead of an answer is a message of its own, of which clients notify as of the others.
    """
    if not replaces_answer(said) or not any(map(str.strip, shown)):
        return list(said)
    key, is_dead = question.event_id, said[0].txn_id.endswith(_DEAD)
    parts = _numbered(question, list(_parts(question, ["\n\n".join(shown)], formatted)))
    kept = [
        replace(it, txn_id=f"{it.txn_id}{_DEAD if is_dead else ''}", state=ReplyState.FAILED)
        for it in parts
    ]
    kept[0] = replace(kept[0], tokens=said[0].tokens)
    instead = reply_message(
        question,
        f"{key}.{GIVEN_UP if is_dead else REFUSED}",
        in_lines(Formatted(it.body, it.html) for it in said),
        notice=said[0].notice,
    )
    return [*kept, instead]


def replaces_answer(said: Sequence[OutboundMessage]) -> bool:
    """Whether the messages of an end say something instead of an answer."""
    return bool(said) and (said[0].notice or said[0].state is ReplyState.FAILED)


def is_behind(answered: Answered, shown: Shown) -> bool:
    """Whether this is a stopped answer, and an earlier attempt may have shown more than it says.

    `shown` is what this process has shown: nothing of what an earlier one has.
    """
    return answered.reason is None and (not shown.chars or _chars(answered) < shown.chars)


def events_of(anchors: Iterable[Anchor]) -> list[EventId]:
    """The messages that show an answer, in the order of its parts.

    A loss of the database may have let the anchors be found in another order.
    """
    in_order = sorted(anchors, key=lambda it: int(it.txn_id.rpartition(".")[2]))
    return [it.event_id for it in in_order if it.event_id is not None and not it.is_void]


def longer(stopped: Answered, shown: Sequence[str]) -> Answered:
    """A stopped answer, with the texts that the room shows if they are longer."""
    is_longer = sum(map(len, shown)) > _chars(stopped)
    return replace(stopped, pieces=tuple(shown)) if is_longer else stopped


def _chars(answered: Answered) -> int:
    return sum(len(piece) for piece in answered.pieces if isinstance(piece, str))


def notice_of(question: Question, occasion: Occasion, texts: ReplyTexts) -> OutboundMessage:
    """The notice that a reply takes its time. A question has at most one for each occasion."""
    match occasion:
        case Occasion.BUSY:
            return _note(question, occasion, worded(texts.platform_busy))
        case Occasion.UNAVAILABLE:
            return _note(question, occasion, worded(texts.platform_unavailable))
        case Occasion.MISCONFIGURED:
            return _note(question, occasion, worded(texts.platform_misconfigured))


def _answer(
    question: Question, answered: Answered, texts: ReplyTexts, formatted: Formatter
) -> list[OutboundMessage]:
    state = ReplyState.STOPPED if answered.reason is None else ReplyState.DONE
    made = list(_parts(question.message, _shown(answered, texts), formatted))
    parts = [replace(part, state=state) for part in _numbered(question.message, made)]
    if parts:
        parts[0] = replace(parts[0], tokens=answered.tokens)
    notes = dict(_notes(answered, texts))
    if not parts and notes:
        said = in_lines(notes.values())
        return [replace(_no_answer(question, said), tokens=answered.tokens)]
    return [*parts, *(_note(question, name, said) for name, said in notes.items())]


def _shown(answered: Answered, texts: ReplyTexts) -> list[str | SharedFile]:
    """The pieces of an answer, with a line in the text for each file that can't be shown."""
    shown: list[str | SharedFile] = []
    for piece in answered.pieces:
        said = not_sent(piece.name, piece.reason, texts) if isinstance(piece, Lost) else piece
        if isinstance(said, str) and shown and isinstance(shown[-1], str):
            said = f"{shown.pop()}\n\n{said}"
        shown.append(said)
    return shown


def _numbered(question: InboundMessage, parts: Sequence[OutboundMessage]) -> list[OutboundMessage]:
    """The parts of an answer under their transaction ids. All but the last say: more follows."""
    return [
        replace(part, txn_id=f"{question.event_id}.{number}", more=part is not parts[-1])
        for number, part in enumerate(parts)
    ]


def _parts(
    question: InboundMessage, pieces: Iterable[str | SharedFile], formatted: Formatter
) -> Iterator[OutboundMessage]:
    for piece in pieces:
        if isinstance(piece, SharedFile):
            yield replace(reply_message(question, "", Formatted(piece.name)), file=piece)
        else:
            for part in formatted(piece):
                yield reply_message(question, "", part)


def _notes(answered: Answered, texts: ReplyTexts) -> Iterator[tuple[str, Formatted]]:
    """What the person is told about an answer, each with a name for its transaction id."""
    if answered.reason is Reason.LENGTH:
        yield "cut", worded(texts.answer_cut)
    if answered.reason is Reason.FILTER:
        yield "filtered", worded(texts.answer_filtered)
    if answered.left_out:
        yield "left_out", about_refusals(answered.left_out, texts)
    if answered.trimmed:
        yield "trimmed", worded(texts.conversation_trimmed)


def _no_answer(question: Question, say: Formatted) -> OutboundMessage:
    """What stands in the place of an answer. It is a text, so that clients notify of it."""
    said = reply_message(question.message, f"{question.key}.0", say)
    return replace(said, state=ReplyState.FAILED)


def _note(question: Question, name: str, say: Formatted) -> OutboundMessage:
    return reply_message(question.message, f"{question.key}.{name}", say, notice=True)
