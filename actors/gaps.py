"""What a limited timeline left out of a room: fetching it, and what of it is worth keeping."""

from typing import Final

import structlog

from actors.model import InboundMessage, RoomId
from actors.ports import Gap, Homeserver, HomeserverRefused

_log = structlog.get_logger()

GAP_LIMIT: Final = 5_000
"""Messages of one room's gap that are fetched; older ones are given up, and the log says so."""


async def fetch_gap(homeserver: Homeserver, room_id: RoomId, token: str, *, stop_at: str) -> Gap:
    """Read backwards from `token` to `stop_at`; empty where that is refused.

    Raises HomeserverUnavailable and RateLimited.
    """
    try:
        gap = await homeserver.messages_before(room_id, token, stop_at=stop_at, limit=GAP_LIMIT)
    except HomeserverRefused as refusal:
        _log.warning("gap_refused", room_id=room_id, reason=str(refusal))
        return Gap()
    if len(gap.messages) >= GAP_LIMIT:
        _log.error("gap_too_long", room_id=room_id, limit=GAP_LIMIT)
    return gap


def worth_accepting(message: InboundMessage) -> bool:
    """Notices are other bots' talk, and an edit is not a new message."""
    return message.msgtype != "m.notice" and not message.is_edit
