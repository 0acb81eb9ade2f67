"""Finds the questions of a conversation in a room's timeline, each with its answer. Pure."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from actors.model import EventId, ReplyState, UserId
from actors.rules.commands import CommandLine, parse
from actors.rules.files import file_note
from actors.rules.reply_mark import says_why_it_failed
from actors.rules.timeline import Timeline
from actors.said import ReplyMark, Said

RETRY: Final = "retry"
"""The word of the command whose answer replaces the answer before it."""

_EMOTE_TYPE: Final = "m.emote"
_TEXT_TYPES: Final = frozenset({"m.text", _EMOTE_TYPE})
_NOTICE_TYPE: Final = "m.notice"
_UNKNOWN: Final = EventId("")
"""Stands for a question that was not read, or that there is not."""
_UNREAD: Final = -1
"""The place of a command that was not read: before all that was."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a person said, and the messages that the bot answered it with.

    `failed`: the bot said that there is no answer.
    """

    said: Said
    place: int
    answers: tuple[Said, ...] = ()
    failed: bool = False

    @property
    def answer(self) -> str:
        """The text of the whole answer; empty if there is none."""
        return "\n".join(map(words_of, self.answers))


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The conversation of one thread, or of a room outside of threads, oldest first.

    `is_whole`: nothing of the conversation came before. `is_certain`: reading more of the room
    takes no exchange away. `retried` has the question that each
    `!retry` command asks again; an empty id if it is not known.
    """

    exchanges: tuple[Exchange, ...]
    is_whole: bool
    is_certain: bool
    retried: Mapping[EventId, EventId]


def exchanges_of(timeline: Timeline, thread: EventId | None, words: Collection[str]) -> Exchanges:
    """The conversation of a thread, or of the room outside of threads for None.

    A thread's conversation begins with its root; if that is an answer of the bot, with the question
    that it answers. `words` are those of the bot's commands.
    """
    places, messages = timeline.positions(), list(timeline.messages())
    own = [said for said in messages if said.sender == timeline.me]
    people = [said for said in messages if said.sender != timeline.me]
    lines = {said.event_id: command_in(said, words) for said in people}
    marks = [said.mark for said in own if said.mark is not None]
    retried = _retried(timeline, people, lines, marks)
    cuts = _cuts(timeline, own, thread, places)
    cut = max(cuts, default=_UNREAD)
    named = (thread, _question_of_root(timeline, thread, retried))
    first = {event_id for event_id in named if event_id is not None}
    questions = [
        said
        for said in people
        if (said.thread == thread or said.event_id in first)
        and lines[said.event_id] is None
        and is_question(said)
        and places[said.event_id] > cut
    ]
    answers, failed = _answers(timeline, own, retried)
    additions = _additions(own, thread, questions, places, cut)
    return Exchanges(
        tuple(
            Exchange(
                said,
                places[said.event_id],
                (*answers.get(said.event_id, ()), *additions.get(said.event_id, ())),
                said.event_id in failed,
            )
            for said in questions
        ),
        timeline.begins or cut > _UNREAD or (bool(first) and all(map(timeline.knows, first))),
        _UNREAD not in cuts,
        retried,
    )


def command_in(said: Said, words: Collection[str]) -> CommandLine | None:
    """The command that a person's message gives, known or not; None for any other message."""
    return None if said.msgtype == _EMOTE_TYPE else parse(said.text, words)


def is_question(said: Said) -> bool:
    """Whether a person's message has something to say: a text or a file."""
    return said.file is not None or (said.msgtype in _TEXT_TYPES and bool(said.text.strip()))


def words_of(said: Said) -> str:
    """The text of a message, and words that stand for its file; empty if it says nothing."""
    note = "" if said.file is None else file_note(said.file)
    return "\n".join(text for text in (said.text, note) if text.strip())


def _retried(
    timeline: Timeline,
    people: Iterable[Said],
    lines: Mapping[EventId, CommandLine | None],
    marks: Iterable[ReplyMark],
) -> dict[EventId, EventId]:
    """The question that each `!retry` asks again: the last one by its sender, or with an answer."""
    replied = {timeline.original_of(mark.to) for mark in marks if mark.to is not None}
    latest: dict[tuple[EventId | None, UserId | None], tuple[int, EventId]] = {}
    retried: dict[EventId, EventId] = {}
    for number, said in enumerate(people):
        line = lines[said.event_id]
        if line is None and is_question(said):
            # A question in the room may be the root of a thread.
            for scope in (said.thread, said.event_id):
                latest[scope, said.sender] = number, said.event_id
                if said.event_id in replied:
                    latest[scope, None] = number, said.event_id
        elif line is not None and line.word == RETRY:
            candidates = (latest.get((said.thread, by)) for by in (said.sender, None))
            found = max(filter(None, candidates), default=(0, _UNKNOWN))
            retried[said.event_id] = found[1]
    return retried


def _cuts(
    timeline: Timeline,
    own: Iterable[Said],
    thread: EventId | None,
    places: Mapping[EventId, int],
) -> list[int]:
    """The places up to which the conversation was forgotten.

    That is the place of the command that a notice names: what was said between the two is not
    forgotten. Without a command, it is the place of the notice.
    """
    cuts: list[int] = []
    is_all = timeline.begins or timeline.is_limited
    for said in own:
        if not said.forgets:
            continue
        command = said.mark.to if said.mark is not None else None
        asked = timeline.message(command) if command is not None else None
        if (said if asked is None else asked).thread == thread:
            place = places.get(said.event_id, len(places))
            if command is not None:
                place = places.get(command, place if is_all else _UNREAD)
            cuts.append(place)
    return cuts


def _question_of_root(
    timeline: Timeline, thread: EventId | None, retried: Mapping[EventId, EventId]
) -> EventId | None:
    """The question that a thread's root answers, if the root is an answer."""
    root = timeline.message(thread) if thread is not None else None
    if root is None or root.sender != timeline.me or root.mark is None or root.mark.to is None:
        return None
    return retried.get(root.mark.to, timeline.original_of(root.mark.to))


@dataclass(slots=True)
class _Answer:
    """One answer to a question. One that `failed` has no parts."""

    parts: dict[int, Said] = field(default_factory=dict)
    failed: bool = False

    def add(self, said: Said, mark: ReplyMark) -> None:
        """Add a part. What grew before the answer failed does not count."""
        if mark.state is ReplyState.FAILED:
            self.parts.clear()
            self.failed = True
        elif said.msgtype != _NOTICE_TYPE and not (self.failed and said.is_live):
            self.parts[mark.part] = said

    def shown(self) -> list[Said]:
        """The parts in order, without those behind the end that grew in an earlier attempt."""
        ends = (part for part, said in self.parts.items() if _is_last(said))
        end = min(ends, default=max(self.parts, default=0))
        in_order = sorted(self.parts.items())
        return [said for part, said in in_order if part <= end or not said.is_live]


def _is_last(said: Said) -> bool:
    """Whether a part ends its answer."""
    return said.mark is not None and not said.mark.more and not said.is_live


def _answers(
    timeline: Timeline, own: Iterable[Said], retried: Mapping[EventId, EventId]
) -> tuple[dict[EventId, tuple[Said, ...]], frozenset[EventId]]:
    """The parts of the answer to each question that counts, and the questions that failed."""
    versions: dict[EventId, dict[EventId, _Answer]] = {}
    for said in own:
        if said.mark is not None and said.mark.to is not None:
            to = said.mark.to
            question = retried.get(to, timeline.original_of(to))
            answer = versions.setdefault(question, {}).setdefault(to, _Answer())
            answer.add(said, said.mark)
    chosen = {question: _chosen(list(each.values())) for question, each in versions.items()}
    failed = {
        question
        for question, each in versions.items()
        if not chosen[question] and all(answer.failed for answer in each.values())
    }
    return chosen, frozenset(failed)


def _chosen(oldest_first: list[_Answer]) -> tuple[Said, ...]:
    """The newest answer. One that failed does not count, nor an unfinished one before another."""
    newest = oldest_first[-1]
    for answer in reversed(oldest_first):
        parts = answer.shown()
        is_old = answer is not newest
        if any(map(words_of, parts)) and not (is_old and any(part.is_live for part in parts)):
            return tuple(filter(words_of, parts))
    return ()


def _additions(
    own: Iterable[Said],
    thread: EventId | None,
    questions: Iterable[Said],
    places: Mapping[EventId, int],
    cut: int,
) -> dict[EventId, list[Said]]:
    """What the bot said on its own, by the question that it follows."""
    asked = [(places[said.event_id], said.event_id) for said in questions]
    additions: dict[EventId, list[Said]] = {}
    for said in own:
        place = places.get(said.event_id, len(places))
        if not _is_of_its_own(said) or said.thread != thread or place <= cut:
            continue
        following = bisect_left(asked, (place, ""))
        if following and words_of(said):
            additions.setdefault(asked[following - 1][1], []).append(said)
    return additions


def _is_of_its_own(said: Said) -> bool:
    """Whether a message of the bot is something else than an answer, or about one."""
    if said.mark is None or said.mark.to is not None or said.msgtype == _NOTICE_TYPE:
        return False
    return not says_why_it_failed(said.mark)
