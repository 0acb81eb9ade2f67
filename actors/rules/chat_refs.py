"""Finds the chat that a person names: by its id, as people write ids, or by its name. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from actors.model import ChatContext, ChatId
from actors.rules.commands import DISPLAY_LIMIT
from actors.rules.likeness import as_seen
from actors.rules.numbering import MAX_CHAT_NUMBER, chat_id_of
from actors.texts import LOCALES

_REF_LIMIT: Final = 2 * DISPLAY_LIMIT
"""No more characters than these are compared."""
_AROUND: Final = " \"'`<>[]()«»“”„‘’.,"
_WORDS: Final = "|".join(
    re.escape(as_seen(texts.chat_name.format(number="").strip())) for texts in LOCALES.values()
)
_NUMBER: Final = (
    rf"(?:c[\W_]*+)?(?:no)?[\W_]*+(\d{{1,{len(str(MAX_CHAT_NUMBER)) + 3}}})(?:[\W_]*|\s*[:,(].*)"
)
_ID: Final = re.compile(rf"[\W_]*+{_NUMBER}", re.DOTALL)
_DEFAULT_NAME: Final = re.compile(rf"[\W_]*+(?:{_WORDS})[\W_]*+{_NUMBER}", re.DOTALL)


def chat_meant(ref: str, chats: Sequence[ChatContext]) -> ChatContext | None:
    """The chat that `ref` names: first by id, then by name, then by default name ("Chat 4").

    A name counts only if no other chat has it. None if no chat is meant.
    """
    ref = ref[:_REF_LIMIT]
    by_id = {chat.chat_id: chat for chat in chats}
    named = chats_named(ref, chats)
    if (found := by_id.get(_id_in(_ID, ref) or ChatId(""))) is not None:
        return found
    if len(named) == 1:
        return named[0]
    return by_id.get(_id_in(_DEFAULT_NAME, ref) or ChatId(""))


def chats_named(ref: str, chats: Sequence[ChatContext]) -> list[ChatContext]:
    """All chats whose name is `ref`."""
    name = _bare(ref[:_REF_LIMIT])
    return [chat for chat in chats if _bare(chat.name) == name]


def _bare(name: str) -> str:
    """A name as it is compared: without blanks and quotation marks around it."""
    return as_seen(name).strip(_AROUND) or as_seen(name)


def _id_in(pattern: re.Pattern[str], ref: str) -> ChatId | None:
    found = pattern.fullmatch(as_seen(ref).strip())
    number = int(found[1]) if found else 0
    return chat_id_of(number) if 1 <= number <= MAX_CHAT_NUMBER else None
