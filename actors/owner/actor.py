"""The user actor. It owns its owner's row, settles the chat ids, and carries out intents."""

from collections.abc import Sequence
from dataclasses import replace

import structlog

from actors.chats import ChatManager
from actors.messages import (
    IntentsWaiting,
    OwnerComplete,
    OwnerSettled,
    RoomChanged,
    RoomReported,
    RowsSettled,
    SpaceLeft,
)
from actors.model import ChatContext, Intent, IntentStep, RoomId, RoomMeta, UserId, UserMeta
from actors.owner.creation import Creation
from actors.owner.room_making import adopted
from actors.owner.work import OwnerWork
from actors.reading import read_graph, read_if_joined
from actors.rows import from_row, room_key, to_row, user_key
from actors.rules.classify import Chat, Space
from actors.rules.settlement import OwnerRows, RoomReport, Settlement, settle_owner
from actors.runtime.letters import Message
from actors.services import Services
from actors.writes import DeleteRow, PutIntent, PutRow, Write

_log = structlog.get_logger()


class UserActor:
    """The actor of one owner."""

    def __init__(self, owner: UserId, services: Services) -> None:
        self._owner = owner
        self._services = services

    async def handle(self, message: Message) -> None:
        """Handle one of the messages to a user actor, see `actors.messages`."""
        match message:
            case RoomReported(report):
                await self._settle_one(report)
            case OwnerComplete():
                await self._complete(message)
            case SpaceLeft(space_id):
                await self._forget_space(space_id)
            case IntentsWaiting():
                await Creation(OwnerWork(self._owner, self._services)).carry_out()
            case _:
                raise TypeError(message)

    async def crashed(self, error: Exception) -> None:
        """Do nothing: intents are in the store, so nothing must be remembered."""

    async def _complete(self, complete: OwnerComplete) -> None:
        reports = complete.reports
        known = await self._owner_rows() if complete.partial else None
        evidence = known or OwnerRows(undecided=complete.undecided, first_free=self._first_free())
        settlement = settle_owner(self._owner, reports, self._services.texts, evidence)
        stored = known.user if known else complete.stored
        writes = _writes_for(self._owner, settlement, stored, partial=complete.partial)
        writes += _adoptions(reports, complete.intents)
        others = _others_to_check(settlement, reports, known)
        writes += self._services.registry.dirty.mark(others)
        self._announce(settlement, reports, others, in_round=True)
        self._services.system.report(_settled(self._owner, settlement, writes))

    async def _settle_one(self, report: RoomReport) -> None:
        """Settle the rows after one room's report outside of a round."""
        store, known = (
            self._services.store,
            await self._with_space_age(report, await self._owner_rows()),
        )
        settlement = settle_owner(self._owner, [report], self._services.texts, known)
        writes = _writes_for(self._owner, settlement, known.user, partial=True)
        writes += _adoptions([report], await store.open_intents(self._owner))
        others = _others_to_check(settlement, [report], known)
        writes += self._services.registry.dirty.mark(others)
        if writes:
            await store.commit(writes)
        self._announce(settlement, [report], others, in_round=False)

    async def _with_space_age(self, report: RoomReport, known: OwnerRows) -> OwnerRows:
        """The owner rows with the age of the stored Space, if the report is about another Space.

        The older of two Spaces is the owner's.
        """
        if known.user is None or not isinstance(report.verdict, Space):
            return known
        if known.user.space_id in {report.room_id, *report.verdict.replaces}:
            return known
        homeserver = self._services.homeserver
        space = await read_if_joined(homeserver, known.user.space_id)
        if space is None:
            return known
        graph = await read_graph(
            [space],
            homeserver,
            self._services.store,
            limit=self._services.bounds.related_rooms,
        )
        return replace(known, space_ts=graph.relations(space).founded_ts)

    async def _forget_space(self, space_id: RoomId) -> None:
        """Remove the owner's row, because the Space is gone; the next invite makes a new Space."""
        user = from_row(await self._services.store.row(user_key(self._owner)), UserMeta)
        if user is not None and user.space_id == space_id:
            _log.warning("space_lost", owner=self._owner, space_id=space_id)
            self._services.registry.creations.note_taken(self._owner, user.next_chat_index)
            # What the chats say about used numbers must be known after the next start, too.
            chats = await ChatManager(self._services.store).list_all(self._owner)
            marks = self._services.registry.dirty.mark(chat.surface_ref for chat in chats)
            await self._services.store.commit([DeleteRow(user_key(self._owner)), *marks])

    async def _owner_rows(self) -> OwnerRows:
        store = self._services.store
        user = from_row(await store.row(user_key(self._owner)), UserMeta)
        chats: list[ChatContext] = []
        doubtful: list[ChatContext] = []
        for chat in await ChatManager(store).list_all(self._owner):
            room = from_row(await store.row(room_key(chat.surface_ref)), RoomMeta)
            agree = room and (room.matrix_user_id, room.chat_id) == (self._owner, chat.chat_id)
            (chats if agree else doubtful).append(chat)
        return OwnerRows(user, tuple(chats), tuple(doubtful), first_free=self._first_free())

    def _first_free(self) -> int:
        return self._services.registry.creations.first_free(self._owner)

    def _announce(
        self,
        settlement: Settlement,
        reports: Sequence[RoomReport],
        others: Sequence[RoomId],
        *,
        in_round: bool,
    ) -> None:
        """Tell the rooms what was settled, and the `others` to check themselves again."""
        creations = self._services.registry.creations
        if settlement.user is None:
            creations.note_taken(self._owner, settlement.next_chat_index)
        else:
            creations.forget_taken(self._owner)
        for room_id, conflict in settlement.conflicts.items():
            _log.warning(
                "room_conflict",
                room_id=room_id,
                reason=str(conflict.reason),
                detail=conflict.detail,
            )
        for room_id in others:
            self._services.tell_room(room_id, RoomChanged())
        changes = {report.room_id: report.change for report in reports}
        for room_id, desired in settlement.desired.items():
            settled = RowsSettled(desired, in_round, changes[room_id])
            self._services.tell_room(room_id, settled)


def _others_to_check(
    settlement: Settlement, reports: Sequence[RoomReport], known: OwnerRows | None
) -> list[RoomId]:
    """The rooms that must check themselves again: not all of the owner's rooms have reported.

    If the owner's row has changed, these are rooms that did not report. Without a Space, they are
    the Spaces of the chats that did.
    """
    if known is None:
        return []
    before, now = known.user, settlement.user
    if now is None:
        return [it.verdict.space_id for it in reports if isinstance(it.verdict, Chat)]
    if before is None or before == now:
        return []
    if before.space_id != now.space_id:
        return [before.space_id, *(chat.surface_ref for chat in known.chats)]
    return [] if now.space_id in settlement.desired else [now.space_id]


def _writes_for(
    owner: UserId, settlement: Settlement, stored: UserMeta | None, *, partial: bool
) -> list[Write]:
    """The write that brings the owner's row in line, if any. `partial` never removes the row."""
    if settlement.user == stored or (partial and settlement.user is None):
        return []
    key = user_key(owner)
    return [PutRow(key, to_row(settlement.user)) if settlement.user else DeleteRow(key)]


def _adoptions(reports: Sequence[RoomReport], intents: Sequence[Intent]) -> list[Write]:
    """Adopt the rooms that carry the nonce of an open intent: the intent has created them."""
    nonces = {
        report.verdict.intent: report.room_id
        for report in reports
        if isinstance(report.verdict, Chat | Space)
    }
    writes: list[Write] = []
    for intent in intents:
        if intent.step is IntentStep.CREATING and intent.nonce in nonces:
            room_id = nonces[intent.nonce]
            _log.info("room_adopted", room_id=room_id, owner=intent.owner, nonce=intent.nonce)
            writes.append(PutIntent(adopted(intent, room_id)))
    return writes


def _settled(owner: UserId, settlement: Settlement, writes: list[Write]) -> OwnerSettled:
    return OwnerSettled(
        owner,
        settlement.user,
        tuple(writes),
        tuple(settlement.desired),
        tuple(
            (room_id, str(conflict.reason), conflict.detail)
            for room_id, conflict in settlement.conflicts.items()
        ),
    )
