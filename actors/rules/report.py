"""The reconciliation report: restored, repaired, skipped and conflicting rooms."""

from dataclasses import dataclass, field
from typing import TypedDict

from actors.model import RoomId


class RoomNote(TypedDict):
    """One room, with the reason code and the detail for which it is listed."""

    room_id: str
    reason: str
    detail: str


class RoomChange(TypedDict):
    """One room whose rows were written, and how: `restored` or `repaired`."""

    room_id: str
    outcome: str
    chat_id: str | None
    owner: str


class ReconcileReport(TypedDict):
    """The report of one reconciliation. Every value is a count, except for the lists.

    The first eight keys are a contract with programs that read the report.
    """

    joined_rooms: int
    restored_user_meta: int
    restored_room_meta: int
    restored_chat_rows: int
    repaired_chat_rows: int
    backfilled_platform_chat_ids: int
    skipped_rooms: list[RoomNote]
    conflicts: list[RoomNote]
    repaired_user_meta: int
    repaired_room_meta: int
    removed_rows: int
    already_right: int
    """Managed rooms with rows that needed no write."""
    changed_rooms: list[RoomChange]
    changes: int
    """The number of rows that were written or removed."""


@dataclass(slots=True)
class Tally:
    """The counts of a running round, from which the report is made."""

    joined_rooms: int = 0
    restored_user_meta: int = 0
    repaired_user_meta: int = 0
    restored_room_meta: int = 0
    repaired_room_meta: int = 0
    restored_chat_rows: int = 0
    repaired_chat_rows: int = 0
    backfilled_platform_chat_ids: int = 0
    removed_rows: int = 0
    already_right: int = 0
    skipped: dict[RoomId, RoomNote] = field(default_factory=dict)
    conflicts: dict[RoomId, RoomNote] = field(default_factory=dict)
    changed: dict[RoomId, RoomChange] = field(default_factory=dict)

    def skip(self, room_id: RoomId, reason: str, detail: str = "") -> None:
        """List a room as skipped."""
        self.skipped[room_id] = RoomNote(room_id=room_id, reason=reason, detail=detail)

    def conflict(self, room_id: RoomId, reason: str, detail: str = "") -> None:
        """List a room as being in conflict."""
        self.conflicts[room_id] = RoomNote(room_id=room_id, reason=reason, detail=detail)

    def report(self) -> ReconcileReport:
        """The finished report, with its lists in the order of room ids."""
        return ReconcileReport(
            joined_rooms=self.joined_rooms,
            restored_user_meta=self.restored_user_meta,
            restored_room_meta=self.restored_room_meta,
            restored_chat_rows=self.restored_chat_rows,
            repaired_chat_rows=self.repaired_chat_rows,
            backfilled_platform_chat_ids=self.backfilled_platform_chat_ids,
            skipped_rooms=[self.skipped[key] for key in sorted(self.skipped)],
            conflicts=[self.conflicts[key] for key in sorted(self.conflicts)],
            repaired_user_meta=self.repaired_user_meta,
            repaired_room_meta=self.repaired_room_meta,
            removed_rows=self.removed_rows,
            already_right=self.already_right,
            changed_rooms=[self.changed[key] for key in sorted(self.changed)],
            changes=self._changes(),
        )

    def _changes(self) -> int:
        return (
            self.restored_user_meta
            + self.repaired_user_meta
            + self.restored_room_meta
            + self.repaired_room_meta
            + self.restored_chat_rows
            + self.repaired_chat_rows
            + self.removed_rows
        )
