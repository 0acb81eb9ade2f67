"""Chat ids: what is one, who keeps a contested one, which is the next. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
    ABSENT = 1
    """Rows of a room that we are not in, or that can't be decided. It can only keep its id."""
    ROW = 2
    """A legacy room whose rows do not contradict each other."""
    NAME = 3
    """A legacy room that has one of our own default names."""
    NONE = 4


@dataclass(frozen=True, slots=True)
class Claim:
    """One chat room of an owner, and the chat id that it claims, if any.

    `by_name` is what its name claims, for a room whose rows claim more.
    """

    room_id: RoomId
    created_ts: int
    chat_id: ChatId | None
    evidence: Evidence
    by_name: ChatId | None = None

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

    A claim is kept by the best evidence, then by the room created first. Whoever is left takes the
    next free number: none below `high_water`, and none up to the highest one claimed, is ever given
    out anew. Where all rows say what a numbering without any rows gives, some of those rows are
    lost, and whoever is left gets what that numbering gives them.
    """
    from_nothing = [_without_rows(claim) for claim in claims if claim.evidence != Evidence.ABSENT]
    before = _settle(from_nothing, high_water, {}).chat_ids
    by_row = [claim for claim in claims if claim.evidence is Evidence.ROW]
    rows_agree = all(before.get(claim.room_id) == claim.chat_id for claim in by_row)
    return _settle(claims, high_water, before if rows_agree else {})


def _without_rows(claim: Claim) -> Claim:
    if claim.evidence is not Evidence.ROW:
        return claim
    evidence = Evidence.NAME if claim.by_name else Evidence.NONE
    return replace(claim, chat_id=claim.by_name, evidence=evidence)


def _settle(
    claims: Sequence[Claim], high_water: int, preferred: Mapping[RoomId, ChatId]
) -> Numbering:
    """The others take the numbers that they prefer, or the next free ones, in order of creation.

    Those whose marker claims another room's id come last: until the marker is rewritten they lose
    anew in each run, and must get the same number when the others' is on record.
    """
    holders: dict[ChatId, RoomId] = {}
    outranked: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: (claim.evidence, claim.seniority)):
        if claim.chat_id is not None and claim.chat_id not in holders:
            holders[claim.chat_id] = claim.room_id
        elif claim.evidence is not Evidence.ABSENT:
            outranked.append(claim)
    outranked.sort(key=lambda claim: (claim.evidence is Evidence.MARKER, claim.seniority))
    unnumbered: list[Claim] = []
    for claim in outranked:
        chat_id = preferred.get(claim.room_id)
        if chat_id is not None and chat_id not in holders:
            holders[chat_id] = claim.room_id
        else:
            unnumbered.append(claim)
    first = next_index(holders, high_water)
    for claim, number in zip(unnumbered, range(first, MAX_CHAT_NUMBER + 1), strict=False):
        holders[chat_id_of(number)] = claim.room_id
    chat_ids = {room_id: chat_id for chat_id, room_id in holders.items()}
    return Numbering(chat_ids, next_index(holders, high_water))


def next_index(chat_ids: Iterable[ChatId], high_water: int) -> int:
    """The first index above every given id, and not below the high-water mark."""
    return max((high_water, 1, *((chat_number(chat_id) or 0) + 1 for chat_id in chat_ids)))
