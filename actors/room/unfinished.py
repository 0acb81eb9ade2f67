"""Finds what a chat waits for when the database does not know it: the room says it.

The reply marks of the bot's own messages tell which questions were answered and which answers were
cut off. A message is handled after all earlier ones, so nothing from before the question that was
answered last can wait.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import structlog

from actors.anchors import LiveAnchor, redaction_of
from actors.model import EventId, InboundMessage, OutboundKind, OutboundMessage, ReplyState, RoomId
from actors.ports import RecentPage
from actors.reading import note_given_up, worth_accepting
from actors.replies.values import reply_message
from actors.room.commands import WORDS
from actors.room.conversation import is_answered_at_once, is_command
from actors.rules.addressing import is_addressed
from actors.rules.files import is_question
from actors.rules.settlement import DesiredRows
from actors.rules.unfinished import (
    Covered,
    Told,
    asked_about,
    asked_again,
    asking_id,
    covered,
    emptied,
    forgotten,
    left_over,
    settled_by_asking,
    settled_by_commands,
    unfinished,
    with_deleted,
    with_page,
    without_replaced,
)
from actors.rules.wording import worded
from actors.services import Services
from actors.texts import Texts
from actors.writes import SINCE_LOST, AdoptAnchor, OpenGap, QueueMessage, VoidAnchor, Write

_log = structlog.get_logger()

_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Waits:
    """What a chat waits for: messages to be handled, oldest first, and what else is written."""

    messages: tuple[InboundMessage, ...]
    answered: frozenset[EventId]
    writes: tuple[Write, ...]
    redacted: frozenset[EventId]


@dataclass(frozen=True, slots=True)
class Unfinished:
    """One chat after a loss of the database, or of its newest part. `rows` are the room's."""

    room_id: RoomId
    services: Services
    rows: DesiredRows

    async def search(self, gap: OpenGap) -> Waits:
        """Read the room back to the question that was answered last. Raises as `recent` does.

        An answer that was cut off is finished in its own messages, so its question is handled
        again, however old it is. Of the other questions without an answer, those that are older
        than `Bounds.unanswered_s` are asked about: all of them if the database is lost, else those
        that it knows already.
        """
        told = without_replaced(await self._read(gap))
        commands = [it.event_id for it in told.messages if is_command(it)]
        told = replace(told, answered=told.answered | forgotten(told, commands))
        cut_off = unfinished(told)
        cut_off_questions, gone = await self._questions(cut_off, told.messages)
        known = await self.services.store.known_of([it.event_id for it in told.messages])
        is_lost = gap.since == SINCE_LOST
        settled = told.answered | settled_by_commands(told, self._answered_at_once(told))
        settled |= settled_by_asking(told) - cut_off.keys()
        waiting = [it for it in told.messages if it.event_id not in settled and worth_accepting(it)]
        old = {
            it.event_id
            for it in waiting
            if it.event_id not in cut_off and self._is_old(it) and (is_lost or it.event_id in known)
        }
        texts = self.services.texts
        if old:
            texts = await self.services.languages.texts_of(self.rows.room.matrix_user_id)
        young = tuple(it for it in waiting if it.event_id not in old)
        writes = (
            *self._about(told, cut_off, gone),
            *self._asking([it for it in waiting if it.event_id in old], texts),
        )
        if cut_off or waiting:
            _log.info(
                "unanswered_found",
                room_id=self.room_id,
                cut_off=len(cut_off) - len(gone),
                waiting=len(young),
                old=len(old),
            )
        return Waits((*cut_off_questions, *young), told.answered, writes, told.redacted)

    async def _read(self, gap: OpenGap) -> Told:
        """What was said since the question that was answered last, within bounds.

        Only messages that may be for the bot count. After a loss of the database, messages that
        are old enough to be asked about are read up to `Bounds.unanswered_pages`.
        """
        bounds, token, count = self.services.bounds, gap.upto, 0
        newest_first: list[InboundMessage] = []
        told = read = Told()
        for pages in range(1, bounds.gap_messages + 1):
            page = await self._page(token)
            read = with_page(read, page)
            # Every part of an answer is read before its question.
            told = with_deleted(read)
            messages = [it for it in page.said if it is not None]
            again, done = asked_again(told), told.answered - asked_about(told)
            last = next((it for it in messages if _is_answered(it, done, again)), None)
            newer = messages if last is None else messages[: messages.index(last)]
            newest_first += newer
            count += sum(map(self._may_be_for_the_bot, newer))
            told = replace(told, messages=tuple(reversed(newest_first)))
            if last is not None or page.earlier is None:
                return told
            is_far = gap.since == SINCE_LOST and pages >= bounds.unanswered_pages
            if count >= bounds.gap_messages or (is_far and any(map(self._is_old, messages))):
                break
            token = page.earlier
        note_given_up(self.room_id, len(newest_first))
        return told

    async def _page(self, token: str) -> RecentPage:
        async with self.services.homeserver_slots:
            return await self.services.homeserver.recent(self.room_id, token)

    async def _questions(
        self, cut_off: Collection[EventId], messages: Iterable[InboundMessage]
    ) -> tuple[list[InboundMessage], set[EventId]]:
        """The questions of cut off answers from before the messages, and those that are gone."""
        found: list[InboundMessage] = []
        gone: set[EventId] = set()
        for event_id in sorted(set(cut_off) - {it.event_id for it in messages}):
            question = await self.services.homeserver.contents.question(self.room_id, event_id)
            if question is None:
                gone.add(event_id)
            else:
                found.append(question)
        return sorted(found, key=lambda it: it.sent_ts), gone

    def _answered_at_once(self, told: Told) -> frozenset[EventId]:
        owner = self.rows.room.matrix_user_id
        commands = (it for it in told.messages if is_answered_at_once(it, owner))
        return frozenset(it.event_id for it in commands)

    def _is_old(self, message: InboundMessage) -> bool:
        services = self.services
        return message.sent_ts / _MS < services.wall_clock() - services.bounds.unanswered_s

    def _about(
        self,
        told: Told,
        cut_off: dict[EventId, list[LiveAnchor]],
        gone: Collection[EventId],
    ) -> Iterator[Write]:
        """The writes about the bot's own messages in the room."""
        for question, anchors in cut_off.items():
            for anchor in anchors:
                yield AdoptAnchor(self.room_id, anchor)
                if question in gone:
                    yield QueueMessage(redaction_of(anchor.txn_id, self.room_id))
        for anchor in emptied(told):
            yield AdoptAnchor(self.room_id, anchor)
            yield VoidAnchor(anchor.event_id)
        for anchor in left_over(told):
            yield AdoptAnchor(self.room_id, anchor)
            yield QueueMessage(redaction_of(anchor.txn_id, self.room_id))
        for each in covered(told):
            yield AdoptAnchor(self.room_id, each.anchor)
            yield QueueMessage(self._end_again(each))

    def _end_again(self, each: Covered) -> OutboundMessage:
        """The end of a part once more, as the room shows it."""
        end, mark = each.end, each.end.mark
        is_notice = end.msgtype == "m.notice"
        is_plain = is_notice or (mark is not None and mark.state is ReplyState.FAILED)
        parts = () if is_plain else self.services.formatted(end.text)
        return OutboundMessage(
            each.txn_id,
            self.room_id,
            end.text,
            is_notice,
            each.first.thread,
            html=parts[0].html if len(parts) == 1 else "",
            state=None if mark is None else mark.state,
            tokens=end.tokens,
            more=mark is not None and mark.more,
            kind=OutboundKind.FINAL,
            edits=each.anchor.txn_id,
        )

    def _asking(self, old: Iterable[InboundMessage], texts: Texts) -> Iterator[Write]:
        """The message that asks about old questions. It counts as the answer to the newest one."""
        questions = [it for it in old if self._is_for_the_bot(it)]
        chat = self.rows.chat
        if not questions or chat is None or chat.is_archived:
            return
        newest = questions[-1]
        say = worded(texts.replies.unanswered, count=len(questions))
        yield QueueMessage(reply_message(newest, asking_id(newest.event_id), say))

    def _may_be_for_the_bot(self, message: InboundMessage) -> bool:
        """Whether the bot may have to answer a message. It may be the bot that it replies to."""
        return is_addressed(
            message,
            self.rows.room.matrix_user_id,
            self.services.answers,
            commands=WORDS,
            replies_to_bot=message.reply_to is not None,
        )

    def _is_for_the_bot(self, message: InboundMessage) -> bool:
        services = self.services
        return (
            message.edits is None
            and not is_command(message)
            and is_question(message, services.platform.capabilities)
            and is_addressed(
                message,
                self.rows.room.matrix_user_id,
                services.answers,
                commands=WORDS,
                replies_to_bot=False,
            )
        )


def _is_answered(
    message: InboundMessage, answered: Collection[EventId], again: Collection[EventId]
) -> bool:
    """Whether a message is a question with an answer, or has asked one `again`.

    Other commands may be answered out of turn.
    """
    if message.edits is not None or is_command(message):
        return message.event_id in again
    return message.event_id in answered
