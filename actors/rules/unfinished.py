"""What a room's timeline shows of answers that were cut off, and of questions without any. Pure.

The reply marks of the bot's own messages say all of it, so it is known without a database.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from actors.anchors import LiveAnchor, newest_end, next_end
from actors.model import EventId, InboundMessage, ReplyState
from actors.ports import RecentPage
from actors.rules.reply_mark import live_anchor_of, part_ended_by
from actors.rules.timeline import age_of
from actors.said import Said

_NOTICE_TYPE: Final = "m.notice"
_ASKING: Final = ".unanswered"


@dataclass(frozen=True, slots=True)
class Told:
    """What was said in a room since the question that the bot answered last.

    `messages` are those of people, oldest first. `own` are the bot's own messages and edits, in any
    order. `answered` are the questions whose answers have ended. `taken_back` are the events that
    the bot itself redacted, `deleted` the transaction ids of its messages that were redacted, and
    `redacted` all events that were redacted.
    """

    messages: tuple[InboundMessage, ...] = ()
    own: tuple[Said, ...] = ()
    answered: frozenset[EventId] = frozenset()
    taken_back: frozenset[EventId] = frozenset()
    deleted: frozenset[str] = frozenset()
    redacted: frozenset[EventId] = frozenset()


@dataclass(frozen=True, slots=True)
class Covered:
    """The end of a part of an answer that a late live edit covers.

    `first` is the part's anchor, `end` the edit that ended it, and `txn_id` that of its repetition.
    """

    first: Said
    anchor: LiveAnchor
    end: Said
    txn_id: str


def anchor_in(said: Said) -> LiveAnchor | None:
    """The anchor that one of the bot's own messages is: the answer was growing; None for others."""
    return live_anchor_of(said.event_id, said.mark) if said.edits is None else None


def unfinished(told: Told) -> dict[EventId, list[LiveAnchor]]:
    """The parts of answers that have not ended, by question.

    A part of a whole answer counts as well, if the last part was not sent.
    """
    found: dict[EventId, list[LiveAnchor]] = {}
    edits = [it.mark.txn for it in told.own if it.mark is not None and it.edits is not None]
    for said in told.own:
        anchor = _part_in(said)
        if anchor is not None and anchor.question not in told.answered:
            ends = (it for it in edits if it.startswith(f"{anchor.txn_id}.final"))
            anchor = replace(anchor, ended_by=newest_end(ends))
            found.setdefault(anchor.question, []).append(anchor)
    return found


def asking_id(question: EventId) -> str:
    """The transaction id of the message that asks about questions up to this one."""
    return f"{question}{_ASKING}"


def asked_about(told: Told) -> frozenset[EventId]:
    """The questions that a message of the bot has asked about, as the newest of several.

    That is no answer: earlier ones may have been cut off when it was sent. A message that
    was deleted has asked all the same.
    """
    shown = (it.mark.txn for it in told.own if it.mark is not None)
    asking = (txn_id for txn_id in (*shown, *told.deleted) if txn_id.endswith(_ASKING))
    return frozenset(EventId(txn_id.removesuffix(_ASKING)) for txn_id in asking)


def settled_by_asking(told: Told) -> frozenset[EventId]:
    """The messages up to the newest one that the bot has asked about, cut off ones among them."""
    ids = [it.event_id for it in told.messages]
    asked = [ids.index(it) for it in asked_about(told) if it in ids]
    return frozenset(ids[: max(asked, default=-1) + 1])


def settled_by_commands(told: Told, at_once: Collection[EventId]) -> frozenset[EventId]:
    """The commands up to the newest one that has an answer: they are answered in their order.

    `at_once` are the commands for which that is so.
    """
    ids = [it.event_id for it in told.messages if it.event_id in at_once]
    answered = [place for place, it in enumerate(ids) if it in told.answered]
    return frozenset(ids[: max(answered, default=-1) + 1])


def asked_again(told: Told) -> frozenset[EventId]:
    """The commands and edits among the answered messages that have asked a question again.

    Their answers are no notices, and have not failed: a command that is given up has asked nothing.
    They were handled after all earlier messages, as questions are.
    """
    marks = (it.mark for it in told.own if it.mark is not None and it.msgtype != _NOTICE_TYPE)
    answers = (mark for mark in marks if mark.state is not ReplyState.FAILED)
    return frozenset(mark.to for mark in answers if mark.to in told.answered)


def emptied(told: Told) -> list[LiveAnchor]:
    """The anchors that were redacted while their answers grew: only their live edits are left.

    A homeserver knows their transaction ids, so they can't be sent again.
    """
    asked, there = {it.event_id for it in told.messages}, {it.event_id for it in told.own}
    found: dict[EventId, LiveAnchor] = {}
    for said in told.own:
        mark = said.mark
        if said.edits is None or said.edits in there or mark is None or not said.is_live:
            continue
        if mark.to in asked - told.answered:
            txn_id = f"{mark.to}.{mark.part}"
            found[said.edits] = LiveAnchor(mark.to, mark.part, txn_id, said.edits)
    return list(found.values())


def with_page(told: Told, page: RecentPage) -> Told:
    """The same, with what the bot's own messages in an earlier page say."""
    return replace(
        told,
        own=told.own + page.own,
        answered=told.answered | page.answered,
        taken_back=told.taken_back | page.taken_back,
        deleted=told.deleted | page.deleted,
        redacted=told.redacted | page.redacted,
    )


def with_deleted(told: Told) -> Told:
    """The same, with the questions as answered whose answers had ended before they were deleted.

    An answer has not ended if one of its parts still grows, or if another part was to follow the
    last one that is known. A deleted message of which nothing else is known was a whole answer.
    """
    found = [ended for ended in map(part_ended_by, told.deleted) if ended is not None]
    last: dict[EventId, int] = {}
    for ended in found:
        last[ended.question] = max(ended.part, last.get(ended.question, 0))
    finals = {(it.question, it.part) for it in found if it.is_final}
    answers = frozenset(last) - frozenset(_going_on(told.own, finals, last))
    return replace(told, answered=told.answered | answers)


def _going_on(
    own: Collection[Said], finals: Collection[tuple[EventId, int]], last: Mapping[EventId, int]
) -> Iterator[EventId]:
    """The questions whose answers have not ended.

    `finals` are the parts whose deleted edits have ended them, `last` the last deleted parts.
    """
    ended = {it.edits for it in own if not it.is_live}
    for said in own:
        mark = said.mark
        if mark is None or mark.to is None:
            continue
        grows = said.is_live and (said.edits or said.event_id) not in ended
        if grows and (mark.to, mark.part) not in finals:
            yield mark.to
        if mark.more and mark.part >= last.get(mark.to, 0):
            yield mark.to


def without_replaced(told: Told) -> Told:
    """The same, with the questions as answered whose answers the bot itself took back.

    Their owner stopped them, or asked anew.
    """
    replaced = {it.question for it in emptied(told) if it.event_id in told.taken_back}
    return replace(told, answered=told.answered | replaced)


def forgotten(told: Told, commands: Collection[EventId]) -> frozenset[EventId]:
    """The questions that were in work when the conversation was forgotten.

    That is the oldest one without an answer before the command, if it is in the same thread.
    `commands` are the command lines among the messages.
    """
    forgetting = {it.mark.to for it in told.own if it.forgets and it.mark is not None}
    waiting: list[InboundMessage] = []
    found: set[EventId] = set()
    for message in told.messages:
        if message.event_id in forgetting and waiting and waiting[0].thread == message.thread:
            found.add(waiting.pop(0).event_id)
        is_question = message.edits is None and message.event_id not in commands
        if is_question and message.event_id not in told.answered:
            waiting.append(message)
    return frozenset(found)


def left_over(told: Told) -> Iterator[LiveAnchor]:
    """The anchors of ended answers that nothing has ended: the answers did not need them."""
    ended = {it.edits for it in told.own if it.mark is not None and not it.is_live}
    for said in told.own:
        anchor = anchor_in(said)
        if anchor is None or anchor.event_id in ended:
            continue
        if anchor.question in told.answered:
            yield anchor


def covered(told: Told) -> Iterator[Covered]:
    """The ends of ended answers that the homeserver shows no more: a live edit came later."""
    edits: dict[EventId, list[Said]] = {}
    for said in told.own:
        if said.edits is not None and said.mark is not None:
            edits.setdefault(said.edits, []).append(said)
    for said in told.own:
        anchor, of_it = anchor_in(said), sorted(edits.get(said.event_id, ()), key=age_of)
        ends = [it for it in of_it if not it.is_live]
        if anchor is not None and anchor.question in told.answered and ends and of_it[-1].is_live:
            newest = newest_end(it.mark.txn for it in reversed(ends) if it.mark is not None)
            yield Covered(said, anchor, ends[-1], next_end(newest or ""))


def _part_in(said: Said) -> LiveAnchor | None:
    """The anchor, or the part of a whole answer that others follow, that a message is."""
    mark = said.mark
    if mark is not None and mark.more:
        mark = replace(mark, state=ReplyState.LIVE)
    return anchor_in(replace(said, mark=mark))
