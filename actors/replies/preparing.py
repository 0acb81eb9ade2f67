"""Makes the ask out of a question: the chat's settings, the history in the room, the files."""

import uuid
from dataclasses import dataclass, replace
from typing import Final

import anyio

from actors.attachments import Attachments
from actors.bounds import Bounds
from actors.chat_settings import SettingsOfChats
from actors.histories import Histories
from actors.model import ChatSettings, EventId, InboundMessage, PlatformChatId, SharedFile
from actors.platform import Ask, Platform, Role
from actors.ports import Homeserver
from actors.replies.learned import Learned
from actors.replies.quotes import text_replied_to
from actors.replies.values import Question
from actors.rules.files import Refusal
from actors.rules.history import Budget, Draft, Drafts, tokens_of
from actors.rules.tokens import estimated_tokens

_THREADS: Final = uuid.UUID("6d0c7ac6-2c7d-4f4b-9a0e-0b6a3c1f6a55")


@dataclass(frozen=True, slots=True)
class Prepared:
    """An ask, and what the person is to know about it.

    `estimated` is the number of tokens of its texts, as the bot estimates them. `left_out` are the
    files of the question that are not in it; `empty` says that nothing else was in the question.
    `has_earlier_files` says that earlier turns have files.
    """

    ask: Ask
    estimated: float
    left_out: tuple[Refusal, ...] = ()
    empty: bool = False
    trimmed: bool = False
    has_earlier_files: bool = False


@dataclass(frozen=True, slots=True)
class Preparing:
    """Prepares the asks of all rooms."""

    homeserver: Homeserver
    homeserver_slots: anyio.CapacityLimiter
    platform: Platform
    histories: Histories
    attachments: Attachments
    settings_of_chats: SettingsOfChats
    learned: Learned
    bounds: Bounds

    async def settings(self, question: Question) -> ChatSettings:
        """The chat's settings. Raises the errors of the homeserver."""
        return await self.settings_of_chats.of(question.room_id)

    async def prepare(
        self,
        question: Question,
        settings: ChatSettings,
        *,
        fresh: bool,
        tokens: float,
        earlier_files: bool = True,
    ) -> Prepared | None:
        """The ask with at most so many tokens; None if the question was redacted.

        A platform that keeps the history gets the question alone, unless it is `fresh`. Without
        `earlier_files` only the question's own files go along. Raises the errors of the homeserver.
        """
        asked, factor = question.asked, self.learned.factor(settings.model)
        quoted = await text_replied_to(asked, self.homeserver, self.homeserver_slots, self.bounds)
        asked = replace(asked, quoted=quoted)
        left = tokens - factor * estimated_tokens(settings.system or "")
        if fresh:
            drafts = await self.histories.drafts(asked, Budget(max(int(left), 1), factor))
        else:
            drafts = _alone(asked)
        if drafts is None:
            return None
        loaded = await self.attachments.load(
            drafts,
            self.platform.capabilities,
            self.learned.refused(question.room_id, settings.model),
            of_question=_files_of(asked),
            tokens=left / factor - tokens_of(drafts.turns),
            earlier=earlier_files,
        )
        ask = Ask(
            chat=conversation_of(question.chat, question.asked.thread),
            key=question.key,
            attempt=question.failed + 1,
            turns=loaded.turns,
            owner=question.owner,
            fresh=fresh,
            system=settings.system,
            model=settings.model,
            temperature=settings.temperature,
        )
        estimated = estimated_tokens(settings.system or "") + tokens_of(loaded.turns)
        return Prepared(
            ask,
            estimated,
            left_out=loaded.refusals,
            empty=loaded.empty,
            trimmed=drafts.trimmed,
            has_earlier_files=loaded.has_earlier,
        )


def _alone(asked: InboundMessage) -> Drafts:
    files = _files_of(asked)
    return Drafts((Draft(Role.PERSON, asked.body, quoted=asked.quoted, files=files),))


def _files_of(asked: InboundMessage) -> tuple[SharedFile, ...]:
    return () if asked.file is None else (asked.file,)


def conversation_of(chat: PlatformChatId, thread: EventId | None) -> PlatformChatId:
    """The conversation of a thread is one of its own; outside of threads, it is the chat's."""
    if thread is None:
        return chat
    return PlatformChatId(str(uuid.uuid5(_THREADS, f"{chat}/{thread}")))
