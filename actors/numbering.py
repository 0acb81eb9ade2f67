"""Chat ids: what is one, who keeps a contested one, which is the next. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from actors.model import ChatId, RoomId

MAX_CHAT_NUMBER: Final = 999_999

_CHAT_ID: Final = re.compile(r"C([1-9][0-9]{0,5})")


def chat_number(text: str) -> int | None:
    """The n of `C<n>`, or None where the text is not a chat id."""
    found = _CHAT_ID.fullmatch(text)
    return int(found[1]) if found else None


def chat_id_of(number: int) -> ChatId:
    """`C<n>`."""
    return ChatId(f"C{number}")


class Evidence(IntEnum):
    """How good a room's claim to a chat id is; the smaller the better."""

    MARKER = 0
    ROW = 1
    """A legacy room whose rows agree with each other."""
    NAME = 2
    """A legacy room that has one of our own default names."""
    NONE = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """One chat room of an owner, and the chat id that it claims, if any."""

    room_id: RoomId
    created_ts: int
    chat_id: ChatId | None
    evidence: Evidence

    @property
    def seniority(self) -> tuple[int, RoomId]:
        """The room created first comes first; ties by room id."""
        return (self.created_ts, self.room_id)


@dataclass(frozen=True, slots=True)
class Numbering:
    """Who has which id, and which index is next."""

    chat_ids: dict[RoomId, ChatId]
    """A room that no number was left for is not among them."""
    next_chat_index: int
    """One more than `MAX_CHAT_NUMBER` when all are used."""


def settle(claims: Sequence[Claim], high_water: int) -> Numbering:
    """Give every room of one owner its chat id.

    A claim is kept by the best evidence, then by the room created first. Whoever is left takes
    the next free numbers in the order of creation, those whose marker claims another room's id
    last: until the marker is rewritten they lose anew in each run, and must get the same number
    when the others' is on record. No number below `high_water`, and none up to the highest one
    claimed, is ever given out anew.
    """
    holders: dict[ChatId, Claim] = {}
    losers: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: (claim.evidence, claim.seniority)):
        if claim.chat_id is None or claim.chat_id in holders:
            losers.append(claim)
        else:
            holders[claim.chat_id] = claim
    index = next_index((claim.chat_id for claim in claims if claim.chat_id), high_water)
    chat_ids = {claim.room_id: chat_id for chat_id, claim in holders.items()}
    for claim in sorted(
        losers, key=lambda loser: (loser.evidence is Evidence.MARKER, loser.seniority)
    ):
        if index <= MAX_CHAT_NUMBER:
            chat_ids[claim.room_id] = chat_id_of(index)
            index += 1
    return Numbering(chat_ids, index)


def next_index(chat_ids: Iterable[ChatId], high_water: int) -> int:
    """The first index above every given id, and not below the high-water mark."""
    return max((high_water, 1, *((chat_number(chat_id) or 0) + 1 for chat_id in chat_ids)))
