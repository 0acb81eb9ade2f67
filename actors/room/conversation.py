"""What a chat room answers to a message: commands here, everything else from the platform."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

import anyio

from actors.chats import ChatManager
from actors.messages import Address, IntentsWaiting, Message, owner_address
from actors.model import (
    ENCRYPTED_TYPE,
    ChatContext,
    ChatId,
    InboundMessage,
    Intent,
    IntentKind,
    IntentStep,
    Nonce,
    OutboundMessage,
    RoomId,
)
from actors.ports import HomeserverRefused, PlatformFailed
from actors.rules.classify import derived_platform_chat_id
from actors.rules.commands import (
    NAME_LIMIT,
    Answer,
    Archive,
    Chats,
    Command,
    Help,
    New,
    Open,
    Rename,
    Status,
    Unknown,
    parse,
)
from actors.rules.numbering import chat_number
from actors.rules.settlement import Identity
from actors.services import Services
from actors.writes import PutIntent, QueueMessage, Write

TEXT_TYPES: Final = frozenset({"m.text", "m.emote"})
BODY_LIMIT: Final = 10_000
"""Characters in one message: a Matrix event may have 65,536 bytes, JSON may need six for one."""


@dataclass(frozen=True, slots=True)
class Response:
    """What follows from one message.

    `identity` is set when the room's rows must change; `promised` is told after the commit.
    """

    writes: Sequence[Write] = ()
    identity: Identity | None = None
    promised: tuple[Address, Message] | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """One chat room's side of the talk. Remembers nothing by itself."""

    room_id: RoomId
    services: Services

    async def respond(self, message: InboundMessage, identity: Identity) -> Response:
        """Answer one message. Raises PlatformFailed and what the homeserver raises.

        May be repeated for the same message: every step of it is idempotent.
        """
        texts, chat = self.services.texts, _chat(identity)
        if message.msgtype == ENCRYPTED_TYPE:
            return self._say_once("encrypted", texts.encrypted)
        if message.msgtype not in TEXT_TYPES:
            return self._say(message, texts.not_text)
        command = parse(message.body) if message.msgtype == "m.text" else None
        if command is not None:
            if message.sender != chat.user_id:
                return self._say(message, texts.owner_only.format(owner=chat.user_id))
            return await self._obey(command, message, identity)
        if not message.body.strip():
            return Response()
        if chat.is_archived:
            return self._say(message, texts.chat_is_archived.format(chat_id=chat.chat_id))
        return await self._converse(message, identity)

    async def _converse(self, message: InboundMessage, identity: Identity) -> Response:
        known = identity.room.platform_chat_id
        conversation = known or derived_platform_chat_id(self.room_id)
        timeout_s = self.services.bounds.platform_timeout_s
        done = anyio.Event()
        self.services.system.background.run(self.services.show_typing, self.room_id, done)
        try:
            async with self.services.platform_slots:
                with anyio.fail_after(timeout_s):
                    reply = await self.services.platform.reply(
                        conversation, message.body, message.event_id
                    )
        except TimeoutError as error:
            raise PlatformFailed(f"no answer within {timeout_s:g} s") from error
        finally:
            done.set()
        self.services.failures.platform_answered()
        return self._say(message, reply, notice=False)

    async def _obey(
        self, command: Command, message: InboundMessage, identity: Identity
    ) -> Response:
        try:
            return await self._carry_out(command, message, identity)
        except HomeserverRefused as refusal:
            reason = refusal.message or refusal.errcode
            return self._say(
                message, self.services.texts.not_allowed_by_server.format(reason=reason)
            )

    async def _carry_out(
        self, command: Command, message: InboundMessage, identity: Identity
    ) -> Response:
        texts = self.services.texts
        match command:
            case Help():
                return self._say(message, texts.help)
            case New(name):
                return self._new(message, identity, name)
            case Chats():
                return self._say(message, await self._list(identity))
            case Rename(name):
                return await self._rename(message, identity, name)
            case Archive():
                return self._ask_archive(message, identity)
            case Answer(yes):
                return await self._confirm(message, identity, yes=yes)
            case Open(ref):
                return await self._open(message, identity, ref)
            case Status():
                return self._say(message, await self._status(identity))
            case Unknown(word):
                return self._say(message, texts.unknown_command.format(word=word))
            case _:
                assert_never(command)

    # ------------------------------------------------------------ one command each

    def _new(self, message: InboundMessage, identity: Identity, name: str | None) -> Response:
        if name is not None and len(name) > NAME_LIMIT:
            return self._say(message, self._too_long(name))
        owner = identity.room.matrix_user_id
        intent = Intent(
            Nonce(f"new.{message.event_id}"),
            owner,
            IntentKind.CHAT,
            IntentStep.WANTED,
            reply_room=self.room_id,
            name=name,
        )
        return Response(
            [PutIntent(intent, only_if_new=True)], promised=(owner_address(owner), IntentsWaiting())
        )

    async def _list(self, identity: Identity) -> str:
        texts = self.services.texts
        chats = await ChatManager(self.services.store).list_all(identity.room.matrix_user_id)
        lines = [
            (texts.chats_line_archived if chat.is_archived else texts.chats_line).format(
                chat_id=chat.chat_id, name=chat.name
            )
            for chat in chats
        ]
        return "\n".join([texts.chats_title, *lines])

    async def _rename(
        self, message: InboundMessage, identity: Identity, name: str | None
    ) -> Response:
        texts = self.services.texts
        if name is None:
            return self._say(message, texts.rename_needs_name)
        if len(name) > NAME_LIMIT:
            return self._say(message, self._too_long(name))
        await self.services.homeserver.set_name(self.room_id, name)
        renamed = Identity(
            replace(identity.room, display_name=name), replace(_chat(identity), name=name)
        )
        return replace(self._say(message, texts.renamed.format(name=name)), identity=renamed)

    def _ask_archive(self, message: InboundMessage, identity: Identity) -> Response:
        texts, chat = self.services.texts, _chat(identity)
        if chat.is_archived:
            return self._say(
                message, texts.already_archived.format(name=chat.name, chat_id=chat.chat_id)
            )
        until = anyio.current_time() + self.services.bounds.confirm_within_s
        self.services.registry.questions.ask(self.room_id, until)
        return self._say(
            message, texts.archive_confirm.format(name=chat.name, chat_id=chat.chat_id)
        )

    async def _confirm(self, message: InboundMessage, identity: Identity, *, yes: bool) -> Response:
        texts, chat = self.services.texts, _chat(identity)
        questions, now = self.services.registry.questions, anyio.current_time()
        if not questions.takes(self.room_id, message.event_id, now):
            return self._say(message, texts.nothing_to_confirm)
        if not yes:
            return self._say(message, texts.archive_kept)
        await self._mark_archived(self.room_id, archived=True)
        text = texts.archived.format(name=chat.name, chat_id=chat.chat_id)
        archived = replace(identity, chat=replace(chat, is_archived=True))
        return replace(self._say(message, text), identity=archived)

    async def _open(self, message: InboundMessage, identity: Identity, ref: str | None) -> Response:
        texts = self.services.texts
        if ref is None:
            return self._say(message, texts.open_needs_id)
        owner = identity.room.matrix_user_id
        chat = None
        if chat_number(ref) is not None:
            chat = await ChatManager(self.services.store).get(owner, ChatId(ref))
        if chat is None:
            return self._say(message, texts.no_such_chat.format(ref=ref[:20]))
        if chat.is_archived:
            await self._mark_archived(chat.surface_ref, archived=False)
        if chat.surface_ref == self.room_id:
            text = texts.opened_here.format(name=chat.name, chat_id=chat.chat_id)
            opened = replace(identity, chat=replace(chat, is_archived=False))
            return replace(self._say(message, text), identity=opened)
        await self.services.homeserver.invite(chat.surface_ref, owner)
        link = self.services.link_to(chat.surface_ref)
        text = texts.opened_again if chat.is_archived else texts.opened
        return self._say(message, text.format(name=chat.name, chat_id=chat.chat_id, link=link))

    async def _status(self, identity: Identity) -> str:
        chat = _chat(identity)
        chats = await ChatManager(self.services.store).list_all(chat.user_id)
        archived = sum(each.is_archived for each in chats)
        return self.services.texts.status.format(
            name=chat.name,
            chat_id=chat.chat_id,
            active=len(chats) - archived,
            archived=archived,
        )

    # ------------------------------------------------------------ what they share

    async def _mark_archived(self, room_id: RoomId, *, archived: bool) -> None:
        """Write it into the room's marker, where the next rebuild finds it."""
        homeserver = self.services.homeserver
        seen = await homeserver.read_room(room_id)
        if seen.marker is None:
            raise HomeserverRefused(404, "M_NOT_FOUND", "the room has no marker yet")
        if seen.marker.archived != archived:
            await homeserver.write_marker(room_id, replace(seen.marker, archived=archived))

    def _too_long(self, name: str) -> str:
        return self.services.texts.name_too_long.format(limit=NAME_LIMIT, length=len(name))

    def _say(self, message: InboundMessage, body: str, *, notice: bool = True) -> Response:
        return Response(
            [
                QueueMessage(
                    OutboundMessage(f"{message.event_id}.{part}", self.room_id, text, notice)
                )
                for part, text in enumerate(pieces(body))
            ]
        )

    def _say_once(self, occasion: str, body: str) -> Response:
        """Say something once in this room: the transaction id is always the same."""
        txn_id = f"{occasion}.{self.room_id}"
        return Response([QueueMessage(OutboundMessage(txn_id, self.room_id, body, notice=True))])


def pieces(body: str) -> list[str]:
    """A text in pieces that each fit into one event."""
    return [body[at : at + BODY_LIMIT] for at in range(0, len(body), BODY_LIMIT)] or [""]


def _chat(identity: Identity) -> ChatContext:
    if identity.chat is None:
        raise ValueError(identity)
    return identity.chat
