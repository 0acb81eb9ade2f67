"""The user actor: owns its owner's row, settles the ids of their rooms, creates chats for them."""

import structlog

from actors.chats import ChatManager
from actors.classify import Chat, Space
from actors.context import ActorContext
from actors.creation import Creation
from actors.messages import (
    IdentitySettled,
    IntentsWaiting,
    Message,
    OwnerComplete,
    OwnerSettled,
    RoomChanged,
    RoomReported,
    SpaceLeft,
)
from actors.model import IntentStep, RoomId, UserId, UserMeta
from actors.ports import DeleteRow, PutIntent, PutRow, Write
from actors.rows import from_row, to_row, user_key
from actors.settlement import Known, RoomReport, Settlement, settle_owner

_log = structlog.get_logger()


class ReportsLost(Exception):
    """Some reports of a round are missing: this incarnation began after they came."""


class UserActor:
    """One owner."""

    def __init__(self, owner: UserId, context: ActorContext) -> None:
        self._owner = owner
        self._context = context
        self._reports: dict[RoomId, RoomReport] = {}
        """What the rooms have said in the current round."""

    async def handle(self, message: Message) -> None:
        """Handle one message, see `actors.messages`."""
        match message:
            case RoomReported(report, in_round=True):
                self._reports[report.room_id] = report
            case RoomReported(report):
                await self._settle([report], await self._known())
            case OwnerComplete(count, partial):
                await self._complete(count, partial=partial)
            case SpaceLeft(space_id):
                await self._forget_space(space_id)
            case IntentsWaiting():
                await Creation(self._owner, self._context).carry_out()
            case _:
                raise TypeError(message)

    async def crashed(self, error: Exception) -> None:
        """Nothing to remember: what was promised is in the store."""

    async def _complete(self, count: int, *, partial: bool) -> None:
        reports, self._reports = list(self._reports.values()), {}
        if len(reports) != count:
            raise ReportsLost(f"{len(reports)} of {count} reports")
        await self._settle(reports, await self._known() if partial else None)

    async def _forget_space(self, space_id: RoomId) -> None:
        """Without a Space there is no row; the next invite makes a new one."""
        user = from_row(await self._context.store.row(user_key(self._owner)), UserMeta)
        if user is not None and user.space_id == space_id:
            _log.warning("space_lost", owner=self._owner, space_id=space_id)
            await self._context.store.commit([DeleteRow(user_key(self._owner))])

    async def _known(self) -> Known:
        store = self._context.store
        user = from_row(await store.row(user_key(self._owner)), UserMeta)
        return Known(user, tuple(await ChatManager(store).list_all(self._owner)))

    async def _settle(self, reports: list[RoomReport], known: Known | None) -> None:
        """Decide, write the owner's row, then tell the rooms.

        `known` is None when all rooms of the owner have reported: what they say is all there is.
        """
        context = self._context
        settlement = settle_owner(self._owner, reports, context.texts, known or Known())
        stored = await context.store.row(user_key(self._owner))
        wanted = to_row(settlement.user) if settlement.user else None
        writes: list[Write] = await self._adoptions(reports)
        change = "right" if stored == wanted else "repaired" if stored else "restored"
        if wanted is None and known is not None:
            change = "right"
            self._ask_spaces(reports)
        elif stored != wanted:
            key = user_key(self._owner)
            writes.append(PutRow(key, wanted) if wanted else DeleteRow(key))
        if writes:
            await context.store.commit(writes)
        for room_id, conflict in settlement.conflicts.items():
            _log.warning(
                "room_conflict",
                room_id=room_id,
                reason=str(conflict.reason),
                detail=conflict.detail,
            )
        if known is not None:
            self._ask_others(settlement, known)
        for room_id, identity in settlement.identities.items():
            context.system.tell(room_id, IdentitySettled(identity))
        context.system.report(_settled(self._owner, change, settlement))

    def _ask_others(self, settlement: Settlement, known: Known) -> None:
        """What was settled for some rooms may change what is right for the others."""
        before, now = known.user, settlement.user
        if before is None or now is None or before == now:
            return
        if before.space_id != now.space_id:
            for chat in known.chats:
                self._context.system.tell(chat.surface_ref, RoomChanged())
        elif now.space_id not in settlement.identities:
            self._context.system.tell(now.space_id, RoomChanged())

    def _ask_spaces(self, reports: list[RoomReport]) -> None:
        """The owner's Space is not known here: let it report as well."""
        for report in reports:
            if isinstance(report.verdict, Chat):
                self._context.system.tell(report.verdict.space_id, RoomChanged())

    async def _adoptions(self, reports: list[RoomReport]) -> list[Write]:
        """Rooms that carry the nonce of an open intent are what that intent was to create."""
        nonces = {
            report.verdict.intent: report.room_id
            for report in reports
            if isinstance(report.verdict, Chat | Space) and report.verdict.intent
        }
        if not nonces:
            return []
        intents = await self._context.store.open_intents(self._owner)
        return [
            PutIntent(Creation.adopted(intent, nonces[intent.nonce]))
            for intent in intents
            if intent.step is IntentStep.CREATING and intent.nonce in nonces
        ]


def _settled(owner: UserId, change: str, settlement: Settlement) -> OwnerSettled:
    return OwnerSettled(
        owner,
        change,
        tuple(settlement.identities),
        tuple(
            (room_id, str(conflict.reason), conflict.detail)
            for room_id, conflict in settlement.conflicts.items()
        ),
    )
