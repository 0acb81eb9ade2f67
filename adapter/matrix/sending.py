"""Sends a message in another form when the homeserver does not take it as it is."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog

from actors.model import EventId, OutboundMessage
from actors.port_errors import HomeserverRefused
from actors.rules.splitting import cut

_log = structlog.get_logger("adapter.matrix.sending")

TOO_LARGE: Final = "M_TOO_LARGE"
"""The error code for a message that is larger than the homeserver, or a proxy before it, takes."""

_RELATION_REFUSED: Final = (400, 404)
"""A refusal with one of these may be about the relation to another event alone."""
_SHORT_BYTES: Final = 4 * 1024
"""The bytes of a text that was too large even without HTML."""
_CUT: Final = "\n\n[…]"
"""Stands for the end of such a text."""


async def send_what_fits(
    message: OutboundMessage, send: Callable[[OutboundMessage], Awaitable[EventId]]
) -> EventId:
    """Send a message; without its HTML if it is too large, and cut if it still is.

    Raises the refusal of the last form.
    """
    for smaller in smaller_forms(message):
        try:
            return await send(message)
        except HomeserverRefused as refusal:
            if refusal.errcode != TOO_LARGE:
                raise
            _log.warning("message_too_large", room_id=message.room_id, txn_id=message.txn_id)
        message = smaller
    return await send(message)


async def send_somewhere(
    message: OutboundMessage, send: Callable[[OutboundMessage], Awaitable[EventId]]
) -> EventId:
    """Send a message; outside of its thread if the homeserver does not let it into that."""
    try:
        return await send(message)
    except HomeserverRefused as refusal:
        related = message.thread is not None or message.reply_to is not None
        if not related or refusal.status not in _RELATION_REFUSED:
            raise
    return await send(replace(message, thread=None, reply_to=None))


def smaller_forms(message: OutboundMessage) -> tuple[OutboundMessage, ...]:
    """What can be sent instead of a message that is too large, the best first."""
    plain = replace(message, html="")
    head, rest = cut(message.body, _SHORT_BYTES)
    short = replace(plain, body=head.rstrip() + _CUT)
    return (*((plain,) if message.html else ()), *((short,) if rest else ()))
