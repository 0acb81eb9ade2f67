"""The reply to encrypted messages, which the bot can't read."""

from typing import Final

import anyio

from actors.chats import ChatManager
from actors.messages import IntentsWaiting, owner_address
from actors.model import ChatContext, Intent, IntentKind, IntentStep, Nonce
from actors.reading import read_if_joined
from actors.room.asked import Asked, Response
from actors.writes import PutIntent

OCCASION: Final = "encrypted"


async def about_encryption(asked: Asked) -> Response:
    """Say once in a room that its messages can't be read, and where the owner can go on.

    In an encrypted room an owner can give no command. If all of their chats are encrypted, they
    get another one without asking for it.
    """
    services, texts, message = asked.services, asked.texts, asked.message
    said = services.registry.unreadable_messages
    if not said.may_answer(asked.room_id, message.event_id, anyio.current_time(), float("inf")):
        return Response()
    here = await read_if_joined(services.homeserver, asked.room_id)
    if here is not None and not here.encrypted:
        return asked.say_once(OCCASION, texts.encrypted_message)
    if message.sender != asked.chat.user_id:
        return asked.say_once(OCCASION, texts.encrypted)
    other = await _readable_chat(asked)
    if other is not None:
        link = services.chat_link(other)
        return asked.say_once(OCCASION, texts.encrypted_continue, chat=link)
    await services.encryption.look()
    return _another_chat(asked, everywhere=services.encryption.reason is not None)


def _another_chat(asked: Asked, *, everywhere: bool) -> Response:
    """Promise the owner another chat. `everywhere`: it would be encrypted as well, so it waits."""
    owner, texts = asked.chat.user_id, asked.texts
    intent = Intent(
        Nonce(f"{OCCASION}.{asked.room_id}"),
        owner,
        IntentKind.CHAT,
        IntentStep.WANTED,
        reply_room=asked.room_id,
        told_queued=everywhere,
        asked_at=asked.services.wall_clock(),
    )
    said = asked.say_once(
        OCCASION, texts.encrypted_everywhere if everywhere else texts.encrypted_new
    )
    return Response(
        [*said.writes, PutIntent(intent, only_if_new=True)],
        promised=(owner_address(owner), IntentsWaiting()),
    )


async def _readable_chat(asked: Asked) -> ChatContext | None:
    """The owner's newest active chat that is not encrypted. Only the newest few are looked at."""
    services = asked.services
    chats = await ChatManager(services.store).list_active(asked.chat.user_id)
    others = [chat for chat in reversed(chats) if chat.surface_ref != asked.room_id]
    for chat in others[: services.bounds.related_rooms]:
        seen = await read_if_joined(services.homeserver, chat.surface_ref)
        if seen is not None and not seen.encrypted:
            return chat
    return None
