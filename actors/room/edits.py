"""Decides which edits are answered: those of the last question, if the chat's owner wants that."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from actors.model import InboundMessage
from actors.room.asked import Asked, Response
from actors.services import Services

_MS: Final = 1000


async def about_edit(asked: Asked) -> Response:
    """Ask the question anew with its new text, if the edit is one of the last question.

    The owner wants edits to be answered. The history knows only edits by a message's author. A
    question in work begins anew; one that waits is asked with its new text anyway. An answer that
    was begun goes on.
    """
    services, edit = asked.services, asked.message
    if asked.is_for_archive:
        return Response()
    question = await services.histories.question_of(edit)
    if question is None or not (asked.is_begun or await _counts(edit, question, services)):
        return Response()
    reply = services.replies.of(asked.room_id)
    if reply is not None and reply.question.asked.event_id == question.event_id:
        services.replies.stop(asked.room_id, silently=True)
    there = replace(asked, message=replace(edit, thread=question.thread))
    return Response(question=there.question(question))


async def _counts(edit: InboundMessage, question: InboundMessage, services: Services) -> bool:
    """Whether the edit is the newest one of the last question, and in time."""
    age_s = (edit.sent_ts - question.sent_ts) / _MS
    if age_s > services.bounds.edit_within_s:
        return False
    last = await services.histories.last_question(edit.room_id, question.thread)
    if last is None or last.event_id != question.event_id:
        return False
    limit = services.bounds.inbox_room_limit
    waiting = [item.message for item in await services.store.waiting(edit.room_id, limit)]
    return not _waits(question, waiting, services) and not _has_newer(edit, waiting)


def _waits(question: InboundMessage, waiting: Sequence[InboundMessage], services: Services) -> bool:
    """Whether the question waits for its turn, so that it will be asked with its new text."""
    reply = services.replies.of(question.room_id)
    in_work = None if reply is None else reply.question.asked.event_id
    return question.event_id in {it.event_id for it in waiting} - {in_work}


def _has_newer(edit: InboundMessage, waiting: Sequence[InboundMessage]) -> bool:
    """Whether a later edit of the same message waits behind this one."""
    same = [it.event_id for it in waiting if (it.edits, it.sender) == (edit.edits, edit.sender)]
    return edit.event_id in same[:-1]
