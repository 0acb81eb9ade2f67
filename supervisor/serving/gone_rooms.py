"""Rooms that the cache knows and the bot is not in: a room that was purged shows no leave."""

from collections.abc import Collection

import structlog

from actors.messages import RoomLeft
from actors.model import RoomId
from actors.reading import known_rooms
from actors.rules.room_states import RoomState
from actors.services import Services
from actors.writes import drop_queued

_log = structlog.get_logger()


async def note_gone_rooms(services: Services, joined: Collection[RoomId]) -> None:
    """Treat known rooms as left if the bot has not joined them."""
    gone = sorted(await known_rooms(services.store) - set(joined))
    new = [room_id for room_id in gone if services.states.of(room_id) is not RoomState.LEFT]
    if new:
        _log.warning("rooms_gone", rooms=len(new))
        await services.store.commit([it for room_id in new for it in drop_queued(room_id)])
    for room_id in new:
        services.registry.gaps.void(room_id)
        services.tell_room(room_id, RoomLeft())
