"""Answering invites: joining, and giving people their Space and chat or the way back to them."""

import structlog

from actors.messages import RoomChanged
from actors.model import Intent, IntentKind, IntentStep, RoomId, RoomSnapshot
from actors.neighbourhood import read_if_joined
from actors.owner_work import OwnerWork, given
from actors.ports import HomeserverRefused
from actors.writes import PutIntent

_log = structlog.get_logger()


class Onboarding(OwnerWork):
    """Works for one owner; only their user actor uses it, so one step is taken at a time."""

    __slots__ = ()

    async def answer_invite(self, intent: Intent) -> None:
        """Join or refuse; what the invite asks for is another intent."""
        homeserver = self.context.homeserver
        room_id = given(intent.reply_room)
        allowed = room_id in self.context.replacements or self.context.allows(self.owner)
        try:
            await (homeserver.join(room_id) if allowed else homeserver.leave(room_id))
        except HomeserverRefused as refusal:
            _log.info("invite_gone", room_id=room_id, owner=self.owner, reason=str(refusal))
            await self._done(intent)
            return
        _log.info("invite_answered", room_id=room_id, owner=self.owner, joined=allowed)
        seen = await read_if_joined(homeserver, room_id) if allowed else None
        if not allowed or self._one_of_ours(room_id, seen):
            await self._done(intent)
            return
        onboarding = Intent(
            self.context.ids.nonce(),
            self.owner,
            IntentKind.ONBOARD,
            IntentStep.WANTED,
            reply_room=None if seen is not None and seen.is_space else room_id,
        )
        await self._done(intent, PutIntent(onboarding))

    def _one_of_ours(self, room_id: RoomId, seen: RoomSnapshot | None) -> bool:
        """Whether the room just joined is managed already: left before, or the heir of one.

        Such an invite asks us back in; it is not the wish for a Space.
        """
        marked = seen is not None and (seen.marker or seen.marker_fault)
        if marked or room_id in self.context.replacements:
            self.context.replacements.discard(room_id)
            self.context.system.tell(room_id, RoomChanged())
            return True
        return False

    async def onboard(self, intent: Intent) -> None:
        """Show the way back into the Space and the chats; promise what there is not."""
        user = await self._user()
        has_space, chats = await self._present()
        wanted = []
        if user is None or not has_space:
            wanted.append(self._promise(IntentKind.SPACE, intent.reply_room))
        else:
            await self._invite(user.space_id)
        for chat in chats:
            await self._invite(chat.surface_ref)
        if not chats:
            wanted.append(self._promise(IntentKind.FIRST_CHAT, intent.reply_room))
        if user is None or wanted:
            await self._done(intent, *wanted)
            return
        body = self.context.texts.welcome_back.format(link=self.context.link_to(user.space_id))
        await self._done(intent, *self._tell(intent, "done", body))
