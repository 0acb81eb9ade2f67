"""Answers invites, and gives an owner a Space and a chat, or the way back to them."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import anyio
import structlog

from actors.chats import ChatManager
from actors.messages import IntentsWaiting, RoomChanged
from actors.model import (
    ChatContext,
    InboundMessage,
    Intent,
    IntentKind,
    IntentStep,
    Nonce,
    RoomId,
    UserId,
    UserMeta,
)
from actors.owner.work import OwnerWork, required
from actors.port_errors import HomeserverRefused, RefusedUnclearly
from actors.reading import read_if_joined
from actors.rows import from_row, user_key
from actors.rules.access import Access, Entrance, with_ways_in
from actors.rules.formatting import Formatted
from actors.rules.wording import in_lines, worded
from actors.services import Services
from actors.snapshots import RoomSnapshot
from actors.writes import PutIntent

_log = structlog.get_logger()

_CANNOT_LEAVE_SERVER_NOTICES: Final = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Onboarding:
    """Onboards one owner. Only the owner's actor uses it, so it takes one step at a time."""

    work: OwnerWork

    async def answer_invite(self, intent: Intent) -> None:
        """Join the room, or reject the invite. Onboarding follows as an intent of its own.

        Raises RefusedUnclearly: only a clear refusal means that the invite is gone.
        """
        homeserver = self.work.services.homeserver
        room_id = required(intent.reply_room)
        if await homeserver.is_server_notices(room_id):
            await self._join_server_notices(intent, room_id)
            return
        expected = self.work.services.registry.upgrades.is_expected(room_id)
        is_unknown = self.work.owner == homeserver.me
        allowed = expected or is_unknown or self.work.services.allows(self.work.owner)
        try:
            await (homeserver.join(room_id) if allowed else homeserver.leave(room_id))
        except RefusedUnclearly:
            raise
        except HomeserverRefused as refusal:
            if refusal.errcode == _CANNOT_LEAVE_SERVER_NOTICES:
                await self._join_server_notices(intent, room_id)
                return
            _log.info("invite_gone", room_id=room_id, owner=self.work.owner, reason=str(refusal))
            await self.work.finish(intent)
            return
        _log.info("invite_answered", room_id=room_id, owner=self.work.owner, joined=allowed)
        if is_unknown and not expected:
            await self._find_inviter(intent, room_id)
            return
        if allowed:
            self._note_inviter(room_id)
        seen = await read_if_joined(homeserver, room_id) if allowed else None
        if not allowed or self._note_if_managed(room_id, seen):
            await self.work.finish(intent)
            return
        reply_room = None if seen is not None and seen.is_space else room_id
        await self.work.finish(intent, self.work.promise(IntentKind.ONBOARD, reply_room, intent))

    async def _join_server_notices(self, intent: Intent, room_id: RoomId) -> None:
        """Join the room of the homeserver's own notices. Its account is no person: no Space.

        The homeserver refuses to reject this invite, and invites anew before each notice.
        """
        try:
            await self.work.services.homeserver.join(room_id)
        except HomeserverRefused as refusal:
            _log.info("invite_gone", room_id=room_id, owner=self.work.owner, reason=str(refusal))
        else:
            _log.warning("server_notices_joined", room_id=room_id)
        await self.work.finish(intent)

    async def _find_inviter(self, intent: Intent, room_id: RoomId) -> None:
        """Find out who invited the bot to the room just joined, and answer that user's invite.

        The bot leaves again if that can't be found out: a guess must not decide who may use it.
        """
        services = self.work.services
        inviter = await self._inviter_of(room_id)
        if inviter is None:
            _log.warning("inviter_unknown", room_id=room_id)
            with suppress(HomeserverRefused):
                await services.homeserver.leave(room_id)
            await self.work.finish(intent)
            return
        await services.store.commit([PutIntent(replace(intent, owner=inviter))])
        services.tell_owner(inviter, IntentsWaiting())

    async def _inviter_of(self, room_id: RoomId) -> UserId | None:
        """The user who invited the bot, or the only other member of the room."""
        homeserver = self.work.services.homeserver
        try:
            inviter = await homeserver.inviter_of(room_id)
        except HomeserverRefused:
            return None
        if inviter is not None and inviter != homeserver.me:
            return inviter
        seen = await read_if_joined(homeserver, room_id)
        others = () if seen is None or seen.member_count > _PAIR else seen.others
        return others[0] if len(others) == 1 else None

    def _note_inviter(self, room_id: RoomId) -> None:
        """Until the room can be read, it counts as one that may be the inviter's."""
        self.work.services.registry.hearsay.note_half_read(room_id, frozenset({self.work.owner}))

    def _note_if_managed(self, room_id: RoomId, seen: RoomSnapshot | None) -> bool:
        """Whether the room just joined is managed: left before, or the replacement of such a room.

        An invite to it asks the bot back in, and asks for no Space. The room is checked before the
        owner gets another room, because it may be the very room that another intent is to create.
        """
        services = self.work.services
        marked = seen is not None and bool(seen.marker or seen.marker_fault)
        managed = marked or services.registry.upgrades.is_expected(room_id)
        if managed or (seen is not None and seen.creator == services.homeserver.me):
            services.registry.upgrades.note_joined(room_id)
            services.registry.awaited.add([room_id])
            services.tell_room(room_id, RoomChanged())
        return managed

    async def onboard(self, intent: Intent) -> None:
        """Invite the owner back to the Space and the chats, and write intents for missing ones."""
        user = await self.work.user()
        has_space, chats = await self.work.joined_space_and_chats()
        await self._say_if_unread(intent, user, chats)
        entrances, wanted = [], []
        if user is None or not has_space:
            wanted.append(self.work.promise(IntentKind.SPACE, intent.reply_room, intent))
        else:
            entrances.append(await self.work.invite_to_space(user.space_id, intent))
        entrances += await self._invite_to(chats, intent)
        if not chats:
            wanted.append(self.work.promise(IntentKind.FIRST_CHAT, intent.reply_room, intent))
        if user is None or wanted:
            await self.work.finish(intent, *wanted)
            return
        said = await self._welcome_back(user.space_id, chats[-1], entrances)
        told = not _refused(entrances) or self._is_news(intent, said.body)
        await self.work.finish(intent, *(self.work.told(intent, "done", said) if told else ()))

    def _is_news(self, intent: Intent, body: str) -> bool:
        """Whether an owner who can't be invited was not told the same shortly before.

        Such an owner is onboarded at every message in a direct chat.
        """
        registry, again_s = self.work.services.registry, self.work.services.bounds.way_again_s
        now, room_id = anyio.current_time(), intent.reply_room
        return room_id is None or registry.welcomes.is_new(
            room_id, intent.nonce, body, now, again_s
        )

    async def _say_if_unread(
        self, intent: Intent, user: UserMeta | None, chats: Sequence[ChatContext]
    ) -> None:
        """Tell the owner to wait, if a room with the way back can't be read now."""
        services = self.work.services
        wanted = {user.space_id if user else None, *(chat.surface_ref for chat in chats)}
        if not wanted.isdisjoint(services.rooms_with_failed_check()):
            await self.work.say_queued(intent, worded((await self.work.texts()).creation_waits))

    async def _invite_to(self, chats: Sequence[ChatContext], intent: Intent) -> list[Entrance]:
        """Invite the owner to their chats, newest first, until too many invites are refused."""
        entrances: list[Entrance] = []
        for chat in reversed(chats):
            if len(_refused(entrances)) >= self.work.services.bounds.refused_invites:
                break
            link = self.work.services.chat_link(chat)
            entrances.append(await self.work.invite(chat.surface_ref, link, intent))
        return entrances

    async def _welcome_back(
        self, space_id: RoomId, latest: ChatContext, entrances: Sequence[Entrance]
    ) -> Formatted:
        """What a returning owner is told: it says only what has happened."""
        services, refused = self.work.services, _refused(entrances)
        if refused:
            opening = worded((await self.work.texts()).welcome_back_made)
            return in_lines(with_ways_in(opening, refused, await self.work.texts()))
        texts, space = await self.work.texts(), await services.space_link(space_id)
        is_there = all(each.outcome.access is Access.MEMBER for each in entrances)
        said = texts.welcome_back_there if is_there else texts.welcome_back
        return worded(said, space=space, chat=services.chat_link(latest))


def _refused(entrances: Sequence[Entrance]) -> list[Entrance]:
    return [each for each in entrances if each.outcome.refused]


async def onboarding_of(message: InboundMessage, services: Services) -> Intent | None:
    """The onboarding that a message in a direct chat starts for its sender, if any."""
    sender = message.sender
    if not services.allows(sender) or await services.store.open_intents(sender):
        return None
    if await _has_space_and_chat(sender, services):
        return None
    nonce = Nonce(f"onboard.{message.event_id}")
    return Intent(
        nonce,
        sender,
        IntentKind.ONBOARD,
        IntentStep.WANTED,
        reply_room=message.room_id,
        reply_thread=message.thread,
        asked_at=services.wall_clock(),
    )


async def _has_space_and_chat(owner: UserId, services: Services) -> bool:
    """Whether the owner has a Space and an active chat, and is in or invited to both."""
    user = from_row(await services.store.row(user_key(owner)), UserMeta)
    if user is None or not await _is_in_or_invited(user.space_id, owner, services):
        return False
    chats = await ChatManager(services.store).list_active(owner)
    return any([await _is_in_or_invited(chat.surface_ref, owner, services) for chat in chats])


async def _is_in_or_invited(room_id: RoomId, owner: UserId, services: Services) -> bool:
    """Whether the owner is in a room or invited; assumed if not all members are listed."""
    seen = await read_if_joined(services.homeserver, room_id)
    if seen is None:
        return False
    return owner in seen.others or seen.member_count > 1 + len(seen.others)
