"""Chat ids: their form, which room keeps a contested one, and the next free one. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from actors.model import ChatId, RoomId

MAX_CHAT_NUMBER: Final = 999_999

_CHAT_ID: Final = re.compile(r"C([1-9][0-9]{0,5})")


def chat_number(text: str) -> int | None:
    """The n of `C<n>`; None for a text that is no chat id."""
    found = _CHAT_ID.fullmatch(text)
    return int(found[1]) if found else None


def chat_id_of(number: int) -> ChatId:
    """`C<n>`."""
    return ChatId(f"C{number}")


def order_of(chat_id: str | None) -> str:
    """A chat's place in its Space, which clients compare as text; empty for no chat id."""
    number = chat_number(chat_id or "")
    return "" if number is None else f"{number:0{len(str(MAX_CHAT_NUMBER))}d}"


class Evidence(IntEnum):
    """The evidence for a room's claim to a chat id. A smaller value is better evidence."""

    MARKER = 0
    """The room's marker names the chat id."""
    ABSENT = 1
    """Rows of a room that the bot is not in, or that is in conflict. It keeps its id or none."""
    ROW = 2
    """The rows of a legacy room, if they agree with each other."""
    NAME = 3
    """The name of a legacy room, if it is a default name of the bot."""
    NONE = 4
    """Nothing: the room claims no chat id."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One chat of an owner, and the chat id that it claims, if any.

    `by_name` is the chat id that its name claims, also if its rows claim another one.
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
    """The chat id of each room, and the next index."""

    chat_ids: dict[RoomId, ChatId]
    """A room is missing here if no number was left for it."""
    next_chat_index: int
    """`MAX_CHAT_NUMBER + 1` when all numbers are used."""


def settle(claims: Sequence[Claim], high_water: int) -> Numbering:
    """Give every chat of one owner its chat id.

    A contested chat id goes to the room with the best evidence, and among equals to the room
    created first. Every other room takes the next free number. No number below `high_water`, and
    none up to the highest claimed number, is given out anew.

    There is one exception. If every row claims just what a numbering without any rows gives, the
    rows come from such a numbering, and some of them are lost. Then the other rooms get the numbers
    that this numbering gives them.
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
    """Settle all claims. A room that lost its claim takes its preferred id, or the next free one.

    These rooms are served in order of creation, but rooms with a marker come last. Until upkeep has
    rewritten the marker, such a room loses its claim again in every run, and must get the same
    number each time: after the others, because their new numbers are stored by then.
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
    """The first index above every given id that is not below the high-water mark."""
    return max((high_water, 1, *((chat_number(chat_id) or 0) + 1 for chat_id in chat_ids)))
