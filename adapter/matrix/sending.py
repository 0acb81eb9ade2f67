"""Sends messages, edits and redactions; in another form if the homeserver does not take them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import structlog

from actors.model import EventId, OutboundKind, OutboundMessage, RoomId
from actors.port_errors import HomeserverRefused
from actors.rules.splitting import cut
from adapter.matrix.bodies import Sent
from adapter.matrix.connection import path_to
from adapter.matrix.contents import message_content
from adapter.matrix.writing import Writer

_log = structlog.get_logger("adapter.matrix.sending")

TOO_LARGE: Final = "M_TOO_LARGE"
"""The error code for a message that is larger than the homeserver, or a proxy before it, takes."""

_RELATION_REFUSED: Final = (400, 404)
"""A refusal with one of these may be about the relation to another event alone."""
_SHORT_BYTES: Final = 4 * 1024
"""The bytes of a text that was too large even without HTML."""
_CUT: Final = "\n\n[…]"
"""Stands for the end of such a text."""

HasEvent: TypeAlias = Callable[[RoomId, EventId], Awaitable[bool]]
"""Whether the homeserver shows an event of a room to the bot."""


class Sender:
    """Sends for the gateway. Raises the errors of `actors.ports.Homeserver`."""

    def __init__(self, writer: Writer, has_event: HasEvent) -> None:
        self._writer = writer
        self._has_event = has_event

    async def send(self, message: OutboundMessage) -> EventId:
        """Send what the outbox or a growing answer has. A live edit never waits.

        ValueError for a live edit or a redaction without a target: nothing else stands for it.
        """
        match message.kind:
            case OutboundKind.REDACTION:
                return await self._redact(message, _target_of(message))
            case OutboundKind.LIVE:
                _target_of(message)
                return await send_what_fits(message, self._send_now)
            case OutboundKind.MESSAGE | OutboundKind.ANCHOR | OutboundKind.FINAL:
                somewhere = partial(send_somewhere, send=self._send, has_event=self._has_event)
                return await send_what_fits(message, somewhere)

    async def _send(self, message: OutboundMessage) -> EventId:
        path, content = _path_of(message), message_content(message)
        return EventId((await self._writer.write("PUT", path, Sent, content, urgent=True)).event_id)

    async def _send_now(self, message: OutboundMessage) -> EventId:
        path, content = _path_of(message), message_content(message)
        return EventId((await self._writer.write_now("PUT", path, Sent, content)).event_id)

    async def _redact(self, message: OutboundMessage, target: EventId) -> EventId:
        path = path_to("rooms", message.room_id, "redact", target, message.txn_id)
        return EventId((await self._writer.write("PUT", path, Sent, {}, urgent=True)).event_id)


def _path_of(message: OutboundMessage) -> str:
    return path_to("rooms", message.room_id, "send", "m.room.message", message.txn_id)


def _target_of(message: OutboundMessage) -> EventId:
    if message.target is None:
        raise ValueError(f"a {message.kind} needs a target")
    return message.target


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
    message: OutboundMessage,
    send: Callable[[OutboundMessage], Awaitable[EventId]],
    has_event: HasEvent,
) -> EventId:
    """Send a message; without its relation to an event if the homeserver refuses that.

    A final of an anchor that is gone becomes a message in the answer's thread; as long as the
    anchor is there, it is refused. A message that the homeserver does not let into its thread is
    sent outside of it.
    """
    for elsewhere in other_places(message):
        try:
            return await send(message)
        except HomeserverRefused as refusal:
            if refusal.status not in _RELATION_REFUSED or refusal.errcode == TOO_LARGE:
                raise
            if message.target is not None and await has_event(message.room_id, message.target):
                raise
        message = elsewhere
    return await send(message)


def other_places(message: OutboundMessage) -> tuple[OutboundMessage, ...]:
    """What can be sent instead of a message whose relation is refused, the best first."""
    related = message.thread is not None or message.reply_to is not None
    anew = replace(message, target=None)
    unrelated = replace(anew, thread=None, reply_to=None)
    return (*((anew,) if message.target else ()), *((unrelated,) if related else ()))


def smaller_forms(message: OutboundMessage) -> tuple[OutboundMessage, ...]:
    """What can be sent instead of a message that is too large, the best first."""
    plain = replace(message, html="")
    head, rest = cut(message.body, _SHORT_BYTES)
    short = replace(plain, body=head.rstrip() + _CUT)
    return (*((plain,) if message.html else ()), *((short,) if rest else ()))
