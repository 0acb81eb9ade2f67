"""Checks at the end what people see of the answers: each is there once, whole, and has ended."""

from collections import defaultdict
from collections.abc import Callable, Iterator

from actors.model import EventId, ReplyState, UserId
from actors.rules.reply_mark import REPLY_TYPE
from tests.simulation.edits import Shown, shown
from tests.simulation.room import SimulatedRoom
from tests.simulation.streaming import named_by, state_of
from tests.simulation.transcript import Transcript


def wrong_answers(
    room: SimulatedRoom, me: UserId, transcript: Transcript, is_excused: Callable[[EventId], bool]
) -> Iterator[str]:
    """What is wrong with the bot's answers in a room, in words."""
    answers: defaultdict[EventId, list[Shown]] = defaultdict(list)
    for each in shown(room.timeline):
        named = named_by(each.original.txn_id)
        if each.original.sender == me and named is not None:
            answers[named.question].append(each)
    for question, parts in answers.items():
        yield from _wrong_with(question, parts, transcript, is_excused=is_excused(question))


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
