"""What a joined room is, decided from its state. Pure.

In this order: our marker; `m.room.create` of type `m.space`; a room of ours that is linked with a
Space of ours; anything else is skipped with a reason. A name is never evidence of kind. What can't
be decided safely is a conflict, and nothing is written for it.
"""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from actors.model import (
    PAIR,
    ChatContext,
    ChatId,
    Marker,
    Nonce,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    RoomSnapshot,
    UserId,
)
from actors.rules.commands import display_name
from actors.rules.numbering import Evidence, chat_id_of, chat_number, next_index
from actors.rules.relations import RoomRelations
from actors.texts import number_in_default_name

_PLATFORM_CHATS: Final = uuid.UUID("5b0fd1b1-7f0a-5c3e-9d0b-6f2f0b6f8a11")


class SkipReason(StrEnum):
    """Why a joined room is none of ours to manage."""

    DIRECT_CHAT = "direct_chat"
    """Somebody else made it, and nobody but them and us is in it."""
    NOT_CREATED_BY_US = "not_created_by_us"
    UNLINKED = "unlinked"
    """We created it, but no Space of ours is linked with it."""
    FOREIGN_SPACE = "foreign_space"
    """A Space that somebody else created."""
    REPLACED = "replaced"
    """Upgraded: its replacement carries on."""
    LEFT = "left"


class ConflictReason(StrEnum):
    """Why it can't be decided safely what a room is."""

    MARKER_SPACE_MISMATCH = "marker_space_mismatch"
    """The chat's Space is not one of ours, not joined, or of another owner."""
    MARKER_KIND_MISMATCH = "marker_kind_mismatch"
    """The marker says Space and the room isn't one, or the other way round."""
    MARKER_UNREADABLE = "marker_unreadable"
    """Our own marker has a content that this version can't read."""
    OWNER_AMBIGUOUS = "owner_ambiguous"
    """No marker or row names the Space's owner, and there are none or several to choose from."""
    DUPLICATE_SPACE = "duplicate_space"
    """Its owner has an older Space."""
    CHAT_ID_CONTESTED = "chat_id_contested"
    """An older room has the same chat id; this one was given the next free one."""
    NUMBERS_EXHAUSTED = "numbers_exhausted"
    """It has no number, and its owner has used the last one."""
    UNREADABLE = "unreadable"
    """The homeserver would not tell the room's state, or its Space's."""
    FAILED = "failed"
    """Handling the room raised; it will be tried again."""


_UNDECIDED: Final = (
    ConflictReason.MARKER_KIND_MISMATCH,
    ConflictReason.MARKER_UNREADABLE,
    ConflictReason.OWNER_AMBIGUOUS,
    ConflictReason.UNREADABLE,
)
"""What leaves open whose Space or chat a room is."""


@dataclass(frozen=True, slots=True)
class Space:
    """A Space of ours. `high_water` is its marker's `next_chat_index`, 1 where there is none.

    `replaces` are the rooms whose place it takes, see Chat.
    """

    owner: UserId
    name: str
    high_water: int
    intent: Nonce | None = None
    replaces: frozenset[RoomId] = frozenset()


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat of ours. `chat_id` is what it claims, `evidence` why."""

    owner: UserId
    space_id: RoomId
    name: str
    chat_id: ChatId | None
    evidence: Evidence
    platform_chat_id: PlatformChatId
    backfilled: bool
    """Neither a marker nor a row had the platform chat id; it was derived."""
    archived: bool
    linked: bool
    """Its Space lists it."""
    intent: Nonce | None = None
    replaces: frozenset[RoomId] = frozenset()
    """The rooms that it was upgraded from, and the one that it was upgraded to without us."""
    outdated_links: frozenset[RoomId] = frozenset()
    """Those of them that its Space still lists."""
    by_name: ChatId | None = None
    """What its name claims, where it has no marker."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not ours to manage."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Conflict:
    """Left alone. No index below `floor` may be given out to `owner`: the marker says so."""

    reason: ConflictReason
    detail: str = ""
    owner: UserId | None = None
    floor: int = 1


Verdict: TypeAlias = Space | Chat | Skipped | Conflict


@dataclass(frozen=True, slots=True)
class RoomRows:
    """What the cache holds about one room: evidence for rooms without a marker, nothing more.

    `before` is about the room that it replaces, and counts where there is nothing about itself.
    """

    room: RoomMeta | None = None
    chats: tuple[ChatContext, ...] = ()
    before: "RoomRows | None" = None

    @property
    def evidence(self) -> "RoomRows":
        """The rows that say what the room was."""
        return self if self.known or self.before is None else self.before

    @property
    def known(self) -> bool:
        """Whether there are any rows about the room itself."""
        return self.room is not None or bool(self.chats)

    def chat_id_for(self, owner: UserId) -> ChatId | None:
        """The chat id that the rows say, as far as they are there, if they agree."""
        said = {(chat.user_id, chat.chat_id) for chat in self.chats}
        if self.room is not None:
            said.add((self.room.matrix_user_id, self.room.chat_id or ChatId("")))
        if len(said) != 1 or len(self.chats) > 1:
            return None
        ((whose, chat_id),) = said
        return chat_id if whose == owner and chat_number(chat_id) is not None else None


def classify(seen: RoomSnapshot, relations: RoomRelations, rows: RoomRows, me: UserId) -> Verdict:
    """Decide what a room is."""
    if relations.replaced_by is not None:
        return Skipped(SkipReason.REPLACED)
    if seen.tombstoned and seen.replacement in relations.unreadable:
        return Conflict(ConflictReason.UNREADABLE, f"its replacement {seen.replacement}")
    if seen.marker_fault is not None:
        return Conflict(ConflictReason.MARKER_UNREADABLE, seen.marker_fault)
    marker = seen.marker or relations.inherited
    if marker is not None:
        return _marked(seen, marker, relations, rows)
    if seen.predecessor in relations.unreadable:
        return Conflict(ConflictReason.UNREADABLE, f"the room before it, {seen.predecessor}")
    if seen.is_space:
        return _unmarked_space(seen, relations, me)
    if relations.linked and (seen.creator == me or relations.origins):
        return _legacy(seen, relations, rows)
    return _unlinked(seen, relations, rows, me)


@dataclass(frozen=True, slots=True)
class PossibleOwners:
    """Whose an undecided room may be: for them nothing is made that it may already be.

    `complete` says that everybody in the room is among them.
    """

    owners: frozenset[UserId]
    complete: bool


def possible_owners_of(
    verdict: Verdict, seen: RoomSnapshot, rows: RoomRows
) -> PossibleOwners | None:
    """Whom it concerns that this room is undecided; None when it is decided."""
    if not isinstance(verdict, Conflict) or verdict.reason not in _UNDECIDED:
        return None
    named = (verdict.owner, seen.possible_owner, rows.room and rows.room.matrix_user_id)
    owners = frozenset(owner for owner in (*named, *seen.others) if owner)
    return PossibleOwners(owners, complete=seen.member_count <= 1 + len(seen.others))


def platform_chat_id(
    seen: RoomSnapshot, marker: Marker | None, rows: RoomRows
) -> tuple[PlatformChatId, bool]:
    """The conversation's id, and whether it had to be derived from the room id."""
    stored = rows.evidence.room
    known = (marker and marker.platform_chat_id) or (stored and stored.platform_chat_id)
    return (known, False) if known else (derived_platform_chat_id(seen.room_id), True)


def derived_platform_chat_id(room_id: RoomId) -> PlatformChatId:
    """The conversation's id where nobody has written one down: the same in every rebuild."""
    return PlatformChatId(str(uuid.uuid5(_PLATFORM_CHATS, room_id)))


def _marked(
    seen: RoomSnapshot, marker: Marker, relations: RoomRelations, rows: RoomRows
) -> Verdict:
    if seen.is_space != (marker.kind is RoomKind.SPACE):
        return _undecided(ConflictReason.MARKER_KIND_MISMATCH, marker.kind, marker)
    if marker.kind is RoomKind.SPACE:
        high_water = marker.next_chat_index or 1
        return Space(
            marker.owner, _name(seen), high_water, marker.intent, _replaced_rooms(seen, relations)
        )
    space = relations.claimed_space
    if space is None and marker.space_id in relations.unreadable:
        return _undecided(ConflictReason.UNREADABLE, f"its Space {marker.space_id}", marker)
    if space is not None and space.owner is None:
        detail = f"of its Space {space.room_id}"
        return _undecided(ConflictReason.OWNER_AMBIGUOUS, detail, marker)
    if space is None or space.owner != marker.owner:
        detail = "not joined" if space is None else "of another owner"
        return _undecided(ConflictReason.MARKER_SPACE_MISMATCH, detail, marker)
    conversation, backfilled = platform_chat_id(seen, marker, rows)
    return Chat(
        owner=marker.owner,
        space_id=space.room_id,
        name=_name(seen),
        chat_id=marker.chat_id,
        evidence=Evidence.MARKER if marker.chat_id else Evidence.NONE,
        platform_chat_id=conversation,
        backfilled=backfilled,
        archived=marker.archived,
        linked=seen.room_id in space.children,
        intent=marker.intent,
        replaces=_replaced_rooms(seen, relations),
        outdated_links=relations.replaces & space.children,
    )


def _replaced_rooms(seen: RoomSnapshot, relations: RoomRelations) -> frozenset[RoomId]:
    unreached = {seen.replacement} if seen.tombstoned and seen.replacement else set()
    return relations.replaces | unreached


def _undecided(reason: ConflictReason, detail: str, marker: Marker) -> Conflict:
    """Nothing is believed of the marker but whose it is and which numbers are taken."""
    claimed = [marker.chat_id] if marker.chat_id else []
    return Conflict(reason, detail, marker.owner, next_index(claimed, marker.next_chat_index or 1))


def _unmarked_space(seen: RoomSnapshot, relations: RoomRelations, me: UserId) -> Verdict:
    if seen.creator != me and not relations.origins:
        return Skipped(SkipReason.FOREIGN_SPACE)
    if relations.own_space is None or relations.own_space.owner is None:
        return Conflict(ConflictReason.OWNER_AMBIGUOUS)
    return Space(
        relations.own_space.owner, _name(seen), 1, replaces=_replaced_rooms(seen, relations)
    )


def _unlinked(seen: RoomSnapshot, relations: RoomRelations, rows: RoomRows, me: UserId) -> Verdict:
    """A room that nothing on the homeserver makes a chat; its row may name a Space all the same."""
    row = rows.room
    if row is not None and row.space_id in relations.unreadable:
        return Conflict(ConflictReason.UNREADABLE, f"its Space {row.space_id}")
    if row is not None and seen.creator == me and row.space_id not in relations.spaces:
        return _without_space(row, rows)
    return Skipped(_skip_reason(seen, me))


def _legacy(seen: RoomSnapshot, relations: RoomRelations, rows: RoomRows) -> Verdict:
    owners = {space.owner for space in relations.linked}
    owner = owners.pop()
    if owners or owner is None:
        return Conflict(ConflictReason.OWNER_AMBIGUOUS)
    number = number_in_default_name(seen.name or "")
    by_name = chat_id_of(number) if number else None
    by_rows = rows.evidence.chat_id_for(owner)
    chat_id = by_rows or by_name
    evidence = Evidence.ROW if by_rows else Evidence.NAME if by_name else Evidence.NONE
    conversation, backfilled = platform_chat_id((seen, *relations.origins)[-1], None, rows)
    children = frozenset().union(*(space.children for space in relations.linked))
    archived = any(chat.is_archived for chat in rows.evidence.chats)
    return Chat(
        owner=owner,
        space_id=relations.linked[0].room_id,
        name=_name(seen),
        chat_id=chat_id,
        evidence=evidence,
        platform_chat_id=conversation,
        backfilled=backfilled,
        archived=archived if chat_id else False,
        linked=seen.room_id in children,
        replaces=_replaced_rooms(seen, relations),
        outdated_links=relations.replaces & children,
        by_name=by_name,
    )


def _without_space(room: RoomMeta, rows: RoomRows) -> Verdict:
    """An unmarked room of ours that only its rows know as a chat, of a Space that we are not in."""
    owner = room.matrix_user_id
    chat_id = rows.chat_id_for(owner) if rows.chats else None
    if chat_id is None:
        return Skipped(SkipReason.UNLINKED)
    floor = next_index([chat_id], 1)
    return Conflict(ConflictReason.MARKER_SPACE_MISMATCH, "not joined", owner, floor)


def _skip_reason(seen: RoomSnapshot, me: UserId) -> SkipReason:
    if seen.tombstoned:
        return SkipReason.REPLACED
    if seen.creator == me:
        return SkipReason.UNLINKED
    return SkipReason.DIRECT_CHAT if seen.member_count <= PAIR else SkipReason.NOT_CREATED_BY_US


def _name(seen: RoomSnapshot) -> str:
    return display_name(seen.name or "")
