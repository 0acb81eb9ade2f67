"""The commands about an owner's chats: starting, naming, archiving and opening them.

See `actors.room.commands` for what a handler may do.
"""

from dataclasses import replace
from typing import Final

import anyio

from actors.chats import ChatManager
from actors.messages import IntentsWaiting, RoomChanged, owner_address
from actors.model import ChatContext, Intent, IntentKind, IntentStep, Nonce, RoomId
from actors.owner.inviting import Inviting
from actors.port_errors import HomeserverRefused
from actors.room.asked import Asked, Response
from actors.rules.access import Access, Entrance, with_ways_in
from actors.rules.chat_refs import chat_meant, chats_named
from actors.rules.commands import shortened
from actors.rules.formatting import Formatted
from actors.rules.room_states import RoomState
from actors.rules.settlement import DesiredRows
from actors.rules.wording import Link, called, worded
from actors.services import Services
from actors.writes import PutIntent

REF_SHOWN: Final = 40
"""How many characters of what names no chat the reply repeats."""


async def new(asked: Asked) -> Response:
    """`!new [name]`: write an intent for a chat; the owner's actor creates the room."""
    owner = asked.desired.room.matrix_user_id
    intent = Intent(
        Nonce(f"new.{asked.message.event_id}"),
        owner,
        IntentKind.CHAT,
        IntentStep.WANTED,
        reply_room=asked.room_id,
        reply_thread=asked.message.thread,
        name=asked.argument,
        asked_at=asked.services.wall_clock(),
    )
    return Response(
        [PutIntent(intent, only_if_new=True)], promised=(owner_address(owner), IntentsWaiting())
    )


async def list_chats(asked: Asked) -> Response:
    """`!chats`: list the owner's chats."""
    texts, services = asked.texts.chats, asked.services
    chats, gone = await _chats_of_owner(asked)
    lines = [
        worded(
            texts.list_line_archived if chat.is_archived else texts.list_line,
            chat_id=chat.chat_id,
            chat=Link(chat.name, services.link_to(chat.surface_ref), in_html=True),
        )
        for chat in chats
    ]
    if gone:
        lines.append(worded(texts.list_gone, count=gone))
    return asked.say_lines(worded(texts.list_title), *lines)


async def rename(asked: Asked) -> Response:
    """`!rename <name>`: name the room and the chat."""
    name, texts = asked.argument, asked.texts.chats
    if name is None:
        return asked.say(texts.rename_needs_name)
    await asked.services.homeserver.set_name(asked.room_id, name)
    renamed = DesiredRows(
        replace(asked.desired.room, display_name=name), replace(asked.chat, name=name)
    )
    return replace(asked.say(texts.renamed, name=name), desired=renamed)


async def archive(asked: Asked) -> Response:
    """`!archive`: ask the owner to confirm."""
    texts, chat = asked.texts.chats, asked.chat
    if chat.is_archived:
        return asked.say_lines(_about(chat, texts.already_archived))
    services = asked.services
    until = anyio.current_time() + services.bounds.confirm_within_s
    services.registry.questions.ask(asked.room_id, until)
    return asked.say_lines(_about(chat, texts.archive_confirm))


async def yes(asked: Asked) -> Response:
    """`!yes`: archive the chat, if the owner was asked to confirm that."""
    texts, chat = asked.texts.chats, asked.chat
    if not _answers_question(asked):
        # A kill after the marker was written loses the question, and the chat is archived already.
        said = texts.already_archived if chat.is_archived else texts.nothing_to_confirm
        return asked.say_lines(_about(chat, said))
    await _mark_archived(asked.services, asked.room_id, archived=True)
    return _with_archived(asked, texts.archived, archived=True)


async def no(asked: Asked) -> Response:
    """`!no`: keep the chat, if the owner was asked to confirm the archiving."""
    texts = asked.texts.chats
    return asked.say(texts.archive_kept if _answers_question(asked) else texts.nothing_to_confirm)


async def open_chat(asked: Asked) -> Response:
    """`!open <number or name>`: invite the owner to a chat again, and take it from the archive."""
    texts, ref = asked.texts.chats, asked.argument
    if ref is None:
        return asked.say(texts.open_needs_name)
    chats = await _all_chats(asked)
    chat = chat_meant(ref, chats)
    if chat is None:
        named = ", ".join(each.chat_id for each in chats_named(ref, chats))
        said = texts.several_meant if named else texts.unknown
        return asked.say(said, ref=shortened(ref, REF_SHOWN), ids=named)
    if chat.surface_ref not in await asked.services.homeserver.joined_rooms():
        asked.services.tell_room(chat.surface_ref, RoomChanged())
        return asked.say_lines(_about(chat, texts.gone))
    return await _open(asked, chat)


async def _open(asked: Asked, chat: ChatContext) -> Response:
    """Invite the owner to a chat again, and take it out of the archive."""
    texts, services = asked.texts.chats, asked.services
    if chat.is_archived:
        await _mark_archived(services, chat.surface_ref, archived=False)
    if chat.surface_ref == asked.room_id:
        here = texts.opened_again_here if chat.is_archived else texts.opened_here
        return _with_archived(asked, here, archived=False)
    owner, link = asked.desired.room.matrix_user_id, services.chat_link(chat)
    outcome = await Inviting(owner, services, asked.room_id).invite(chat.surface_ref)
    services.registry.invites.forget(owner)
    if outcome.access is Access.MEMBER:
        return asked.say(
            texts.opened_again_there if chat.is_archived else texts.opened_there, chat=link
        )
    if outcome.access is Access.INVITED:
        return asked.say(texts.opened_again if chat.is_archived else texts.opened, chat=link)
    opening = _about(chat, texts.opened_again_made if chat.is_archived else texts.opened_made)
    return asked.say_lines(*with_ways_in(opening, [Entrance(link, outcome)], asked.texts))


async def status(asked: Asked) -> Response:
    """`!status`: say which chat this is, and how many chats the owner has."""
    chats, _ = await _chats_of_owner(asked)
    archived = sum(each.is_archived for each in chats)
    return asked.say(
        asked.texts.chats.status,
        chat=called(asked.chat.name, asked.chat.chat_id),
        active=len(chats) - archived,
        archived=archived,
    )


# ------------------------------------------------------------ what handlers share


async def _all_chats(asked: Asked) -> list[ChatContext]:
    return await ChatManager(asked.services.store).list_all(asked.desired.room.matrix_user_id)


async def _chats_of_owner(asked: Asked) -> tuple[list[ChatContext], int]:
    """The owner's chats that the bot is in, and the number of the others.

    A room that was purged shows no leave: its actor is told to look.
    """
    services = asked.services
    chats = await _all_chats(asked)
    joined = await services.homeserver.joined_rooms()
    gone = [chat for chat in chats if chat.surface_ref not in joined]
    for chat in gone:
        if services.states.of(chat.surface_ref) is not RoomState.LEFT:
            services.tell_room(chat.surface_ref, RoomChanged())
    return [chat for chat in chats if chat.surface_ref in joined], len(gone)


def _answers_question(asked: Asked) -> bool:
    questions, now = asked.services.registry.questions, anyio.current_time()
    return questions.takes(asked.room_id, asked.message.event_id, now)


async def _mark_archived(services: Services, room_id: RoomId, *, archived: bool) -> None:
    """Write into the room's marker whether the chat is archived; a rebuild reads it there."""
    seen = await services.homeserver.read_room(room_id)
    if seen.marker is None:
        raise HomeserverRefused(404, "M_NOT_FOUND", "the chat is not set up completely yet")
    if seen.marker.archived != archived:
        await services.homeserver.write_marker(room_id, replace(seen.marker, archived=archived))


def _with_archived(asked: Asked, text: str, *, archived: bool) -> Response:
    """Reply about this room's chat, and set in its row whether it is archived."""
    desired = replace(asked.desired, chat=replace(asked.chat, is_archived=archived))
    return replace(asked.say_lines(_about(asked.chat, text)), desired=desired)


def _about(chat: ChatContext, sentence: str) -> Formatted:
    return worded(sentence, chat=called(chat.name, chat.chat_id), chat_id=chat.chat_id)
