"""The room actor. It owns the rows of its room, repairs them, and handles the room's messages."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

import structlog

from actors.messages import (
    GapOpened,
    InboxWaiting,
    IntentsWaiting,
    ReplyDone,
    ReplyFailed,
    ReplyWaits,
    RoomChanged,
    RoomChecked,
    RoomLeft,
    RoomReported,
    RoomWritten,
    RowsRemoved,
    RowsSettled,
    SnapshotTaken,
    SpaceLeft,
)
from actors.model import PAIR, Marker, RoomId, RoomKind
from actors.owner.onboarding import onboarding_of
from actors.port_errors import StoreUnavailable
from actors.ports import Waiting
from actors.reading import read_graph, read_if_joined
from actors.room.cached_rows import cached_rows, cached_rows_before
from actors.room.effects import (
    affected_by,
    note_departure,
    note_possible_owners,
    note_room,
    note_settings,
    note_unrelated,
)
from actors.room.entry import mind_entry
from actors.room.gap import RoomGap
from actors.room.inbox import Inbox
from actors.room.naming import mind_name
from actors.room.way import way_for
from actors.rows import chat_key, room_key
from actors.rules.classify import (
    Chat,
    Conflict,
    ConflictReason,
    RoomRows,
    Skipped,
    SkipReason,
    Space,
    Verdict,
    classify,
    possible_owners_of,
)
from actors.rules.relations import RoomRelations
from actors.rules.room_states import RoomState, RoomTrigger
from actors.rules.settlement import DesiredRows, RoomReport, drift_of, repairs_for, rows_of
from actors.runtime.letters import Message
from actors.services import Services
from actors.snapshots import RoomSnapshot
from actors.upkeep import Due, due_for
from actors.writes import DeleteRow, DropMessage, PutIntent, RedactAnchors, Write, drop_queued

_log = structlog.get_logger()


class RoomActor:
    """The actor of one room."""

    def __init__(self, room_id: RoomId, services: Services) -> None:
        self._room_id = room_id
        self._services = services
        self._rows: RoomRows | None = None
        """The rows that the cache holds; None until they are read."""
        self._verdict: Verdict | None = None
        """What the room is; None until it is checked in this incarnation."""
        self._is_pair = False
        """Whether at most one person is in the room besides the bot, at the latest check."""
        self._marker: Marker | None = None
        """The room's own marker at the latest check."""
        self._inbox = Inbox(room_id, services)
        self._gap = RoomGap(room_id, services)

    async def handle(self, message: Message) -> None:
        """Handle one of the messages to a room actor, see `actors.messages`."""
        match message:
            case SnapshotTaken(seen, relations, rows, partial):
                self._rows = rows
                await self._check_in_round(seen, relations, partial=partial)
            case RoomChanged():
                await self._read_again()
            case RowsSettled(desired, in_round, change):
                # Rows that were settled before the room was replaced or left come too late.
                if in_round or not isinstance(self._verdict, Skipped):
                    await self._write(desired, change, in_round=in_round)
            case GapOpened():
                if not await self._fill_gap():
                    await self._drain_inbox()
            case InboxWaiting():
                await self._drain_inbox()
            case ReplyDone() | ReplyFailed() | ReplyWaits():
                await self._inbox.settle()
                self._go_on()
            case RoomLeft():
                await self._leave()
            case _:
                raise TypeError(message)

    async def crashed(self, error: Exception) -> None:
        """Count a failed attempt at the present message, see `Inbox.note_failure`."""
        await self._inbox.note_failure(error)

    # ------------------------------------------------------------ what the room is

    async def _read_again(self) -> None:
        services = self._services
        self._rows = None
        change = services.registry.dirty.change_of(self._room_id)
        async with services.homeserver_slots:
            seen = await read_if_joined(services.homeserver, self._room_id)
        if seen is None:
            await services.store.commit(drop_queued(self._room_id))
            services.registry.gaps.void(self._room_id)
            await self._leave("the bot is not in the room")
            await services.clear(self._room_id, change)
            return
        rows = await self._cached_rows()
        unfinished = rows.room is None and services.registry.creations.is_making(seen.marker)
        if unfinished and seen.creator == services.homeserver.me:
            services.tell_room_later(services.bounds.look_again_s, self._room_id, RoomChanged())
            return
        note_unrelated(services, seen)
        owners = [rows.room.matrix_user_id] if rows.room else []
        spaces = services.registry.links.spaces_listing(self._room_id)
        graph = await read_graph(
            [seen],
            services.homeserver,
            services.store,
            owners,
            spaces,
            limit=services.bounds.related_rooms,
        )
        verdict, affected = await self._check(seen, graph.relations(seen), in_round=False)
        self._tell_owner(graph.relations(seen).founded_ts, verdict, change)
        await services.recheck(sorted(affected))
        if isinstance(verdict, Skipped) and verdict.reason is not SkipReason.UNLINKED:
            await services.clear(self._room_id, change)
        if isinstance(verdict, Chat | Space):
            await mind_entry(services, seen, verdict.owner)
        if isinstance(verdict, Space):
            await mind_name(services, seen, verdict.owner)

    async def _check_in_round(
        self, seen: RoomSnapshot, relations: RoomRelations, *, partial: bool
    ) -> None:
        verdict, affected = await self._check(seen, relations, in_round=True, whole=not partial)
        report = RoomChecked(self._room_id, relations.founded_ts, verdict, affected)
        self._services.system.report(report)
        if isinstance(verdict, Chat | Space):
            await mind_entry(self._services, seen, verdict.owner)

    async def _check(
        self, seen: RoomSnapshot, relations: RoomRelations, *, in_round: bool, whole: bool = False
    ) -> tuple[Verdict, frozenset[RoomId]]:
        """Decide what the room is; the verdict, and the other rooms that must check themselves.

        With `whole`, all rooms are read in this round.
        """
        services = self._services
        rows = await self._cached_rows()
        if not in_round:
            rows = replace(rows, before=await cached_rows_before(services.store, relations))
        unknown_before = self._room_id in services.registry.undecided or rows.room is None
        unknown_before |= services.states.of(self._room_id) is RoomState.LEFT
        verdict = self._verdict = classify(seen, relations, rows, services.homeserver.me)
        self._marker = seen.marker
        note_possible_owners(services, self._room_id, possible_owners_of(verdict, seen, rows))
        replaced = note_room(services, seen, relations, verdict)
        if services.states.of(self._room_id) is RoomState.LEFT:
            services.states.fire(self._room_id, RoomTrigger.JOINED, "the room can be read")
        self._is_pair = seen.member_count <= PAIR and not seen.is_space
        note_settings(services, seen, verdict)
        match verdict:
            case Chat() | Space():
                pass
            case Conflict(reason, detail):
                _log.warning(
                    "room_conflict", room_id=self._room_id, reason=str(reason), detail=detail
                )
                self._fire_checked(f"conflict: {reason}")
                if reason is ConflictReason.UNREADABLE:
                    services.tell_room_later(
                        services.bounds.undecided_for_s, self._room_id, RoomChanged()
                    )
            case Skipped(reason):
                await self._remove_rows(reason, in_round=in_round)
                self._fire_checked(f"skipped: {reason}")
            case _:
                assert_never(verdict)
        if whole:
            return verdict, frozenset()
        affected = await affected_by(
            services, seen, relations, verdict, unknown_before=unknown_before, replaced=replaced
        )
        return verdict, affected

    def _tell_owner(self, founded_ts: int, verdict: Verdict, change: int | None) -> None:
        if isinstance(verdict, Skipped) or verdict.owner is None:
            return
        report = RoomReport(self._room_id, founded_ts, verdict, change)
        self._services.tell_owner(verdict.owner, RoomReported(report))

    async def _cached_rows(self) -> RoomRows:
        """The rows of this room in the cache."""
        if self._rows is None:
            self._rows = await cached_rows(self._services.store, self._room_id)
        return self._rows

    async def _write(self, desired: DesiredRows, change: int | None, *, in_round: bool) -> None:
        """Write the rows that differ: in one transaction, or in that of the round."""
        services = self._services
        rows = await self._cached_rows()
        writes, removed = repairs_for(self._room_id, rows, desired)
        due = self._due(desired)
        if due is None:
            services.upkeep.settled(self._room_id)
        if writes:
            services.states.fire(self._room_id, RoomTrigger.DRIFT_FOUND, drift_of(rows))
            self._rows = rows_of(desired)
            if not in_round:
                done = [] if due is not None else services.cleared(self._room_id, change)
                await self._commit_repairs([*writes, *done])
        else:
            self._fire_checked("rows are in line")
            if due is None and not in_round:
                await services.clear(self._room_id, change)
        if due is not None:
            services.upkeep.want(due)
        if in_round:
            report = RoomWritten(self._room_id, desired, rows, tuple(writes), removed)
            services.system.report(report)
        self._go_on()

    async def _commit_repairs(self, writes: Sequence[Write]) -> None:
        try:
            await self._services.store.commit(writes)
        except StoreUnavailable:
            self._rows = None
            raise
        _log.info("room_repaired", room_id=self._room_id, writes=len(writes))
        reason = f"rows written: {len(writes)}"
        self._services.states.fire(self._room_id, RoomTrigger.REPAIRED, reason)

    def _due(self, desired: DesiredRows) -> Due | None:
        """What the room lacks on the homeserver, which upkeep is to write."""
        verdict = self._verdict
        if not isinstance(verdict, Chat | Space):
            return None
        if self._services.registry.creations.is_unfinished(self._room_id):
            return None
        chat = verdict if isinstance(verdict, Chat) else None
        return due_for(self._room_id, desired, chat, self._marker)

    async def _remove_rows(self, reason: SkipReason, *, in_round: bool) -> None:
        """Remove the rows of a room that the bot does not manage."""
        self._services.upkeep.settled(self._room_id)
        rows = await self._cached_rows()
        writes = [
            DeleteRow(chat_key(chat.user_id, chat.chat_id), self._room_id) for chat in rows.chats
        ]
        if rows.room is not None:
            writes.append(DeleteRow(room_key(self._room_id)))
        if writes:
            _log.warning(
                "rows_removed", room_id=self._room_id, reason=str(reason), rows=len(writes)
            )
            self._rows = RoomRows()
            if not in_round:
                await self._services.store.commit(writes)
        if in_round:
            self._services.system.report(RowsRemoved(self._room_id, tuple(writes)))

    def _fire_checked(self, reason: str) -> None:
        if self._services.states.of(self._room_id) is RoomState.UNCHECKED:
            self._services.states.fire(self._room_id, RoomTrigger.CHECKED, reason)

    async def _leave(self, reason: str = "removed or left") -> None:
        """Handle the leaving of the room. The room's rows stay, and with them its number.

        The queued messages and the gap are not dropped here but before: there may be new ones by
        now, if the bot is back in the room.
        """
        self._verdict = Skipped(SkipReason.LEFT)
        self._services.settings_of_chats.drop(self._room_id)
        self._services.upkeep.settled(self._room_id)
        self._services.replies.drop(self._room_id)
        self._services.histories.drop(self._room_id)
        await note_departure(self._services, self._room_id)
        room = (await self._cached_rows()).room
        if room is not None and room.room_type is RoomKind.SPACE:
            self._services.tell_owner(room.matrix_user_id, SpaceLeft(self._room_id))
        if room is not None and self._services.states.of(self._room_id) is not RoomState.LEFT:
            self._services.states.fire(self._room_id, RoomTrigger.LEFT, reason)

    # ------------------------------------------------------------ messages in the room

    async def _fill_gap(self) -> bool:
        """Fetch a piece of the room's gap, as `RoomGap.fill` does, once it is clear what it is."""
        rows = await self._cached_rows()
        if rows.room is None and self._gap.depends_on_room:
            if self._verdict is None:
                # Other rooms may tell this one to look, and two checks in a row number it twice.
                delay_s = self._services.bounds.look_again_s
                self._services.tell_room_later(delay_s, self._room_id, RoomChanged())
                self._services.tell_room_later(delay_s, self._room_id, GapOpened())
                return True
            if not isinstance(self._verdict, Skipped | Conflict) or _is_undecided(self._verdict):
                return False
        return await self._gap.fill(rows)

    async def _drain_inbox(self) -> None:
        """Handle one waiting message, and tell this actor to handle the next one.

        Messages are handled one at a time so that changes of the room need not wait for all of
        them. While a question is in work, only the owner's commands are handled, and nothing in a
        room that is no chat any more.
        """
        services = self._services
        await self._inbox.settle()
        if services.registry.gaps.doubt(self._room_id) is not None:
            return
        waiting = await services.store.waiting(self._room_id, self._inbox.reads)
        if not waiting or not services.gate.live:
            return
        rows = await self._cached_rows()
        if rows.room is not None and rows.chats:
            self._inbox.show_as_read(waiting)
            item = self._inbox.next_of(waiting, rows.chats[0].user_id)
            if item is None:
                return
            self._rows = await self._inbox.answer(item, waiting, rows, rows.room, rows.chats[0])
        elif services.replies.running(self._room_id) is not None:
            return  # the room was replaced meanwhile
        elif not await self._unregistered(waiting):
            services.registry.stalled.note(self._room_id, stalled=True)
            return
        services.registry.stalled.note(self._room_id, stalled=False)
        self._go_on()

    def _go_on(self) -> None:
        """Tell this actor to handle the next message, or to fetch more of the room's gap."""
        gap_opened = self._room_id in self._services.registry.gaps
        self._services.tell_room(self._room_id, GapOpened() if gap_opened else InboxWaiting())

    async def _unregistered(self, waiting: Sequence[Waiting]) -> bool:
        """Handle messages in a room that the cache does not know as a chat. False: they wait.

        The room is checked first, unless it is known what it is: a dirty room may have become a
        chat before the messages came. If it is a chat, a repair writes its rows, and another
        `InboxWaiting` follows; if an unreadable room decides about it, that comes when the room can
        be read. Otherwise the messages are done without a reply, but a sender in a direct chat who
        has no Space and chat yet gets them, or is invited back to them; an owner is told the way.
        """
        if self._verdict is None or self._room_id in self._services.registry.dirty:
            _log.info("unregistered_room", room_id=self._room_id, messages=len(waiting))
            await self._read_again()
        if isinstance(self._verdict, Chat) or _is_undecided(self._verdict):
            return False
        writes: list[Write] = [DropMessage(item.message.event_id) for item in waiting]
        # The answers that were begun while this was a chat are taken back.
        writes += [RedactAnchors(it.message.event_id) for it in waiting if it.has_anchors]
        said = [item.message for item in waiting if item.message.edits is None]
        onboarding, is_notices = None, False
        if said and self._verdict == Skipped(SkipReason.DIRECT_CHAT):
            is_notices = await self._services.homeserver.is_server_notices(self._room_id)
            if is_notices:
                _log.warning("server_notices", room_id=self._room_id, messages=len(waiting))
            else:
                onboarding = await onboarding_of(said[0], self._services)
        if onboarding is not None:
            writes.append(PutIntent(onboarding, only_if_new=True))
        elif said and not is_notices and self._is_pair and isinstance(self._verdict, Skipped):
            writes += await way_for(said[-1], self._services)
        await self._services.store.commit(writes)
        self._services.deliver(self._room_id)
        if onboarding is not None:
            self._services.tell_owner(onboarding.owner, IntentsWaiting())
        return True


def _is_undecided(verdict: Verdict | None) -> bool:
    return isinstance(verdict, Conflict) and verdict.reason is ConflictReason.UNREADABLE
