"""All rooms of one owner taken together: which Space, which chat id, which index is next. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from actors.classify import Chat, Conflict, ConflictReason, Space
from actors.model import ChatContext, ChatId, RoomId, RoomKind, RoomMeta, UserId, UserMeta
from actors.numbering import Claim, Evidence, Numbering, chat_number, next_index, settle
from actors.rows import PLATFORM_NAME
from actors.texts import Texts


@dataclass(frozen=True, slots=True)
class RoomReport:
    """What one room of an owner turned out to be."""

    room_id: RoomId
    created_ts: int
    verdict: Space | Chat | Conflict

    @property
    def seniority(self) -> tuple[int, RoomId]:
        """The room created first comes first; ties by room id."""
        return (self.created_ts, self.room_id)


@dataclass(frozen=True, slots=True)
class Identity:
    """What the cache must say about one room."""

    room: RoomMeta
    chat: ChatContext | None = None
    next_chat_index: int | None = None
    """For a Space: what its marker's high-water mark must at least be."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What the cache must say about one owner. `user` is None where they have no Space.

    `next_chat_index` is the user's, and known without one.
    """

    user: UserMeta | None
    next_chat_index: int
    identities: dict[RoomId, Identity]
    conflicts: dict[RoomId, Conflict] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """What was settled before, for rooms that have nothing new to report.

    `chats` are those whose room's row says the same; `doubtful` are the other ones: their numbers
    are taken, but they are no evidence of whose they are.
    """

    user: UserMeta | None = None
    chats: tuple[ChatContext, ...] = ()
    doubtful: tuple[ChatContext, ...] = ()


def settle_owner(
    owner: UserId, reports: Sequence[RoomReport], texts: Texts, known: Known = Known()
) -> Settlement:
    """Decide for all rooms that reported. Rooms in `known` keep what they have."""
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
    numbering = settle([*settled_before, *claims], _floor(reports, spaces, known))
    space_id = _space_of(spaces, known)
    identities: dict[RoomId, Identity] = {}
    for report in reports:
        if isinstance(report.verdict, Chat):
            chat_id = numbering.chat_ids[report.room_id]
            identities[report.room_id] = _chat(report.room_id, report.verdict, chat_id, texts)
        elif isinstance(report.verdict, Space) and report.room_id == space_id:
            index = numbering.next_chat_index
            identities[report.room_id] = _space(report.room_id, report.verdict, index)
    conflicts = {
        report.room_id: Conflict(ConflictReason.DUPLICATE_SPACE, f"older: {space_id}", owner)
        for report in spaces
        if report.room_id != space_id
    } | {
        room_id: Conflict(
            ConflictReason.CHAT_ID_CONTESTED, f"now {numbering.chat_ids[room_id]}", owner
        )
        for room_id in _contested(reports, numbering)
    }
    user = UserMeta(space_id, numbering.next_chat_index) if space_id else None
    return Settlement(user, numbering.next_chat_index, identities, conflicts)


def _claim(
    report: RoomReport, verdict: Chat, held: Collection[ChatId | None], own: ChatId | None
) -> Claim:
    """What a room claims; or the id it was given before, where another room has what it claims."""
    lost = own is not None and verdict.chat_id in held
    return Claim(
        report.room_id, report.created_ts, own if lost else verdict.chat_id, verdict.evidence
    )


def _contested(reports: Sequence[RoomReport], numbering: Numbering) -> list[RoomId]:
    """Rooms whose marker says another id than the one that they have now."""
    return [
        report.room_id
        for report in reports
        if isinstance(report.verdict, Chat)
        and report.verdict.evidence is Evidence.MARKER
        and report.verdict.chat_id != numbering.chat_ids[report.room_id]
    ]


def _space_of(spaces: Sequence[RoomReport], known: Known) -> RoomId | None:
    """The Space settled before, else the one created first."""
    before = known.user.space_id if known.user else None
    for report in spaces:
        if before is None or before in _replaced_by([report]):
            return report.room_id
    return before


def _replaced_by(reports: Sequence[RoomReport]) -> set[RoomId]:
    """The rooms that these were upgraded from."""
    return {
        room_id
        for report in reports
        if isinstance(report.verdict, Space | Chat)
        for room_id in report.verdict.replaces
    }


def _floor(reports: Sequence[RoomReport], spaces: Sequence[RoomReport], known: Known) -> int:
    """The high-water mark: the best of the markers', what was settled before, ids in conflict."""
    marks = [report.verdict.high_water for report in spaces if isinstance(report.verdict, Space)]
    if known.user is not None:
        marks.append(known.user.next_chat_index)
    marks.append(next_index((chat.chat_id for chat in known.doubtful), 1))
    marks += [report.verdict.floor for report in reports if isinstance(report.verdict, Conflict)]
    return max(marks, default=1)


def _space(room_id: RoomId, verdict: Space, next_chat_index: int) -> Identity:
    room = RoomMeta(RoomKind.SPACE, None, verdict.name, verdict.owner, room_id, None)
    return Identity(room, next_chat_index=next_chat_index)


def _chat(room_id: RoomId, verdict: Chat, chat_id: ChatId, texts: Texts) -> Identity:
    owner, space_id = verdict.owner, verdict.space_id
    name = verdict.name or texts.chat_name.format(number=chat_number(chat_id))
    return Identity(
        RoomMeta(RoomKind.CHAT, chat_id, name, owner, space_id, verdict.platform_chat_id),
        ChatContext(owner, chat_id, PLATFORM_NAME, room_id, name, verdict.archived),
    )
