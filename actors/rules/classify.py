"""What a joined room is, decided from its state. Pure.

The first of these decides: the bot's marker; the type `m.space` in `m.room.create`; a link between
a room that the bot created and a Space that it manages. Any other room is skipped, with a reason. A
room's name is never evidence of its kind. A room that can't be decided safely is a conflict, and no
row is written for it.
"""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from actors.model import (
    PAIR,
    ChatContext,
    ChatId,
    ChatSettings,
    Marker,
    Nonce,
    PlatformChatId,
    RoomId,
    RoomKind,
    RoomMeta,
    UserId,
)
from actors.rules.commands import display_name
from actors.rules.numbering import Evidence, chat_id_of, chat_number, next_index
from actors.rules.relations import RoomRelations
from actors.snapshots import RoomSnapshot
from actors.texts import number_in_default_name

_PLATFORM_CHATS: Final = uuid.UUID("5b0fd1b1-7f0a-5c3e-9d0b-6f2f0b6f8a11")


class SkipReason(StrEnum):
    """Why the bot does not manage a joined room."""

    DIRECT_CHAT = "direct_chat"
    """Another account created it, and it holds only the bot and at most one person."""
    NOT_CREATED_BY_US = "not_created_by_us"
    """Another account created it, and it holds more people."""
    UNLINKED = "unlinked"
    """The bot created it, but it is linked with no Space that the bot manages."""
    FOREIGN_SPACE = "foreign_space"
    """A Space that another account created."""
    REPLACED = "replaced"
    """It was upgraded: its replacement has taken over."""
    LEFT = "left"
    """The bot is not in it any more."""


class ConflictReason(StrEnum):
    """Why a room can't be decided safely."""

    MARKER_SPACE_MISMATCH = "marker_space_mismatch"
    """The bot does not manage the chat's Space or is not in it, or the Space has another owner."""
    MARKER_KIND_MISMATCH = "marker_kind_mismatch"
    """The marker says Space and the room is none, or the other way round."""
    MARKER_UNREADABLE = "marker_unreadable"
    """The bot's marker has a content that this version can't read."""
    OWNER_AMBIGUOUS = "owner_ambiguous"
    """Neither marker nor row names the Space's owner, and not exactly one person can be it."""
    DUPLICATE_SPACE = "duplicate_space"
    """Its owner has an older Space."""
    CHAT_ID_CONTESTED = "chat_id_contested"
    """An older room has the same chat id; this room was given another one."""
    NUMBERS_EXHAUSTED = "numbers_exhausted"
    """It has no chat id, and its owner has used the last number."""
    UNREADABLE = "unreadable"
    """The homeserver did not show the state of the room, or of a room that decides about it."""
    FAILED = "failed"
    """The room's actor failed; it will try again."""


_UNDECIDED: Final = (
    ConflictReason.MARKER_KIND_MISMATCH,
    ConflictReason.MARKER_UNREADABLE,
    ConflictReason.OWNER_AMBIGUOUS,
    ConflictReason.UNREADABLE,
)
"""The conflicts that leave a room's owner open."""


@dataclass(frozen=True, slots=True)
class Space:
    """A Space that the bot manages.

    `high_water` is the `next_chat_index` of its marker, 1 if there is none. `replaces` is explained
    at Chat.
    """

    owner: UserId
    name: str
    high_water: int
    intent: Nonce | None = None
    replaces: frozenset[RoomId] = frozenset()


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat that the bot manages. `chat_id` is its claim, and `evidence` supports the claim."""

    owner: UserId
    space_id: RoomId
    name: str
    chat_id: ChatId | None
    evidence: Evidence
    platform_chat_id: PlatformChatId
    backfilled: bool
    """True if no marker or row has the platform chat id, so that it was derived."""
    archived: bool
    linked: bool
    """True if its Space lists it."""
    intent: Nonce | None = None
    replaces: frozenset[RoomId] = frozenset()
    """The rooms that it was upgraded from, and a replacement that the bot has not joined."""
    outdated_links: frozenset[RoomId] = frozenset()
    """The rooms in `replaces` that its Space still lists."""
    by_name: ChatId | None = None
    """The chat id that its name claims, if it has no marker."""
    moved_settings: ChatSettings | None = None
    """The settings of the room that it was upgraded from, if it has none of its own."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A room that the bot does not manage."""

    reason: SkipReason


@dataclass(frozen=True, slots=True)
class Conflict:
    """A room that is left alone.

    If `owner` is known, no number below `floor` may be given out to that owner.
    """

    reason: ConflictReason
    detail: str = ""
    owner: UserId | None = None
    floor: int = 1


Verdict: TypeAlias = Space | Chat | Skipped | Conflict


@dataclass(frozen=True, slots=True)
class RoomRows:
    """What the cache holds about one room. It is evidence only for a room without a marker.

    `before` are the rows of the room that it replaces. They count if it has no rows itself.
    """

    room: RoomMeta | None = None
    chats: tuple[ChatContext, ...] = ()
    before: "RoomRows | None" = None

    @property
    def evidence(self) -> "RoomRows":
        """The rows that count: the room's own rows, or else those of the room before it."""
        return self if self.known or self.before is None else self.before

    @property
    def known(self) -> bool:
        """Whether the cache holds a row about the room itself."""
        return self.room is not None or bool(self.chats)

    def chat_id_for(self, owner: UserId) -> ChatId | None:
        """The chat id that the rows name, if they agree on it and on the owner."""
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
    if relations.unread_origin is not None:
        return Conflict(ConflictReason.UNREADABLE, f"the room before it, {relations.unread_origin}")
    if seen.is_space:
        return _unmarked_space(seen, relations, me)
    if relations.linked and (seen.creator == me or relations.origins):
        return _legacy(seen, relations, rows)
    return _unlinked(seen, relations, rows, me)


@dataclass(frozen=True, slots=True)
class PossibleOwners:
    """The people an undecided room may belong to. Nothing is created for them until it is decided.

    `complete` says that every member of the room is among them.
    """

    owners: frozenset[UserId]
    complete: bool


def possible_owners_of(
    verdict: Verdict, seen: RoomSnapshot, rows: RoomRows
) -> PossibleOwners | None:
    """The possible owners of a room with this verdict; None if the room is decided."""
    if not isinstance(verdict, Conflict) or verdict.reason not in _UNDECIDED:
        return None
    named = (verdict.owner, seen.possible_owner, rows.room and rows.room.matrix_user_id)
    owners = frozenset(owner for owner in (*named, *seen.others) if owner)
    return PossibleOwners(owners, complete=seen.member_count <= 1 + len(seen.others))


def platform_chat_id(
    seen: RoomSnapshot, marker: Marker | None, rows: RoomRows
) -> tuple[PlatformChatId, bool]:
    """The conversation's id, and whether it was derived from the room id."""
    stored = rows.evidence.room
    known = (marker and marker.platform_chat_id) or (stored and stored.platform_chat_id)
    return (known, False) if known else (derived_platform_chat_id(seen.room_id), True)


def derived_platform_chat_id(room_id: RoomId) -> PlatformChatId:
    """The conversation's id for a room without one: every rebuild derives the same id."""
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
    if space is None or space.owner != marker.owner:
        return _without_its_space(marker, relations)
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
        moved_settings=relations.inherited_settings,
    )


def _without_its_space(marker: Marker, relations: RoomRelations) -> Conflict:
    """The verdict on a chat whose Space is not known as one of its owner's."""
    space = relations.claimed_space
    if _is_in_doubt(marker.space_id, relations):
        return _undecided(ConflictReason.UNREADABLE, f"its Space {marker.space_id}", marker)
    if space is not None and space.owner is None:
        detail = f"of its Space {space.room_id}"
        return _undecided(ConflictReason.OWNER_AMBIGUOUS, detail, marker)
    detail = "not joined" if space is None else "of another owner"
    return _undecided(ConflictReason.MARKER_SPACE_MISMATCH, detail, marker)


def _is_in_doubt(space_id: RoomId | None, relations: RoomRelations) -> bool:
    """Whether a Space can't be read now, or a room decides about it that can't be read."""
    return space_id in relations.unreadable or space_id in relations.undecided_spaces


def _replaced_rooms(seen: RoomSnapshot, relations: RoomRelations) -> frozenset[RoomId]:
    if seen.tombstoned and seen.replacement:
        return relations.replaces | {seen.replacement}
    return relations.replaces


def _undecided(reason: ConflictReason, detail: str, marker: Marker) -> Conflict:
    """A conflict that takes only the owner and the used numbers from the marker."""
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
    """The verdict on a room without marker and link. Its row may still name a Space."""
    row = rows.room
    if row is not None and _is_in_doubt(row.space_id, relations):
        return Conflict(ConflictReason.UNREADABLE, f"its Space {row.space_id}")
    if row is not None and seen.creator == me and row.space_id not in relations.spaces:
        return _without_space(row, rows)
    return Skipped(_skip_reason(seen, me))


def _legacy(seen: RoomSnapshot, relations: RoomRelations, rows: RoomRows) -> Verdict:
    owners = {space.owner for space in relations.linked}
    owner = owners.pop()
    if owners or owner is None:
        return _of_no_owner(relations)
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
        moved_settings=relations.inherited_settings,
    )


def _of_no_owner(relations: RoomRelations) -> Conflict:
    """The verdict on an unmarked room whose Spaces name no owner, or several."""
    in_doubt = [it.room_id for it in relations.linked if _is_in_doubt(it.room_id, relations)]
    if in_doubt:
        return Conflict(ConflictReason.UNREADABLE, f"its Space {in_doubt[0]}")
    return Conflict(ConflictReason.OWNER_AMBIGUOUS)


def _without_space(room: RoomMeta, rows: RoomRows) -> Verdict:
    """The verdict on an unmarked room with rows that name a Space which the bot is not in."""
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
