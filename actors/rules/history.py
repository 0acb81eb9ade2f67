"""Turns a room's timeline into the turns of a conversation. Pure."""

import sys
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final

from actors.model import EventId, InboundMessage, SharedFile, TokensUsed, UserId
from actors.platform import Role, Turn
from actors.rules.commands import clean_name
from actors.rules.exchanges import Exchange, Exchanges, exchanges_of, words_of
from actors.rules.timeline import Timeline
from actors.rules.tokens import estimated_tokens
from actors.said import Said

CUT: Final = " […]"
"""Stands for the rest of a text that is too long."""
_LEAST: Final = 64
"""The characters of a question that always stay."""
_UNSEEN: Final = sys.maxsize
"""The place of a question that the timeline does not show."""
_NAME_CHARS: Final = 64
_SEPARATOR: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn whose files are not loaded yet."""

    role: Role
    text: str
    speaker: str = ""
    quoted: str = ""
    files: tuple[SharedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Drafts:
    """A conversation, the question last. `trimmed`: something was left out to fit the budget.

    `question` is the question alone. The last turn may have more in it: what people said before it
    and got no answer to.
    """

    turns: tuple[Draft, ...]
    trimmed: bool = False
    question: Draft | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The room for a conversation. `factor` is how many tokens of the model an estimated one is."""

    tokens: int
    factor: float = 1.0

    @property
    def estimated(self) -> int:
        """The room in estimated tokens."""
        return max(0, int(self.tokens / self.factor)) if self.factor > 0 else self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a conversation may have besides its texts.

    `quote_chars` is for each quoted text. `pictures` and `file_bytes` are for the whole
    conversation; further files are only named.
    """

    quote_chars: int = 4_000
    pictures: int = 4
    file_bytes: int = 8 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What a conversation is read from. `words` are those of the bot's commands."""

    timeline: Timeline
    words: Collection[str] = ()
    names: Mapping[UserId, str] = field(default_factory=dict)
    limits: Limits = Limits()


def tokens_of(turns: Iterable[Draft | Turn]) -> int:
    """About how many tokens the turns of a conversation are, without their attachments."""
    return sum(estimated_tokens(_rendered(turn)) for turn in turns)


def drafts_for(talk: Talk, question: InboundMessage, budget: Budget) -> tuple[Drafts | None, bool]:
    """The conversation up to a question, cut to the budget, and whether it is certain.

    `asked_by` says what the question is. None if it was redacted. It is certain if reading more of
    the room changes nothing.
    """
    timeline = talk.timeline
    read, asked = _read_for(talk, question)
    last = next((it for it in read.exchanges if it.said.event_id == asked), None)
    if asked is None or (last is None and asked != _named(question)):
        return None, asked is None or read.is_whole
    last = last or _shown_or_unseen(timeline, question)
    before = [it for it in read.exchanges if _is_before(it, last)]
    quoted, is_certain = _quote_of_question(talk, last.said, question)
    drafts = _fitted(talk, before, last, quoted, budget)
    is_known = timeline.knows(asked) or timeline.begins
    if timeline.is_limited and not read.is_whole:
        drafts = replace(drafts, trimmed=True)
    is_certain &= is_known and read.is_certain
    return drafts, is_certain and (drafts.trimmed or read.is_whole)


def asked_by(talk: Talk, message: InboundMessage) -> tuple[Said | None, bool]:
    """The question that a message asks, and whether that is certain.

    A `!retry` asks an earlier question again, and an edit asks the message that it changes. There
    is none if the question was redacted or forgotten.
    """
    read, asked = _read_for(talk, message)
    said = next((it.said for it in read.exchanges if it.said.event_id == asked), None)
    is_found = said is not None and read.is_certain
    return said, is_found or asked is None or read.is_whole


def last_question(talk: Talk, thread: EventId | None) -> tuple[Said | None, bool]:
    """The last question in a thread, or in the room outside, and whether that is certain."""
    read = exchanges_of(talk.timeline, thread, talk.words)
    said = read.exchanges[-1].said if read.exchanges else None
    return said, read.is_certain and (said is not None or read.is_whole)


def texts_in(timeline: Timeline, parts: Collection[EventId]) -> tuple[tuple[str, ...], bool]:
    """The texts of an answer's parts as its newest attempt has shown them; whether that is sure.

    Each attempt shows its text from the first part on, so a part that says what it says for longer
    than a growing part before it is of an earlier attempt, and so are those behind it.
    """
    texts: list[str] = []
    begun_ts = 0
    for said in filter(None, map(timeline.message, parts)):
        if said.shown_ts < begun_ts:
            break
        texts.append(said.text)
        if said.is_live:
            begun_ts = said.shown_ts
    return tuple(texts), all(map(timeline.knows, parts))


def tokens_in(timeline: Timeline) -> tuple[TokensUsed, ...]:
    """The tokens of each answer in a timeline, the oldest first."""
    return tuple(said.tokens for said in timeline.messages() if said.tokens is not None)


def _named(message: InboundMessage) -> EventId:
    return message.edits or message.event_id


def _read_for(talk: Talk, message: InboundMessage) -> tuple[Exchanges, EventId | None]:
    """The conversation of a message, and the question that it asks.

    None if that was redacted, or if the message edits another sender's.
    """
    timeline, named = talk.timeline, _named(message)
    original = timeline.message(named)
    thread = message.thread if original is None else original.thread
    read = exchanges_of(timeline, thread, talk.words)
    asked = read.retried.get(named, named)
    is_gone = any(map(timeline.is_redacted, (message.event_id, named, asked)))
    is_foreign = original is not None and original.sender != message.sender
    return read, None if is_gone or is_foreign else asked


def _shown_or_unseen(timeline: Timeline, question: InboundMessage) -> Exchange:
    """The question as the timeline shows it; else as it came."""
    named = _named(question)
    shown = timeline.message(named)
    if shown is not None:
        return Exchange(shown, timeline.positions()[named])
    said = Said(
        event_id=named,
        sender=question.sender,
        sent_ts=question.sent_ts,
        msgtype=question.msgtype,
        text=question.body,
        thread=question.thread,
        reply_to=question.reply_to,
        quoted=question.quoted,
        file=question.file,
    )
    return Exchange(said, _UNSEEN)


def _is_before(exchange: Exchange, last: Exchange) -> bool:
    """Whether an exchange counts, and comes before the question.

    A question that failed does not count: what a platform refuses once, it would refuse again.
    A question that the timeline does not show is new, or so old that the timeline begins later.
    """
    if exchange.failed:
        return False
    if last.place == _UNSEEN:
        is_same = exchange.said.event_id == last.said.event_id
        return not is_same and exchange.said.sent_ts <= last.said.sent_ts
    return exchange.place < last.place


def _quote_of_question(talk: Talk, said: Said, question: InboundMessage) -> tuple[str, bool]:
    """The text that the question replies to, as it is now, and whether that is certain."""
    timeline, limit = talk.timeline, talk.limits.quote_chars
    is_itself = said.event_id == question.event_id
    quoted = (question if is_itself else said).quoted[:limit]
    if said.reply_to is None:
        return quoted, True
    if timeline.is_redacted(said.reply_to):
        return "", True
    shown = timeline.message(said.reply_to)
    if shown is None:
        return quoted, is_itself or timeline.begins
    return words_of(shown)[:limit], True


def _fitted(
    talk: Talk, before: Sequence[Exchange], last: Exchange, quoted: str, budget: Budget
) -> Drafts:
    """The last exchanges that fit into the budget, with the question whatever its length."""
    room = budget.estimated
    left = room - _cost(Draft(Role.PERSON, words_of(last.said), quoted=quoted))
    first = len(before)
    while first and (left := left - _bare_cost(before[first - 1])) >= 0:
        first -= 1
    while sum(map(_cost, _pieces(talk, before[first:], last, quoted))) > room:
        if first == len(before):
            return _drafts(talk, (), *_cut(last, quoted, room), trimmed=True)
        first += 1
    return _drafts(talk, before[first:], last, quoted, trimmed=first > 0)


def _drafts(
    talk: Talk, used: Sequence[Exchange], last: Exchange, quoted: str, *, trimmed: bool
) -> Drafts:
    kept = _kept_files(used, last, talk.limits)
    pieces = _pieces(talk, used, last, quoted, kept)
    turns = [_merged(list(turn)) for _, turn in groupby(pieces, key=lambda piece: piece.role)]
    return Drafts(tuple(turns), trimmed, pieces[-1])


def _cut(last: Exchange, quoted: str, room: int) -> tuple[Exchange, str]:
    """A question that is too long: first its quote is cut, then its end."""

    def fits(text: str, quote: str) -> bool:
        words = words_of(replace(last.said, text=text))
        return _cost(Draft(Role.PERSON, words, quoted=quote)) <= room

    text = last.said.text
    quoted = _longest(quoted, lambda quote: fits(text, quote))
    if not fits(text, quoted):
        text = _longest(text, lambda shorter: fits(shorter, "")) or f"{text[:_LEAST]}{CUT}"
    return replace(last, said=replace(last.said, text=text)), quoted


def _longest(text: str, fits: Callable[[str], bool]) -> str:
    """As much of a text as fits with a mark where it is cut; empty if nothing does."""
    sizes = range(1, len(text))
    size = bisect_left(sizes, x=True, key=lambda size: not fits(f"{text[:size]}{CUT}"))
    return f"{text[:size]}{CUT}" if size else ""


def _kept_files(used: Sequence[Exchange], last: Exchange, limits: Limits) -> frozenset[EventId]:
    """The messages whose files are shown: the question, and the newest others within the limits."""
    kept = {last.said.event_id}
    pictures, bytes_left = limits.pictures, limits.file_bytes
    for said in (last.said, *(it.said for it in reversed(used))):
        file = said.file
        if file is None:
            continue
        is_picture = file.mime_type.startswith("image/")
        is_within = file.size <= bytes_left and (pictures > 0 or not is_picture)
        if said is last.said or (file.mxc and is_within):
            kept.add(said.event_id)
            pictures -= is_picture
            bytes_left -= file.size
    return frozenset(kept)


def _pieces(
    talk: Talk,
    used: Sequence[Exchange],
    last: Exchange,
    quoted: str,
    kept: Collection[EventId] = (),
) -> list[Draft]:
    """What was said, one by one, the question last. `kept` are the messages that show their file.

    A message names its speaker if several people speak, and quotes what it replies to if that is
    here as well, but not just before it.
    """
    speakers = _speakers([*used, last], talk.names)
    shown: dict[EventId, str] = {}
    latest: set[EventId] = set()
    pieces: list[Draft] = []
    for exchange in (*used, last):
        said = exchange.said
        is_question = exchange is last
        wanted = said.reply_to if said.reply_to not in latest else None
        quote = quoted if is_question else shown.get(wanted or said.event_id, "")
        has_file = said.event_id in kept and said.file is not None
        text = said.text if has_file else words_of(said)
        files = (said.file,) if has_file and said.file else ()
        speaker = speakers.get(said.sender, "")
        pieces.append(Draft(Role.PERSON, text, speaker, quote[: talk.limits.quote_chars], files))
        latest = {said.event_id}
        shown[said.event_id] = words_of(said)
        if exchange.answers and not is_question:
            pieces.append(Draft(Role.ASSISTANT, exchange.answer))
            latest = {part.event_id for part in exchange.answers}
            shown |= {part.event_id: words_of(part) for part in exchange.answers}
    return pieces


def _merged(pieces: Sequence[Draft]) -> Draft:
    """One turn of what one side said without an answer between."""
    if len(pieces) == 1:
        return pieces[0]
    speakers = {piece.speaker for piece in pieces}
    speaker = pieces[0].speaker if len(speakers) == 1 else ""
    texts = (_rendered(replace(it, speaker="" if speaker else it.speaker)) for it in pieces)
    return Draft(
        pieces[0].role,
        _SEPARATOR.join(text for text in texts if text.strip()),
        speaker,
        files=tuple(file for piece in pieces for file in piece.files),
    )


def _speakers(exchanges: Iterable[Exchange], names: Mapping[UserId, str]) -> dict[UserId, str]:
    """How each person is named; nothing if only one speaks."""
    senders = dict.fromkeys(exchange.said.sender for exchange in exchanges)
    if len(senders) == 1:
        return {}
    shown = {sender: _name(sender, names) for sender in senders}
    times = Counter(name.casefold() for name in shown.values())
    return {
        sender: name if times[name.casefold()] == 1 else f"{name} ({sender})"
        for sender, name in shown.items()
    }


def _name(sender: UserId, names: Mapping[UserId, str]) -> str:
    """A person's display name on one line, else the first part of the user id."""
    name = clean_name(names.get(sender, ""))[:_NAME_CHARS].rstrip()
    return name or sender[1:].partition(":")[0]


def _rendered(draft: Draft | Turn) -> str:
    """A turn as one text."""
    quote = "".join(f"> {line}\n" for line in draft.quoted.splitlines())
    text = f"{quote}\n{draft.text}" if quote else draft.text
    return f"{draft.speaker}: {text}" if draft.speaker else text


def _cost(draft: Draft) -> int:
    return estimated_tokens(f"{_rendered(draft)}{_SEPARATOR}")


def _bare_cost(exchange: Exchange) -> int:
    """The least that an exchange takes: without a name and a quote."""
    person = _cost(Draft(Role.PERSON, words_of(exchange.said)))
    return person + (_cost(Draft(Role.ASSISTANT, exchange.answer)) if exchange.answers else 0)
