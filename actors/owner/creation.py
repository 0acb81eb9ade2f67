"""Carries out an owner's intents, one step at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import anyio
import structlog

from actors.messages import IntentsWaiting, owner_address
from actors.model import Intent, IntentKind
from actors.owner.onboarding import Onboarding
from actors.owner.room_creation import RoomCreation
from actors.owner.turns import Turns
from actors.owner.work import OwnerWork
from actors.port_errors import RateLimited, RefusedForNow, RefusedUnclearly

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Creation:
    """Carries out one owner's intents. Only the owner's actor uses it: one step at a time."""

    work: OwnerWork

    @property
    def turns(self) -> Turns:
        """The owner's turn to get rooms."""
        return Turns(self.work)

    async def carry_out(self) -> None:
        """Take every open intent as far as possible in order of rank; stop when one must wait.

        Rooms are created in the owner's turn. A short wait for the homeserver keeps the turn, and
        anything else that stops the creation ends it.
        """
        try:
            await self._carry_out()
        except RateLimited as limit:
            self.turns.limited(limit)
            raise
        except BaseException:
            self.turns.step_back()
            raise
        self.turns.rest()

    async def _carry_out(self) -> None:
        """Reports of rooms are handled first: they may be about the very room to create."""
        services, gate = self.work.services, self.work.services.gate
        ended: Intent | None = None
        while gate.live and gate.creating:
            intents = await services.store.open_intents(self.work.owner)
            if ended is not None and all(intent.nonce != ended.nonce for intent in intents):
                self.turns.finish_round()
            if not intents:
                self.turns.leave()
                return
            if services.system.has_mail_for(owner_address(self.work.owner)):
                self.turns.keep()
                services.tell_owner(self.work.owner, IntentsWaiting())
                return
            # An invite that must wait holds up nothing else of its owner.
            due = [each for each in intents if not _is_invite(each) or self._is_due(each)]
            if not due:
                self._come_back_to(intents)
                break
            intent = min(due, key=_rank)
            if _makes_room(intent) and not await self.turns.take(intent):
                return
            if not await self._advance(intent):
                return
            ended = intent if _ends_round(intent) else None
        self.turns.step_back()

    async def _advance(self, intent: Intent) -> bool:
        """Take one step. False: the intent must wait, and a later message continues it."""
        if not self._is_due(intent):
            self._come_back_to([intent])
            self.turns.step_back()
            return False
        try:
            return await self._step(intent)
        except (RefusedForNow, RefusedUnclearly) as refusal:
            self._put_off(intent, refusal)
            self.turns.step_back()
            return _is_invite(intent)

    def _is_due(self, intent: Intent) -> bool:
        now = anyio.current_time()
        return self.work.services.registry.put_off.is_due(intent.nonce, now)

    def _come_back_to(self, intents: Sequence[Intent]) -> None:
        """Look again when the first of some intents is due that were put off."""
        now, put_off = anyio.current_time(), self.work.services.registry.put_off
        self.work.look_again(min(put_off.wait_s(intent.nonce, now) for intent in intents))

    def _put_off(self, intent: Intent, refusal: Exception) -> None:
        """Keep an intent that was refused unclearly or for now, and come back to it later."""
        services, bounds = self.work.services, self.work.services.bounds
        wait_s = services.registry.put_off.note(
            intent.nonce,
            anyio.current_time(),
            first_s=bounds.put_off_first_s,
            cap_s=bounds.put_off_cap_s,
        )
        _log.warning(
            "intent_put_off",
            owner=self.work.owner,
            kind=str(intent.kind),
            room_id=intent.reply_room,
            reason=str(refusal),
            next_try_in_s=wait_s,
        )
        self.work.look_again(wait_s)

    async def _step(self, intent: Intent) -> bool:
        match intent.kind:
            case IntentKind.INVITED:
                await Onboarding(self.work).answer_invite(intent)
                return True
            case IntentKind.ONBOARD:
                await Onboarding(self.work).onboard(intent)
                return True
            case IntentKind.SPACE | IntentKind.FIRST_CHAT | IntentKind.CHAT:
                return await RoomCreation(self.work).make(intent)
            case _:
                assert_never(intent.kind)


def _is_invite(intent: Intent) -> bool:
    return intent.kind is IntentKind.INVITED


def _makes_room(intent: Intent) -> bool:
    return intent.kind not in {IntentKind.INVITED, IntentKind.ONBOARD}


def _ends_round(intent: Intent) -> bool:
    """Whether the end of this intent ends the owner's turn. A first chat belongs to its Space."""
    return intent.kind in {IntentKind.FIRST_CHAT, IntentKind.CHAT}


def _rank(intent: Intent) -> int:
    """The rank of an intent: the lowest goes first, and among equals the oldest.

    A promised Space is created before its first chat, and before an onboarding looks whether the
    owner has one. An onboarding that only shows the way back does not wait for a chat.
    """
    match intent.kind:
        case IntentKind.INVITED:
            return 0
        case IntentKind.SPACE:
            return 1
        case IntentKind.FIRST_CHAT:
            return 2
        case IntentKind.ONBOARD:
            return 3
        case IntentKind.CHAT:
            return 4
        case _:
            assert_never(intent.kind)
