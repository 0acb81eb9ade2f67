"""Finding out whether the homeserver refuses the account, or only one request.

One room can refuse a request with a code that is about the account, and an account that may not
write can still read. So a refusal is confirmed in other rooms before it counts for the whole bot,
and the bot comes back only when the account may write again.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from actors.gate import Gate
from actors.model import RoomId
from actors.ports import Homeserver, HomeserverRefused, RefusedForNow
from actors.runtime.background import Background

_log = structlog.get_logger()

A = TypeVar("A")


def _tell_nobody(refusal: RefusedForNow) -> None:
    """Do nothing: the bot is not live, and its activity receives the error itself."""


@dataclass(slots=True)
class Refusals:
    """What the homeserver refuses for now. Every request of the bot passes `watch`."""

    homeserver: Homeserver
    gate: Gate
    background: Background
    rooms_asked: int
    tell: Callable[[RefusedForNow], None] = _tell_nobody
    """Receives a refusal that is confirmed to be about the account or the server."""
    _latest: RefusedForNow | None = field(default=None, init=False)
    _invited: set[RoomId] = field(default_factory=set, init=False)
    """Rooms that the bot was not allowed to join."""
    _confirming: bool = field(default=False, init=False)

    @property
    def pending(self) -> bool:
        """Whether a refusal was seen and the account has not been found well since."""
        return self._latest is not None

    async def watch(
        self, request: Awaitable[A], room_id: RoomId | None = None, *, joining: bool = False
    ) -> A:
        """Await a request and note its refusal for now. Raises what the request raises.

        While the bot is live, the refusal is confirmed in the background.
        """
        try:
            return await request
        except RefusedForNow as refusal:
            self._latest = refusal
            if joining and room_id is not None:
                self._invited.add(room_id)
            if self.gate.live and not self._confirming:
                self._confirming = True
                self.background.run(self._confirm, room_id, refusal)
            raise

    async def check(self, apart_from: RoomId | None = None) -> None:
        """Return if the account may write. Raises RefusedForNow, and what requests raise."""
        refusal = await refusal_of_account(
            self.homeserver,
            rooms_asked=self.rooms_asked,
            apart_from=apart_from,
            invited=self._invited,
        )
        if refusal is not None:
            raise refusal
        self._latest = None
        self._invited.clear()

    async def _confirm(self, room_id: RoomId | None, refusal: RefusedForNow) -> None:
        try:
            await self.check(apart_from=room_id)
        except RefusedForNow as confirmed:
            self.tell(confirmed)
        else:
            _log.warning("refused_in_one_room", room_id=room_id, reason=str(refusal))
        finally:
            self._confirming = False


async def refusal_of_account(
    homeserver: Homeserver,
    *,
    rooms_asked: int,
    apart_from: RoomId | None = None,
    invited: Collection[RoomId] = (),
) -> RefusedForNow | None:
    """The refusal of an account that may not write; None if it may, or has no room to ask in.

    A few joined rooms are asked, other ones than `apart_from` if possible; only a refusal in all of
    them counts. An account without rooms joins one that it is invited to: nothing else shows what
    it may do.
    """
    joined = await homeserver.joined_rooms()
    others = sorted(joined - {apart_from})[:rooms_asked]
    refusal = None
    for room_id in others or sorted(joined):
        refusal = await _refusal_of(homeserver.try_writing(room_id))
        if refusal is None:
            return None
    if not joined:
        for room_id in sorted(invited):
            refusal = await _refusal_of(homeserver.join(room_id))
    return refusal


async def _refusal_of(request: Awaitable[object]) -> RefusedForNow | None:
    """The refusal of the account; None if the request was carried out, or refused otherwise."""
    try:
        await request
    except RefusedForNow as refusal:
        return refusal
    except HomeserverRefused:
        return None
    return None
