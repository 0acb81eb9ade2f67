"""Finding out whether the homeserver refuses the account, or only one request.

One room can refuse a request with a code that is about the account, and an account that may not
write can still read. So a refusal is confirmed in other rooms before it counts for the whole bot,
and the bot comes back only when the account may write again.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from actors.gate import Gate
from actors.model import RoomId
from actors.port_errors import HomeserverRefused, RefusedForNow
from actors.ports import Homeserver
from actors.runtime.background import Background

_log = structlog.get_logger()

A = TypeVar("A")


def _ignore(refusal: RefusedForNow) -> None:
    """Do nothing: the bot is not live, and its activity receives the error itself."""


@dataclass(slots=True)
class Refusals:
    """What the homeserver refuses for now. Every request of the bot passes `watch`."""

    homeserver: Homeserver
    gate: Gate
    background: Background
    rooms_asked: int
    tell: Callable[[RefusedForNow], None] = _ignore
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

    async def check(self) -> None:
        """Return if the account may write. Raises RefusedForNow, and what requests raise.

        An account without rooms joins those that it was not allowed to: nothing else shows what it
        may do.
        """
        joined = await self.homeserver.joined_rooms()
        refusal = await refusal_in(self.homeserver, sorted(joined)[: self.rooms_asked])
        for room_id in () if joined else sorted(self._invited):
            refusal = await _refusal_of(self.homeserver.join(room_id))
            if refusal is None:
                break
        if refusal is not None:
            raise refusal
        self._latest = None
        self._invited.clear()

    async def _confirm(self, room_id: RoomId | None, refusal: RefusedForNow) -> None:
        """Tell of a refusal that other rooms confirm, or that no other room can."""
        try:
            joined = await self.homeserver.joined_rooms()
            others = sorted(joined - {room_id})[: self.rooms_asked] or sorted(joined)
            confirmed = await refusal_in(self.homeserver, others) if joined else refusal
        except RefusedForNow as error:
            confirmed = error
        finally:
            self._confirming = False
        if confirmed is not None:
            self.tell(confirmed)
            return
        self._latest = None
        _log.warning("refused_in_one_room", room_id=room_id, reason=str(refusal))


async def refusal_in(homeserver: Homeserver, rooms: Iterable[RoomId]) -> RefusedForNow | None:
    """The refusal of an account that may write in none of these rooms; None if it may in one.

    Nothing is written. Raises what requests raise.
    """
    refusal = None
    for room_id in rooms:
        refusal = await _refusal_of(homeserver.try_writing(room_id))
        if refusal is None:
            return None
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
