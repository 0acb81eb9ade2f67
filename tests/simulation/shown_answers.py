"""Checks at the end what people see of the answers: each is there once, whole, and has ended."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from actors.model import EventId, ReplyState, UserId
from actors.rules.reply_mark import REPLY_TYPE
from tests.simulation.edits import Shown, shown
from tests.simulation.events import Content, Event
from tests.simulation.room import SimulatedRoom
from tests.simulation.streaming import Streaming, named_by, state_of
from tests.simulation.transcript import Transcript


def wrong_answers(
    room: SimulatedRoom, me: UserId, streaming: Streaming, is_excused: Callable[[EventId], bool]
) -> Iterator[str]:
    """What is wrong with the bot's answers in a room, in words."""
    answers: defaultdict[EventId, list[Shown]] = defaultdict(list)
    for each in (*shown(room.timeline), *_taken_down(room, me, streaming.ended)):
        named = named_by(each.original.txn_id)
        if each.original.sender == me and named is not None:
            answers[named.question].append(each)
    places = _first_places(room)
    for question, found in answers.items():
        parts = sorted(_without_doubles(found), key=lambda it: places[it.original.txn_id])
        excused = is_excused(question)
        yield from _wrong_with(question, parts, streaming.transcript, is_excused=excused)


def _first_places(room: SimulatedRoom) -> dict[str | None, int]:
    """For each transaction id of a part, where the part was shown first.

    A part that is taken down while later ones are opened is shown again after them.
    """
    places: dict[str | None, int] = {}
    first: dict[tuple[EventId, int], int] = {}
    for event in room.timeline:
        named = named_by(event.txn_id)
        if named is not None:
            places[event.txn_id] = first.setdefault((named.question, named.part), event.position)
    return places


def _taken_down(
    room: SimulatedRoom, me: UserId, ended: Mapping[EventId, Content]
) -> Iterator[Shown]:
    """The messages that had ended when others than the bot redacted them, with their last words.

    The bot shows none of it again. What it takes back itself is not among them, and what is left of
    an answer that it has taken back in part is none either.
    """
    redactions = [it for it in room.timeline if it.type == "m.room.redaction"]
    own = {str(it.content["redacts"]) for it in redactions if it.sender == me}
    gone = [it for it in room.timeline if it.redacted and it.sender == me]
    taken_back = {_question_of(it) for it in gone if it.event_id in own}
    for event in gone:
        question = _question_of(event)
        asked = room.find(question) if question is not None else None
        if event.event_id in ended and question not in taken_back and asked and not asked.redacted:
            yield Shown(event, ended[event.event_id])


def _question_of(event: Event) -> EventId | None:
    named = named_by(event.txn_id)
    return None if named is None else named.question


def _without_doubles(found: list[Shown]) -> list[Shown]:
    """The parts without those that were taken down and are shown by another message."""
    there = {_part_of(each) for each in found if not each.original.redacted}
    return [it for it in found if not it.original.redacted or _part_of(it) not in there]


def _wrong_with(
    question: EventId, parts: list[Shown], transcript: Transcript, *, is_excused: bool
) -> Iterator[str]:
    numbers = [_part_of(each) for each in parts]
    if len(set(numbers)) < len(numbers):
        yield f"a part is there twice: {numbers} of the answer to {question}"
    if is_excused:
        return
    states = {state_of(each.content) for each in parts}
    if ReplyState.LIVE in states:
        yield f"still grows: the answer to {question}"
    if numbers != list(range(len(numbers))):
        yield f"the parts {numbers} of the answer to {question}"
    text = "".join(str(each.content["body"]) for each in parts)
    is_done = states == {ReplyState.DONE} and transcript.attempts(question) > 0
    if is_done and not transcript.has_said_whole(question, text):
        yield f"not the whole answer to {question}: {text!r}"
    if states == {ReplyState.STOPPED} and not transcript.has_said(question, text):
        yield f"no words of the answer to {question}: {text!r}"
    if len(states) > 1:
        yield f"the states {sorted(map(str, states))} of the answer to {question}"


def _part_of(each: Shown) -> int:
    mark = each.content.get(REPLY_TYPE)
    part = mark.get("part") if isinstance(mark, dict) else None
    return part if isinstance(part, int) else -1
