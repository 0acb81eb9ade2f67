"""The room actor: owns its room's row and its chat's row, repairs them, and drains the inbox."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, assert_never

import anyio
import structlog

from actors.gaps import fetch_gap, worth_accepting
from actors.messages import (
    GapOpened,
    IdentitySettled,
    InboxWaiting,
    IntentsWaiting,
    Message,
    RoomChanged,
    RoomChecked,
    RoomLeft,
    RoomReported,
    RoomWritten,
    RowsRemoved,
    SnapshotTaken,
    SpaceLeft,
)
from actors.model import (
    ChatContext,
    EventId,
    Marker,
    OutboundMessage,
    RoomId,
    RoomKind,
    RoomMeta,
    RoomSnapshot,
)
from actors.owner.onboarding import onboarding_of
from actors.ports import PlatformFailed, PortError, StoreUnavailable, Waiting
from actors.reading import graph_around, read_if_joined
from actors.room.conversation import Conversation
from actors.room.effects import note_concern, note_departure, note_room, tell_others
from actors.rows import chat_key, from_row, room_key
from actors.rules.classify import (
    Chat,
    Conflict,
    ConflictReason,
    Record,
    Skipped,
    SkipReason,
    Space,
    Verdict,
    classify,
    concern_of,
)
from actors.rules.relations import Surroundings
from actors.rules.repairs import drift_of, record_of, repairs_for
from actors.rules.room_states import RoomState, RoomTrigger
from actors.rules.settlement import Identity, RoomReport
from actors.services import ActorContext
from actors.upkeep import due_for
from actors.writes import (
    AcceptMessage,
    CloseGap,
    CountAttempt,
    DeleteRow,
    FinishMessage,
    PutIntent,
    QueueMessage,
    Write,
    goodbye,
)

_log = structlog.get_logger()

INBOX_BATCH: Final = 16
LOOK_AGAIN_S: Final = 1.0
"""How long to leave a room alone that is perhaps still being created."""
READ_AFTER_S: Final = 0.2
"""How long a message has waited when it is shown as read, and with it those that came meanwhile."""
UNDECIDED_FOR_S: Final = 30.0
"""When a room looks again whether those can be read that say what it is."""
MAX_ATTEMPTS: Final = 5
"""A message that has failed so often is set aside as dead."""


class RoomActor:
    """One joined room."""

    def __init__(self, room_id: RoomId, context: ActorContext) -> None:
        self._room_id = room_id
        self._context = context
        self._record: Record | None = None
        """What the cache holds; None until it was read."""
        self._verdict: Verdict | None = None
        """What the room turned out to be; None until it was looked at in this incarnation."""
        self._marker: Marker | None = None
        """The room's own marker when it was looked at."""
        self._conversation = Conversation(room_id, context)
        self._current: Waiting | None = None
        self._shown: EventId | None = None
        """The message that was shown as read last, or will be in a moment."""
        self._receipt_to_come = False

    async def handle(self, message: Message) -> None:
        """Handle one message, see `actors.messages`."""
        match message:
            case SnapshotTaken(seen, around, record):
                self._record = record
                await self._check(seen, around, in_round=True)
            case RoomChanged():
                await self._read_again()
            case IdentitySettled(identity, in_round):
                # What was settled before the room was replaced, or left, comes too late.
                if in_round or not isinstance(self._verdict, Skipped):
                    await self._write(identity, in_round=in_round)
            case GapOpened():
                await self._fill_gap()
            case InboxWaiting():
                await self._drain_inbox()
            case RoomLeft():
                await self._leave()
            case _:
                raise TypeError(message)

    async def crashed(self, error: Exception) -> None:
        """Count a failed attempt at a message, unless the homeserver or the store was to blame."""
        waiting, self._current = self._current, None
        blameless = isinstance(error, PortError) and not isinstance(error, PlatformFailed)
        if waiting is None or blameless:
            return
        event_id = waiting.message.event_id
        if waiting.attempts + 1 < MAX_ATTEMPTS:
            await self._context.store.commit([CountAttempt(event_id)])
            return
        _log.error("message_dead", room_id=self._room_id, event_id=event_id)
        notice = OutboundMessage(
            f"{event_id}.dead", self._room_id, self._context.texts.gave_up, notice=True
        )
        await self._context.store.commit([FinishMessage(event_id, dead=True), QueueMessage(notice)])
        self._context.deliver(self._room_id)

    # ------------------------------------------------------------ what the room is

    async def _read_again(self) -> None:
        context = self._context
        self._record = None
        async with context.homeserver_slots:
            seen = await read_if_joined(context.homeserver, self._room_id)
        if seen is None:
            await context.store.commit(goodbye(self._room_id))
            await self._leave("we are not in the room")
            return
        record = await self._known()
        unfinished = seen.marker is None and record.room is None and context.creating
        if unfinished and seen.creator == context.homeserver.me:
            context.system.tell_later(LOOK_AGAIN_S, self._room_id, RoomChanged())
            return
        owners = [record.room.matrix_user_id] if record.room else []
        spaces = sorted(context.listed_in.get(self._room_id, ()))
        graph = await graph_around([seen], context.homeserver, context.store, owners, spaces)
        await self._check(seen, graph.around(seen), in_round=False)

    async def _check(self, seen: RoomSnapshot, around: Surroundings, *, in_round: bool) -> None:
        context = self._context
        record = await self._known()
        if not in_round:
            record = replace(record, before=await self._rows_before(around))
        unknown_before = self._room_id in context.undecided or record.room is None
        unknown_before |= context.system.state_of(self._room_id) is RoomState.LEFT
        verdict = self._verdict = classify(seen, around, record, context.homeserver.me)
        self._marker = seen.marker
        note_concern(context, self._room_id, concern_of(verdict, seen, record))
        replaced = note_room(context, seen, around, verdict)
        if context.system.state_of(self._room_id) is RoomState.LEFT:
            context.system.fire(self._room_id, RoomTrigger.JOINED, "state could be read")
        match verdict:
            case Chat() | Space():
                pass
            case Conflict(reason, detail):
                _log.warning(
                    "room_conflict", room_id=self._room_id, reason=str(reason), detail=detail
                )
                self._fire_checked(f"conflict: {reason}")
                if reason is ConflictReason.UNREADABLE:
                    context.system.tell_later(UNDECIDED_FOR_S, self._room_id, RoomChanged())
            case Skipped(reason):
                await self._remove_rows(reason, in_round=in_round)
                self._fire_checked(f"skipped: {reason}")
            case _:
                assert_never(verdict)
        if in_round:
            context.system.report(RoomChecked(self._room_id, around.founded_ts, verdict))
        else:
            self._tell_owner(around.founded_ts, verdict)
            await tell_others(
                context, seen, around, verdict, unknown_before=unknown_before, replaced=replaced
            )

    def _tell_owner(self, founded_ts: int, verdict: Verdict) -> None:
        if isinstance(verdict, Skipped) or verdict.owner is None:
            return
        report = RoomReport(self._room_id, founded_ts, verdict)
        self._context.system.tell(verdict.owner, RoomReported(report))

    async def _known(self) -> Record:
        """What the cache holds about this room."""
        if self._record is None:
            self._record = await self._rows_of(self._room_id)
        return self._record

    async def _rows_before(self, around: Surroundings) -> Record | None:
        """What the cache holds about the latest of the rooms that this one replaces, if any."""
        for origin in around.origins:
            before = await self._rows_of(origin.room_id)
            if before.known:
                return before
        return None

    async def _rows_of(self, room_id: RoomId) -> Record:
        store = self._context.store
        room = from_row(await store.row(room_key(room_id)), RoomMeta)
        if room is None or room.chat_id is None:
            return Record(room)
        chat = from_row(await store.row(chat_key(room.matrix_user_id, room.chat_id)), ChatContext)
        return Record(room, (chat,) if chat is not None and chat.surface_ref == room_id else ())

    async def _write(self, identity: Identity, *, in_round: bool) -> None:
        """Write the rows that differ: in one transaction, or in the round's."""
        context = self._context
        record = await self._known()
        writes, removed = repairs_for(self._room_id, record, identity)
        if writes:
            context.system.fire(self._room_id, RoomTrigger.DRIFT_FOUND, drift_of(record))
            self._record = record_of(identity)
            if not in_round:
                await self._commit_repairs(writes)
        else:
            self._fire_checked("in line")
        self._note_due(identity)
        if in_round:
            report = RoomWritten(self._room_id, identity, record, tuple(writes), removed)
            context.system.report(report)
        context.system.tell(self._room_id, InboxWaiting())

    async def _commit_repairs(self, writes: Sequence[Write]) -> None:
        try:
            await self._context.store.commit(writes)
        except StoreUnavailable:
            self._record = None
            raise
        _log.info("room_repaired", room_id=self._room_id, writes=len(writes))
        reason = f"rows written: {len(writes)}"
        self._context.system.fire(self._room_id, RoomTrigger.REPAIRED, reason)

    def _note_due(self, identity: Identity) -> None:
        """What the room lacks on the homeserver is upkeep's business."""
        verdict = self._verdict
        if not isinstance(verdict, Chat | Space):
            return
        chat = verdict if isinstance(verdict, Chat) else None
        due = due_for(self._room_id, identity, chat, self._marker)
        if due is None:
            self._context.upkeep.settled(self._room_id)
        else:
            self._context.upkeep.want(due)

    async def _remove_rows(self, reason: SkipReason, *, in_round: bool) -> None:
        """A room that is not managed has no rows."""
        self._context.upkeep.settled(self._room_id)
        record = await self._known()
        writes = [
            DeleteRow(chat_key(chat.user_id, chat.chat_id), self._room_id) for chat in record.chats
        ]
        if record.room is not None:
            writes.append(DeleteRow(room_key(self._room_id)))
        if writes:
            _log.warning(
                "rows_removed", room_id=self._room_id, reason=str(reason), rows=len(writes)
            )
            self._record = Record()
            if not in_round:
                await self._context.store.commit(writes)
        if in_round:
            self._context.system.report(RowsRemoved(self._room_id, tuple(writes)))

    def _fire_checked(self, reason: str) -> None:
        if self._context.system.state_of(self._room_id) is RoomState.UNCHECKED:
            self._context.system.fire(self._room_id, RoomTrigger.CHECKED, reason)

    async def _leave(self, reason: str = "removed or left") -> None:
        """The rows stay, and with them the number.

        What was queued is dropped already: by now there may be something new, if we are back.
        """
        self._verdict = Skipped(SkipReason.LEFT)
        self._context.gaps.pop(self._room_id, None)
        self._context.upkeep.settled(self._room_id)
        note_departure(self._context, self._room_id)
        room = (await self._known()).room
        if room is not None and room.room_type is RoomKind.SPACE:
            self._context.system.tell(room.matrix_user_id, SpaceLeft(self._room_id))
        if room is not None and self._context.system.state_of(self._room_id) is not RoomState.LEFT:
            self._context.system.fire(self._room_id, RoomTrigger.LEFT, reason)

    # ------------------------------------------------------------ what is said in it

    async def _fill_gap(self) -> None:
        """Fetch what is missing of the timeline, up to where it was missing when we began."""
        context = self._context
        gap = context.gaps.get(self._room_id)
        if gap is None or not context.system.live:
            return
        async with context.homeserver_slots:
            found = await fetch_gap(context.homeserver, self._room_id, gap.upto, stop_at=gap.since)
        writes: list[Write] = [*goodbye(self._room_id)] if found.rejoined else []
        writes += [AcceptMessage(each) for each in found.messages if worth_accepting(each)]
        await context.store.commit([*writes, CloseGap(self._room_id, gap.upto)])
        if context.gaps.get(self._room_id) == gap:
            del context.gaps[self._room_id]
            context.deliver(self._room_id)
        else:
            context.system.tell(self._room_id, GapOpened())
        context.system.tell(self._room_id, InboxWaiting())

    async def _drain_inbox(self) -> None:
        """Handle the first message that waits, and come back for the next one.

        One at a time, so that what happens to the room meanwhile is not kept waiting by many.
        """
        context = self._context
        if self._room_id in context.gaps:
            return
        waiting = await context.store.waiting(self._room_id, INBOX_BATCH)
        if not waiting or not context.system.live:
            return
        record = await self._known()
        if record.room is not None and record.chats:
            self._show_as_read(waiting)
            await self._answer(waiting[0], record, Identity(record.room, record.chats[0]))
        elif not await self._unregistered(waiting):
            return
        context.system.tell(self._room_id, InboxWaiting())

    def _show_as_read(self, waiting: Sequence[Waiting]) -> None:
        """One receipt for all that is waiting now: the newest one's."""
        if self._shown not in {item.message.event_id for item in waiting}:
            to_come, self._shown = self._receipt_to_come, waiting[-1].message.event_id
            self._receipt_to_come = True
            if not to_come:
                self._context.system.background(self._mark_read)

    async def _mark_read(self) -> None:
        """Not at once: an answer that comes at once goes first."""
        await anyio.sleep(READ_AFTER_S)
        self._receipt_to_come = False
        if self._shown is not None:
            await self._context.homeserver.mark_read(self._room_id, self._shown)

    async def _answer(self, waiting: Waiting, record: Record, identity: Identity) -> None:
        """Handle one message and write what follows from it in one transaction."""
        self._current = waiting
        response = await self._conversation.respond(waiting.message, identity)
        writes: list[Write] = [FinishMessage(waiting.message.event_id), *response.writes]
        if response.identity is not None:
            writes += repairs_for(self._room_id, record, response.identity)[0]
        await self._context.store.commit(writes)
        self._current = None
        if response.identity is not None:
            self._record = record_of(response.identity)
        self._context.deliver(self._room_id)
        if response.promised is not None:
            self._context.system.tell(*response.promised)

    async def _unregistered(self, waiting: Sequence[Waiting]) -> bool:
        """Messages in a room that the cache doesn't know as a chat. False: wait for the repair.

        The room is looked at once. If it is a chat, its rows are on their way, and with them
        another `InboxWaiting`; if its Space can't be read, they come when it can. If it is not,
        nobody is spoken to here, but a person who wrote to us alone and is not at home yet is
        shown the way, or given a Space.
        """
        if self._verdict is None:
            _log.info("unregistered_room", room_id=self._room_id, messages=len(waiting))
            await self._read_again()
        if isinstance(self._verdict, Chat) or _is_undecided(self._verdict):
            return False
        writes: list[Write] = [FinishMessage(item.message.event_id) for item in waiting]
        onboarding = None
        if self._verdict == Skipped(SkipReason.DIRECT_CHAT):
            onboarding = await onboarding_of(waiting[0].message, self._context)
        if onboarding is not None:
            writes.append(PutIntent(onboarding, only_if_new=True))
        await self._context.store.commit(writes)
        if onboarding is not None:
            self._context.system.tell(onboarding.owner, IntentsWaiting())
        return True


def _is_undecided(verdict: Verdict | None) -> bool:
    return isinstance(verdict, Conflict) and verdict.reason is ConflictReason.UNREADABLE
