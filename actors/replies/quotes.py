"""Finds the text that a message replies to, which the platform gets as context."""

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import InboundMessage
from actors.port_errors import PortError
from actors.ports import Homeserver

_log = structlog.get_logger()


async def text_replied_to(
    message: InboundMessage,
    homeserver: Homeserver,
    slots: anyio.CapacityLimiter,
    bounds: Bounds,
) -> str:
    """The text that a message replies to, cut to `Bounds.quote_chars`; empty if there is none.

    A message that does not quote the text names its event, and the text is read from the room. If
    that fails, the message is answered without it.
    """
    quoted = message.quoted
    if not quoted and message.reply_to is not None:
        try:
            with anyio.fail_after(bounds.quote_within_s):
                async with slots:
                    quoted = await homeserver.text_of(message.room_id, message.reply_to)
        except (PortError, TimeoutError) as error:
            _log.info("quote_unread", room_id=message.room_id, reason=str(error) or "timed out")
    return quoted[: bounds.quote_chars]
