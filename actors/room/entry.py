"""Lets an owner into a room whose invite was refused, and ends that once the owner is in."""

import structlog

from actors.model import UserId
from actors.port_errors import HomeserverRefused
from actors.rules.access import admitted
from actors.services import Services
from actors.snapshots import RoomSnapshot

_log = structlog.get_logger()


async def mind_entry(services: Services, seen: RoomSnapshot, owner: UserId) -> None:
    """Answer the owner's knock, and admit only the Space's members once the owner has joined.

    A bot that is not live writes nothing on the homeserver: it looks again once it is live.
    """
    knocks = owner in seen.knocking
    joined = owner in seen.others and owner not in seen.invited
    members_of = admitted(seen, joined=joined)
    if not knocks and members_of == seen.admits:
        return
    if not services.gate.live:
        services.registry.unattended.add(seen.room_id)
        return
    try:
        if knocks:
            await services.homeserver.invite(seen.room_id, owner)
            _log.info("knock_answered", room_id=seen.room_id, owner=owner)
        else:
            await services.homeserver.let_in(seen, members_of)
    except HomeserverRefused as refusal:
        _log.warning("entry_refused", room_id=seen.room_id, owner=owner, reason=str(refusal))
