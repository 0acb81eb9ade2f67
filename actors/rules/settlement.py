"""Settles all rooms of one owner: the Space, the chat ids, the next index, the rows. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from actors.model import ChatContext, ChatId, RoomId, RoomKind, RoomMeta, UserId, UserMeta
from actors.rows import PLATFORM_NAME, chat_key, room_key, to_row
from actors.rules.classify import Chat, Conflict, ConflictReason, RoomRows, Space
from actors.rules.numbering import Claim, Evidence, Numbering, chat_number, next_index, settle
from actors.texts import Texts
from actors.writes import DeleteRow, PutRow, Write


@dataclass(frozen=True, slots=True)
class RoomReport:
    """The verdict on one room of an owner. `founded_ts` is that of RoomRelations.

    `change` is the number of the latest change that the verdict covers, see `actors.dirty`.
    """

    room_id: RoomId
    founded_ts: int
    verdict: Space | Chat | Conflict
    change: int | None = None

    @property
    def seniority(self) -> tuple[int, RoomId]:
        """The room created first comes first; ties by room id."""
        return (self.founded_ts, self.room_id)


@dataclass(frozen=True, slots=True)
class DesiredRows:
    """The rows that the cache must hold about one room."""

    room: RoomMeta
    chat: ChatContext | None = None
    next_chat_index: int | None = None
    """For a Space: the least high-water mark that its marker must have."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the cache must say about one owner and the owner's rooms.

    `user` is None for an owner without a Space. `next_chat_index` is known for such an owner, too.
    """

    user: UserMeta | None
    next_chat_index: int
    desired: dict[RoomId, DesiredRows]
    conflicts: dict[RoomId, Conflict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnerRows:
    """What the cache holds about one owner, for the rooms that do not report now.

    `chats` are the chats that their room's row confirms. `doubtful` are the other chats: their
    numbers are used, but they do not prove the owner. `undecided` are chats of rooms that the bot
    is not in, or that are in conflict: they keep their numbers unless a marker says otherwise.
    `space_ts` is when the user's Space was founded, given only if another Space may be older.
    Numbers below `first_free` were given out before the owner's Space was lost.
    """

    user: UserMeta | None = None
    chats: tuple[ChatContext, ...] = ()
    doubtful: tuple[ChatContext, ...] = ()
    undecided: tuple[ChatContext, ...] = ()
    space_ts: int | None = None
    first_free: int = 1


def settle_owner(
    owner: UserId, reports: Sequence[RoomReport], texts: Texts, known: OwnerRows = OwnerRows()
) -> Settlement:
    """Settle the rooms that report now. The chats in `known.chats` keep their numbers."""
    spaces = sorted(
        (report for report in reports if isinstance(report.verdict, Space)),
        key=lambda report: report.seniority,
    )
    reported = {report.room_id for report in reports} | _replaced_by(reports)
    settled_before = [
        Claim(chat.surface_ref, -1, chat.chat_id, Evidence.MARKER)
        for chat in known.chats
        if chat.surface_ref not in reported
    ]
    held = {claim.chat_id for claim in settled_before}
    own = {chat.surface_ref: chat.chat_id for chat in known.chats}
    claims = [
        _claim(report, report.verdict, held, own.get(report.room_id))
        for report in reports
        if isinstance(report.verdict, Chat)
    ]
    kept = _kept(known, reported, max(_marks(spaces), default=1))
    numbering = settle([*settled_before, *kept, *claims], _floor(reports, spaces, known))
    space_id = _space_of(spaces, known)
    desired: dict[RoomId, DesiredRows] = {}
    conflicts: dict[RoomId, Conflict] = {}
    for report in reports:
        outcome = _outcome(report, numbering, space_id, texts)
        if isinstance(outcome, DesiredRows):
            desired[report.room_id] = outcome
        conflict = outcome if isinstance(outcome, Conflict) else _contested(report, numbering)
        if conflict is not None:
            conflicts[report.room_id] = replace(conflict, owner=owner)
    user = UserMeta(space_id, numbering.next_chat_index) if space_id else None
    return Settlement(user, numbering.next_chat_index, desired, conflicts)


def _outcome(
    report: RoomReport, numbering: Numbering, space_id: RoomId | None, texts: Texts
) -> DesiredRows | Conflict | None:
    """What is settled for one room; None for a room that reports a conflict."""
    room_id, verdict = report.room_id, report.verdict
    match verdict:
        case Chat():
            chat_id = numbering.chat_ids.get(room_id)
            if chat_id is None:
                return Conflict(ConflictReason.NUMBERS_EXHAUSTED)
            return _chat(room_id, verdict, chat_id, texts)
        case Space() if room_id == space_id:
            return _space(room_id, verdict, numbering.next_chat_index)
        case Space():
            return Conflict(ConflictReason.DUPLICATE_SPACE, f"older: {space_id}")
        case Conflict():
            return None
        case _:
            assert_never(verdict)


def _contested(report: RoomReport, numbering: Numbering) -> Conflict | None:
    """The conflict of a chat that got another number than its marker says, if it did."""
    verdict = report.verdict
    if not isinstance(verdict, Chat) or verdict.evidence is not Evidence.MARKER:
        return None
    chat_id = numbering.chat_ids[report.room_id]
    if chat_id == verdict.chat_id:
        return None
    return Conflict(ConflictReason.CHAT_ID_CONTESTED, f"now {chat_id}")


def _claim(
    report: RoomReport, verdict: Chat, held: Collection[ChatId | None], own: ChatId | None
) -> Claim:
    """A room's claim. If another room holds the claimed id, the room claims its stored id."""
    lost = own is not None and verdict.chat_id in held
    chat_id = own if lost else verdict.chat_id
    return Claim(report.room_id, report.founded_ts, chat_id, verdict.evidence, verdict.by_name)


def _kept(known: OwnerRows, reported: Collection[RoomId], high_water: int) -> list[Claim]:
    """The claims of undecided rooms.

    A number at or above the Space's high-water mark does not count: the mark is raised before a
    number is given out. A mark of 1 says nothing.
    """
    return [
        Claim(chat.surface_ref, -1, chat.chat_id, Evidence.ABSENT)
        for chat in known.undecided
        if chat.surface_ref not in reported
        and (high_water == 1 or next_index([chat.chat_id], 1) <= high_water)
    ]


def _marks(spaces: Sequence[RoomReport]) -> list[int]:
    return [report.verdict.high_water for report in spaces if isinstance(report.verdict, Space)]


def _space_of(spaces: Sequence[RoomReport], known: OwnerRows) -> RoomId | None:
    """The owner's Space: the stored one, unless a reported one replaces it or is older.

    Without a stored Space, it is the reported one that was created first.
    """
    before = known.user.space_id if known.user else None
    for report in spaces:
        if before is None or before in _replaced_by([report]):
            return report.room_id
        if known.space_ts is not None and report.seniority < (known.space_ts, before):
            return report.room_id
    return before


def _replaced_by(reports: Sequence[RoomReport]) -> set[RoomId]:
    """The rooms that the reported rooms replace."""
    return {
        room_id
        for report in reports
        if isinstance(report.verdict, Space | Chat)
        for room_id in report.verdict.replaces
    }


def _floor(reports: Sequence[RoomReport], spaces: Sequence[RoomReport], known: OwnerRows) -> int:
    """The high-water mark: the highest of all marks, stored indexes, and ids in conflict."""
    marks = _marks(spaces)
    marks.append(known.first_free)
    if known.user is not None:
        marks.append(known.user.next_chat_index)
    marks.append(next_index((chat.chat_id for chat in known.doubtful), 1))
    marks += [report.verdict.floor for report in reports if isinstance(report.verdict, Conflict)]
    return max(marks, default=1)


def _space(room_id: RoomId, verdict: Space, next_chat_index: int) -> DesiredRows:
    room = RoomMeta(RoomKind.SPACE, None, verdict.name, verdict.owner, room_id, None)
    return DesiredRows(room, next_chat_index=next_chat_index)


def _chat(room_id: RoomId, verdict: Chat, chat_id: ChatId, texts: Texts) -> DesiredRows:
    owner, space_id = verdict.owner, verdict.space_id
    name = verdict.name or texts.chat_name.format(number=chat_number(chat_id))
    return DesiredRows(
        RoomMeta(RoomKind.CHAT, chat_id, name, owner, space_id, verdict.platform_chat_id),
        ChatContext(owner, chat_id, PLATFORM_NAME, room_id, name, verdict.archived),
    )


def repairs_for(room_id: RoomId, rows: RoomRows, desired: DesiredRows) -> tuple[list[Write], int]:
    """The writes that bring a room's rows in line, and the number of stale rows they remove."""
    writes: list[Write] = []
    stale = 0
    if rows.room != desired.room:
        writes.append(PutRow(room_key(room_id), to_row(desired.room)))
    wanted = desired.chat
    for chat in rows.chats:
        same_key = wanted and (chat.user_id, chat.chat_id) == (wanted.user_id, wanted.chat_id)
        if not same_key:
            writes.append(DeleteRow(chat_key(chat.user_id, chat.chat_id), room_id))
            stale += 1
    if wanted is not None and wanted not in rows.chats:
        writes.append(PutRow(chat_key(wanted.user_id, wanted.chat_id), to_row(wanted)))
    return writes, stale


def rows_of(desired: DesiredRows) -> RoomRows:
    """The rows that the cache holds once they are as desired."""
    return RoomRows(desired.room, (desired.chat,) if desired.chat else ())


def drift_of(rows: RoomRows) -> str:
    """The reason for a room's drift, for the journal."""
    return "rows differ from the room" if rows.room or rows.chats else "no rows for the room"
