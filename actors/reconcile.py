"""One round of reconciliation, which brings the cache in line with the rooms that were read.

1. The round tells every room actor what was read of its room. Each room reports what it is.
2. The round tells every user actor what the owner's rooms have reported. Each user actor settles
   its owner's rows, and tells the rooms theirs.
3. Each room compares its rows and reports the writes.
4. The round commits all writes in one transaction.

The actors decide; the round only counts their reports.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from actors.messages import (
    OwnerComplete,
    OwnerSettled,
    RoomChanged,
    RoomChecked,
    RoomWritten,
    RowsRemoved,
    SnapshotTaken,
    room_address,
)
from actors.model import ChatContext, Intent, RoomId, UserId
from actors.port_errors import HomeserverUnavailable, PortError
from actors.ports import Hydration, StateStore
from actors.progress import Progress
from actors.rows import StoredRows, chat_key, chats_prefix, read_rows, room_key, user_key
from actors.rules.classify import (
    Chat,
    Conflict,
    ConflictReason,
    RoomRows,
    Skipped,
    SkipReason,
    Space,
    Verdict,
)
from actors.rules.relations import RoomGraph, room_graph
from actors.rules.report import ReconcileReport, RoomChange, Tally
from actors.rules.room_states import RoomTrigger
from actors.rules.settlement import RoomReport
from actors.runtime.letters import ActorCrashed, Address, Report
from actors.services import Services
from actors.writes import DeleteRow, JsonObject, NoteWholeRead, Write

_LOOK_EVERY_ROOMS: Final = 1_000
"""After so many rooms, the round may log how far it has come."""
_UNLINKED: Final = Skipped(SkipReason.UNLINKED)


class RoomsFail(Exception):
    """Many rooms fail the same way at once. The serving activity raises it, and ends."""


class ReconcileFailed(Exception):
    """The round could not finish; the text says why. Hydrate and try again."""


async def reconcile(
    hydration: Hydration,
    services: Services,
    changes: Mapping[RoomId, int] | None = None,
    *,
    at: float | None = None,
) -> ReconcileReport:
    """Bring the whole cache in line with a hydration. It writes nothing to the homeserver.

    `changes` are the dirty rooms before the hydration; with None, the marks stay as they are. `at`
    is the time of the hydration in seconds since the epoch, if the store is to remember it.
    """
    store, me = services.store, services.homeserver.me
    stored = read_rows(await store.rows(""))
    unreadable = hydration.unreadable or {}
    graph = room_graph(hydration.snapshots, stored.users, me, unreadable)
    round_ = Round(services, stored, graph, intents=await _open_intents(store))
    round_.tally.joined_rooms = len(hydration.snapshots) + len(unreadable)
    for room_id, reason in unreadable.items():
        round_.tally.conflict(room_id, ConflictReason.UNREADABLE, reason)
        services.system.set_aside(room_address(room_id), HomeserverUnavailable(reason))
    await round_.run(graph.rooms)
    services.registry.upgrades.all_known = True
    round_.sweep(unreadable)
    if changes is not None:
        round_.mark(changes)
    await round_.commit([] if at is None else [NoteWholeRead(at)])
    return round_.tally.report()


async def reconcile_some(
    graph: RoomGraph,
    rooms: Collection[RoomId],
    services: Services,
    changes: Mapping[RoomId, int] | None = None,
) -> ReconcileReport:
    """Bring the rows of some rooms in line. The rows of their owners' other rooms are kept.

    The rooms that they replace take part as well. `changes` are those among them that were dirty
    before they were read; with None, the marks stay as they are, and no other room is told.
    """
    replaced = (before for before, heir in graph.heirs.items() if heir in rooms)
    taking_part = sorted({*rooms, *replaced})
    store = services.store
    stored, intents = await _rows_about(taking_part, graph, store), await _open_intents(store)
    round_ = Round(services, stored, graph, intents=intents, partial=True)
    round_.tally.joined_rooms = len(rooms)
    await round_.run(taking_part)
    affected = sorted(round_.affected.difference(taking_part))
    if changes is not None:
        round_.mark(changes, affected)
    await round_.commit()
    for room_id in affected if changes is not None else ():
        services.tell_room(room_id, RoomChanged())
    return round_.tally.report()


async def _rows_about(rooms: Collection[RoomId], graph: RoomGraph, store: StateStore) -> StoredRows:
    """The rows of some rooms and of their owners, without reading all rows."""
    found: dict[str, JsonObject | None] = {}
    for room_id in rooms:
        row = await store.row(room_key(room_id))
        if row is not None:
            found[room_key(room_id)] = row
    owners = {room.matrix_user_id for room in read_rows(found).rooms.values()}
    for owner in owners | {space.owner for space in graph.spaces.values() if space.owner}:
        row = await store.row(user_key(owner))
        if row is not None:
            found[user_key(owner)] = row
        found |= await store.rows(chats_prefix(owner))
    return read_rows(found)


async def _open_intents(store: StateStore) -> dict[UserId, tuple[Intent, ...]]:
    return {owner: await store.open_intents(owner) for owner in await store.intent_owners()}


@dataclass(slots=True)
class Round:
    """The state of one round. With `partial`, rooms that don't take part keep their rows."""

    services: Services
    stored: StoredRows
    graph: RoomGraph
    intents: Mapping[UserId, tuple[Intent, ...]]
    partial: bool = False
    tally: Tally = field(default_factory=Tally)
    owners: dict[UserId, list[RoomReport]] = field(default_factory=dict)
    """The reports of each owner's rooms."""
    written: set[str] = field(default_factory=set)
    """Keys of the rows that are right, or are written by this round."""
    affected: set[RoomId] = field(default_factory=set)
    """The rooms that the changes of rooms in a partial round may affect."""
    _writes: list[Write] = field(default_factory=list)
    _repaired: dict[RoomId, int] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)
    """Keys of the chat rows and the unreadable rows that the cache held before."""
    _failure: Exception | None = None
    _progress: Progress | None = None
    _unchecked: set[RoomId] = field(default_factory=set)
    _unsettled: set[UserId] = field(default_factory=set)
    _unwritten: set[RoomId] = field(default_factory=set)
    _verdicts: dict[RoomId, Verdict] = field(default_factory=dict)

    async def run(self, rooms: Collection[RoomId]) -> None:
        """Tell the rooms what was read of them, and wait until all have reported their writes.

        Raises the PortError that an actor failed with, or ReconcileFailed after another failure
        of a user actor and after a timeout.
        """
        self._keys = set(self.stored.garbage)
        for chats in self.stored.chats.values():
            self._keys.update(chat_key(chat.user_id, chat.chat_id) for chat in chats)
        self._unchecked = set(rooms)
        if rooms:
            self._progress = Progress("checking_rooms", len(rooms))
            await self._ask(rooms)
        if isinstance(self._failure, PortError):
            raise self._failure
        if self._failure is not None:
            raise ReconcileFailed(str(self._failure)) from self._failure

    async def _ask(self, rooms: Collection[RoomId]) -> None:
        within_s = self.services.bounds.round_within(len(rooms))
        snapshots = ((room_address(room_id), self._snapshot(room_id)) for room_id in rooms)
        try:
            await self.services.system.ask(snapshots, self._on_report, within_s)
        except TimeoutError as error:
            silent = sorted({*self._unchecked, *self._unsettled, *self._unwritten})
            some = ", ".join(silent[:3])
            raise ReconcileFailed(f"no answer within {within_s:g} s: {some}") from error

    def _snapshot(self, room_id: RoomId) -> SnapshotTaken:
        seen = self.graph.rooms[room_id]
        relations = self.graph.relations(seen)
        origins = (self._rows(origin.room_id) for origin in relations.origins)
        before = next((rows for rows in origins if rows.known), None)
        return SnapshotTaken(seen, relations, self._rows(room_id, before), self.partial)

    def _rows(self, room_id: RoomId, before: RoomRows | None = None) -> RoomRows:
        return RoomRows(self.stored.rooms.get(room_id), self.stored.chats.get(room_id, ()), before)

    def sweep(self, unreadable: Collection[RoomId]) -> None:
        """Remove the rows that no joined room explains: garbage, and owners without a room."""
        keys = [key for key in self.stored.garbage if key not in self.written]
        keys += [
            user_key(owner)
            for owner, user in self.stored.users.items()
            if owner not in self.owners and user.space_id not in unreadable
        ]
        self._writes += [DeleteRow(key) for key in keys]

    def mark(self, changes: Mapping[RoomId, int], affected: Collection[RoomId] = ()) -> None:
        """Clear the marks of dirty rooms that are in line now, and mark those that must be read."""
        services, dirty = self.services, self.services.registry.dirty
        unsettled = set(self.tally.conflicts)
        unsettled |= {it for it, verdict in self._verdicts.items() if verdict == _UNLINKED}
        unsettled |= {room_id for room_id in self.graph.rooms if services.is_open(room_id)}
        for room_id in changes.keys() - unsettled:
            self._writes += dirty.clear(room_id, changes[room_id])
        again = {*affected, *(room_id for room_id in unsettled if room_id not in dirty)}
        self._writes += dirty.mark(sorted(again))

    async def commit(self, also: Sequence[Write] = ()) -> None:
        """Commit all writes in one transaction, and move every repaired room to `ready`."""
        removed = {write.key for write in self._writes if isinstance(write, DeleteRow)}
        self.tally.removed_rows = len(removed - self.written)
        if self._writes or also:
            await self.services.store.commit([*self._writes, *also])
        for room_id, rows in self._repaired.items():
            self.services.states.fire(room_id, RoomTrigger.REPAIRED, f"rows written: {rows}")

    def _on_report(self, report: Report) -> bool:
        """Count a report. Returns True when no report is missing, or the round has failed."""
        match report:
            case RoomChecked(room_id, founded_ts, verdict, affected):
                self.affected |= affected
                self._checked(room_id, founded_ts, verdict)
            case OwnerSettled():
                self._settled(report)
            case RoomWritten():
                self._wrote(report)
            case RowsRemoved(_, writes):
                self._writes += writes
            case ActorCrashed(address, error):
                self._crashed(address, error)
            case _:
                pass
        waiting = self._unchecked or self._unsettled or self._unwritten
        return self._failure is not None or not waiting

    def _checked(self, room_id: RoomId, founded_ts: int, verdict: Verdict) -> None:
        if room_id not in self._unchecked:
            return
        self._verdicts[room_id] = verdict
        match verdict:
            case Skipped(reason):
                self.tally.skip(room_id, reason)
            case Conflict(reason, detail):
                self.tally.conflict(room_id, reason, detail)
            case _:
                pass
        if not isinstance(verdict, Skipped) and verdict.owner is not None:
            report = RoomReport(room_id, founded_ts, verdict)
            self.owners.setdefault(verdict.owner, []).append(report)
        self._unchecked.discard(room_id)
        self._note_progress()
        if not self._unchecked:
            self._ask_owners()

    def _note_progress(self) -> None:
        if self._progress is not None and not len(self._unchecked) % _LOOK_EVERY_ROOMS:
            self._progress.note(self._progress.of - len(self._unchecked))

    def _ask_owners(self) -> None:
        self._unsettled = set(self.owners)
        undecided, unread = self._undecided(), self._owners_of_unreadable_rooms()
        for owner, reports in self.owners.items():
            stored, intents = self.stored.users.get(owner), self.intents.get(owner, ())
            partial = self.partial or owner in unread
            partial |= bool(self.graph.unreadable) and not _has_space(reports)
            of_owner = tuple(undecided.get(owner, ()))
            complete = OwnerComplete(tuple(reports), partial, stored, intents, of_owner)
            self.services.tell_owner(owner, complete)

    def _undecided(self) -> dict[UserId, list[ChatContext]]:
        """Each owner's chats with rows that agree, of rooms not joined or in conflict."""
        found: dict[UserId, list[ChatContext]] = {}
        for room_id, chats in self.stored.chats.items():
            verdict, owner = self._verdicts.get(room_id), chats[0].user_id
            if verdict is not None and not isinstance(verdict, Conflict):
                continue
            rows = self._rows(room_id)
            if rows.room is not None and rows.chat_id_for(owner):
                found.setdefault(owner, []).append(chats[0])
        return found

    def _owners_of_unreadable_rooms(self) -> set[UserId]:
        """The owners with an unreadable room, by its row: their stored rows are kept."""
        rooms = self.stored.rooms
        return {rooms[room_id].matrix_user_id for room_id in self.graph.unreadable & rooms.keys()}

    def _settled(self, report: OwnerSettled) -> None:
        if report.owner not in self._unsettled:
            return
        self._unsettled.discard(report.owner)
        self._unwritten.update(report.rooms)
        self._writes += report.writes
        key = user_key(report.owner)
        if report.user is not None:
            self.written.add(key)
        before = self.stored.users.get(report.owner)
        if report.user is not None and report.user != before:
            known = before is not None or key in self._keys
            self.tally.repaired_user_meta += known
            self.tally.restored_user_meta += not known
        for room_id, reason, detail in report.conflicts:
            self.tally.conflict(room_id, reason, detail)

    def _wrote(self, report: RoomWritten) -> None:
        if report.room_id not in self._unwritten:
            return
        self._unwritten.discard(report.room_id)
        if report.writes:
            self._writes += report.writes
            self._repaired[report.room_id] = len(report.writes)
        tally, room, chat = self.tally, report.desired.room, report.desired.chat
        before, key = report.rows.room, room_key(report.room_id)
        self.written.add(key)
        changed = None
        if before != room:
            changed = "repaired" if before or key in self._keys else "restored"
            tally.repaired_room_meta += changed == "repaired"
            tally.restored_room_meta += changed == "restored"
        if chat is not None:
            self.written.add(chat_key(chat.user_id, chat.chat_id))
            if chat not in report.rows.chats:
                known = chat_key(chat.user_id, chat.chat_id) in self._keys
                changed = "repaired" if known else changed or "restored"
                tally.repaired_chat_rows += known
                tally.restored_chat_rows += not known
        verdict = self._verdicts.get(report.room_id)
        tally.backfilled_platform_chat_ids += isinstance(verdict, Chat) and verdict.backfilled
        if changed is None and not report.removed:
            tally.already_right += 1
        else:
            tally.changed[report.room_id] = RoomChange(
                room_id=report.room_id,
                outcome=changed or "repaired",
                chat_id=room.chat_id,
                owner=room.matrix_user_id,
            )

    def _crashed(self, address: Address, error: Exception) -> None:
        """A room that fails leaves the round; an owner or a port that fails ends the round."""
        room_id = RoomId(address.name)
        takes_part = room_id in self._unchecked or room_id in self._unwritten
        if isinstance(error, PortError) or not takes_part:
            self._failure = error
            return
        self.tally.conflict(room_id, ConflictReason.FAILED, str(error) or type(error).__name__)
        self.services.tell_room(room_id, RoomChanged())
        self._unwritten.discard(room_id)
        if room_id in self._unchecked:
            self._checked(room_id, 0, Conflict(ConflictReason.FAILED, str(error)))


def _has_space(reports: Collection[RoomReport]) -> bool:
    return any(isinstance(report.verdict, Space) for report in reports)
