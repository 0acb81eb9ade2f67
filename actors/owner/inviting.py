"""Invites an owner to a room, and finds another way in if the invite is refused."""

from dataclasses import dataclass

import structlog

from actors.model import PAIR, RoomId, UserId
from actors.port_errors import HomeserverRefused
from actors.reading import read_if_joined
from actors.rules.access import INVITE_BLOCKED, Access, Outcome, admitted
from actors.services import Services
from actors.snapshots import RoomSnapshot

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Inviting:
    """Invites one owner. `asked_in` is the room where the owner asked, if there is one.

    If the homeserver refuses an invite, people may ask to join the room; and if only the owner and
    the bot are in `asked_in`, its members may join the room without an invite, until the owner has.
    Join rules that a person has set stay.
    """

    owner: UserId
    services: Services
    asked_in: RoomId | None

    async def invite(self, room_id: RoomId) -> Outcome:
        """Invite the owner, unless they are in the room or invited. Raises the port's errors."""
        seen = await read_if_joined(self.services.homeserver, room_id)
        if seen is None:
            return Outcome(Access.GONE)
        invites = self.services.registry.invites
        known = invites.get(self.owner, room_id)
        present = _present(seen, self.owner)
        if known is not None and known.refused and present is None:
            return known
        if known is not None and present == Outcome(Access.MEMBER) and not known.refused:
            return known  # the owner has accepted the invite meanwhile
        if present is None:
            present = await self._invite(seen)
            invites.note(self.owner, room_id, present)
        return present

    async def _invite(self, seen: RoomSnapshot) -> Outcome:
        try:
            await self.services.homeserver.invite(seen.room_id, self.owner)
        except HomeserverRefused as refusal:
            _log.warning(
                "invite_refused", room_id=seen.room_id, owner=self.owner, reason=str(refusal)
            )
            return await self._other_way(seen, refusal)
        return Outcome(Access.INVITED)

    async def _other_way(self, seen: RoomSnapshot, refusal: HomeserverRefused) -> Outcome:
        """Let the owner join without an invite, or else ask to join."""
        blocked = refusal.errcode == INVITE_BLOCKED
        reason = "" if blocked else refusal.message or refusal.errcode
        if await self._is_let_in_already(seen):
            return Outcome(Access.LINK, reason)
        if not seen.own_entry:
            return Outcome(Access.BLOCKED if blocked else Access.REFUSED, reason)
        door = await self._room_of_owner()
        members_of = admitted(seen, joined=True) | ({door} if door else frozenset())
        try:
            await self.services.homeserver.let_in(seen, members_of)
        except HomeserverRefused as again:
            _log.warning("not_let_in", room_id=seen.room_id, reason=str(again))
            return Outcome(Access.BLOCKED if blocked else Access.REFUSED, reason)
        if door is not None:
            return Outcome(Access.LINK, reason)
        return Outcome(Access.BLOCKED if blocked else Access.KNOCK, reason)

    async def _is_let_in_already(self, seen: RoomSnapshot) -> bool:
        """Whether the owner is in a room whose members may join this one, such as its Space."""
        for room_id in sorted(seen.admits):
            other = await read_if_joined(self.services.homeserver, room_id)
            if other is not None and _present(other, self.owner) == Outcome(Access.MEMBER):
                return True
        return False

    async def _room_of_owner(self) -> RoomId | None:
        """The room where the owner asked, if it has no members but the owner and the bot."""
        if self.asked_in is None:
            return None
        seen = await read_if_joined(self.services.homeserver, self.asked_in)
        if seen is None or seen.member_count != PAIR or self.owner not in seen.others:
            return None
        return self.asked_in


def _present(seen: RoomSnapshot, owner: UserId) -> Outcome | None:
    """The outcome for an owner who needs no invite or can't get one; None if one is needed."""
    if owner in seen.banned:
        return Outcome(Access.BANNED)
    if owner in seen.others:
        return Outcome(Access.INVITED if owner in seen.invited else Access.MEMBER)
    return None
