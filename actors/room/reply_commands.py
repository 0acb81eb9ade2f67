"""The commands about the answers and the conversation in one chat.

See `actors.room.commands` for what a handler may do.
"""

from dataclasses import replace

import structlog

from actors.replies.preparing import conversation_of
from actors.replies.values import Dropped
from actors.room.asked import Asked, Response
from actors.rules.wording import worded
from actors.runtime.apart import call_apart
from actors.writes import QueueMessage, Write

_log = structlog.get_logger()


async def stop(asked: Asked) -> Response:
    """`!stop`: end the answer that is in work. What was said so far is sent with the response."""
    texts = asked.texts.commands
    is_stopped = asked.services.replies.stop(asked.room_id)
    return asked.say(texts.stopped if is_stopped else texts.nothing_to_stop)


async def retry(asked: Asked) -> Response:
    """`!retry`: ask the last question again.

    If it is in work, it begins anew. Any other question in work is answered first.
    """
    if asked.is_for_archive:
        return asked.say(asked.texts.chats.is_archived, chat_id=asked.chat.chat_id)
    services = asked.services
    about = await services.histories.question_of(asked.message)
    if about is None:
        # The question of an answer that was begun is deleted or forgotten: the answer is as well.
        return Response() if asked.is_begun else asked.say(asked.texts.commands.nothing_to_retry)
    reply = services.replies.of(asked.room_id)
    if reply is not None and reply.question.asked.event_id == about.event_id:
        services.replies.stop(asked.room_id, silently=True)
    return Response(question=asked.question(about))


async def forget(asked: Asked) -> Response:
    """`!forget`: forget the conversation so far, in a thread only that of the thread."""
    services, thread, texts = asked.services, asked.message.thread, asked.texts.commands
    chat = asked.question().chat
    failure = await call_apart(
        lambda: services.platform.forget(conversation_of(chat, thread)),
        within_s=services.bounds.platform_check_s,
        leave_within_s=services.bounds.platform_close_s,
    )
    if failure is not None:
        _log.warning("forget_failed", room_id=asked.room_id, error=repr(failure))
        return asked.say(texts.not_forgotten)
    said = [texts.forgotten if thread is None else texts.forgotten_in_thread]
    reply = services.replies.of(asked.room_id)
    if reply is not None and reply.question.asked.thread == thread:
        services.replies.stop(asked.room_id, silently=True)
        said += [texts.forgotten_in_work] * isinstance(reply.stopped_with, Dropped)
    response = asked.say(" ".join(said))
    return replace(response, writes=[_forgetting(write) for write in response.writes])


def _forgetting(write: Write) -> Write:
    if isinstance(write, QueueMessage):
        return QueueMessage(replace(write.message, forgets=True))
    return write


async def usage(asked: Asked) -> Response:
    """`!usage`: say how many tokens the last answer in this chat took, and all of them."""
    texts = asked.texts.commands
    used = await asked.services.histories.usage(asked.room_id)
    if not used:
        return asked.say(texts.usage_unknown)
    last = used[-1]
    lines = [
        worded(
            texts.usage_last,
            model=last.model or texts.value_default,
            read=last.prompt,
            written=last.completion,
        ),
        worded(
            texts.usage_all,
            count=len(used),
            read=sum(each.prompt for each in used),
            written=sum(each.completion for each in used),
        ),
    ]
    return asked.say_lines(*lines)
