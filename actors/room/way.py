"""Tells an owner who writes in a direct chat the way to their chats."""

import anyio

from actors.chats import ChatManager
from actors.model import InboundMessage, UserMeta
from actors.replies.values import reply_message
from actors.rows import from_row, user_key
from actors.rules.wording import worded
from actors.services import Services
from actors.writes import QueueMessage, Write


async def way_for(message: InboundMessage, services: Services) -> list[Write]:
    """The write of one line with the way, if the sender has a Space and a chat; else nothing.

    A room gets the line at most once in `Bounds.way_again_s`. Its transaction id is that of the
    message, so a message that is handled again gets no second line.
    """
    owner = message.sender
    user = from_row(await services.store.row(user_key(owner)), UserMeta)
    chats = await ChatManager(services.store).list_active(owner)
    if user is None or not chats:
        return []
    now, again_s = anyio.current_time(), services.bounds.way_again_s
    if not services.registry.ways.may_answer(message.room_id, message.event_id, now, again_s):
        return []
    said = worded(
        (await services.languages.texts_of(owner)).way,
        space=await services.space_link(user.space_id),
        chat=services.chat_link(chats[-1]),
    )
    return [QueueMessage(reply_message(message, f"{message.event_id}.way", said, notice=True))]
