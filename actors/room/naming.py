"""Names a Space after its owner, as long as no person has renamed it."""

import structlog

from actors.model import UserId
from actors.port_errors import HomeserverRefused
from actors.rules.commands import person_called
from actors.services import Services
from actors.snapshots import RoomSnapshot

_log = structlog.get_logger()


async def mind_name(services: Services, seen: RoomSnapshot, owner: UserId) -> None:
    """Bring a Space's name in line with the owner's display name and language.

    Only a Space that keeps following its owner has it, and only a name that the bot gave changes.
    A bot that is not live writes nothing on the homeserver: it looks again once it is live.
    """
    settings, name = seen.space_settings, seen.names.get(owner)
    if settings is None or not settings.follows_owner or not seen.own_name or name is None:
        return
    texts = await services.languages.texts_of(owner)
    wanted = texts.space_name.format(owner=person_called(owner, name))
    if wanted == seen.name:
        return
    if not services.gate.live:
        services.registry.unattended.add(seen.room_id)
        return
    try:
        await services.homeserver.set_name(seen.room_id, wanted)
        _log.info("space_renamed", room_id=seen.room_id, owner=owner)
    except HomeserverRefused as refusal:
        _log.warning("space_not_renamed", room_id=seen.room_id, reason=str(refusal))
