"""The Homeserver port that the actors get. It refuses to write unless the bot is live and leads.

A handler may still run when the bot leaves `live`. A request that it has sent continues. Its next
writing request raises NotLive, so recovery writes nothing. A homeserver can't tell a process that
leads from one that was replaced, so the time that is left of the lead decides.
"""

from collections.abc import Callable, Collection
from typing import final

from actors.gate import Gate
from actors.governor import Governor
from actors.model import (
    EventId,
    Generation,
    HomeserverTraits,
    Instance,
    Marker,
    OutboundMessage,
    RoomId,
    UserId,
)
from actors.port_errors import RequestNotSent
from actors.ports import Gap, Homeserver, Hydration, NewRoom, RecentPage, SyncDelta
from actors.snapshots import RoomSnapshot
from supervisor.serving.contents_live_only import ContentsLiveOnly
from supervisor.serving.own_account_live_only import OwnAccountLiveOnly
from supervisor.serving.refusals import Refusals
from supervisor.serving.spending import Spending


class NotLive(RequestNotSent):
    """The bot is not live, so the request was not sent. The caller repeats it in `live`."""


@final
class LiveOnly:
    """Implements `actors.ports.Homeserver` over another one.

    Reading always passes. Typing notices, read receipts and logins pass while this process leads:
    while `remaining_s` returns more than 0. Refusals for now are noted, except those
    of typing notices and read receipts, which may be lost. The governor learns of the requests
    that the account's rate limit counts.
    """

    def __init__(
        self,
        homeserver: Homeserver,
        gate: Gate,
        refusals: Refusals,
        governor: Governor,
        remaining_s: Callable[[], float],
    ) -> None:
        self._homeserver = homeserver
        self._remaining_s = remaining_s
        self._gate = gate
        self._watch = refusals.watch
        self._spending = Spending(refusals, governor)
        self._write = self._spending.write
        self._contents = ContentsLiveOnly(
            homeserver.contents, lambda: self._live, refusals, self._spending
        )
        self._own_account = OwnAccountLiveOnly(
            homeserver.own_account, lambda: self._live, refusals, self._spending
        )

    @property
    def me(self) -> UserId:
        """The bot's user id."""
        return self._homeserver.me

    @property
    def contents(self) -> ContentsLiveOnly:
        """The messages, settings and files in rooms."""
        return self._contents

    @property
    def own_account(self) -> OwnAccountLiveOnly:
        """How people see the bot's account."""
        return self._own_account

    @property
    def _leading(self) -> Homeserver:
        if self._remaining_s() <= 0:
            raise NotLive("this process may lead no longer")
        return self._homeserver

    @property
    def _live(self) -> Homeserver:
        if not self._gate.live:
            raise NotLive("the bot is not live")
        return self._leading

    @property
    def _creating(self) -> Homeserver:
        if not self._gate.creating:
            raise NotLive("rooms fail: the bot creates no rooms meanwhile")
        return self._live

    # Always allowed

    async def log_in(self) -> str:
        """Get a session."""
        return await self._watch(self._leading.log_in())

    async def probe(self) -> None:
        """Send a request that needs the session."""
        await self._watch(self._homeserver.probe())

    async def try_writing(self, room_id: RoomId) -> None:
        """Return if the account may write; nothing is written."""
        await self._homeserver.try_writing(room_id)

    async def hydrate(self) -> Hydration:
        """Read every joined room's state."""
        return await self._watch(self._homeserver.hydrate())

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait for news."""
        return await self._watch(self._homeserver.sync(since, timeout_s))

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """Read the messages of a gap."""
        return await self._watch(
            self._homeserver.messages_before(room_id, token, stop_at=stop_at, limit=limit), room_id
        )

    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        """Read a page of what was said in a room."""
        return await self._watch(self._homeserver.recent(room_id, token), room_id)

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """Read one room's state."""
        return await self._watch(self._homeserver.read_room(room_id), room_id)

    async def text_of(self, room_id: RoomId, event_id: EventId) -> str:
        """The text of a message."""
        return await self._watch(self._homeserver.text_of(room_id, event_id), room_id)

    async def inviter_of(self, room_id: RoomId) -> UserId | None:
        """The user who invited the bot to a joined room."""
        return await self._watch(self._homeserver.inviter_of(room_id), room_id)

    async def is_server_notices(self, room_id: RoomId) -> bool:
        """Whether the homeserver writes its notices in a room."""
        return await self._watch(self._homeserver.is_server_notices(room_id), room_id)

    async def joined_rooms(self) -> frozenset[RoomId]:
        """The rooms that the bot has joined."""
        return await self._watch(self._homeserver.joined_rooms())

    async def encrypts_new_rooms(self) -> bool:
        """Whether the homeserver says that it encrypts new rooms."""
        return await self._homeserver.encrypts_new_rooms()

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None:
        """Show a typing notice, or end it."""
        await self._leading.set_typing(room_id, typing=typing)

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None:
        """Move the read receipt."""
        await self._leading.mark_read(room_id, event_id)

    @property
    def session(self) -> str:
        """The name of the session."""
        return self._homeserver.session

    async def find_sent(self, message: OutboundMessage) -> EventId | None:
        """The bot's own event with this message's transaction id."""
        return await self._watch(self._homeserver.find_sent(message), message.room_id)

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        """Whether the homeserver has this event."""
        return await self._watch(self._homeserver.has_event(room_id, event_id), room_id)

    async def generation(self) -> Generation | None:
        """The generation in the account data."""
        return await self._watch(self._homeserver.generation())

    async def close(self) -> None:
        """Close connections."""
        await self._homeserver.close()

    # Allowed only while live

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a room."""
        return await self._write(self._creating.create_room(room))

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None:
        """Write the marker."""
        await self._write(self._live.write_marker(room_id, marker), room_id)

    async def set_name(self, room_id: RoomId, name: str) -> None:
        """Name a room."""
        await self._write(self._live.set_name(room_id, name), room_id)

    async def link(self, space_id: RoomId, room_id: RoomId, order: str = "") -> None:
        """Add a room to a Space."""
        await self._write(self._live.link(space_id, room_id, order), space_id)

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """Remove a room from a Space."""
        await self._write(self._live.unlink(space_id, room_id), space_id)

    async def join(self, room_id: RoomId) -> None:
        """Join a room."""
        await self._write(self._live.join(room_id), room_id, joining=True)

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room."""
        await self._write(self._live.leave(room_id), room_id)

    async def forget(self, room_id: RoomId) -> None:
        """Forget a room."""
        await self._watch(self._live.forget(room_id), room_id)

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite a user."""
        await self._write(self._live.invite(room_id, user_id), room_id)

    async def let_in(self, room: RoomSnapshot, members_of: Collection[RoomId]) -> None:
        """Let people knock, and the members of rooms join."""
        await self._spending.count(self._live.let_in(room, members_of))

    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message."""
        return await self._spending.send(self._live.send(message), message)

    async def traits(self) -> HomeserverTraits:
        """Read what was found out about the homeserver."""
        return await self._watch(self._homeserver.traits())

    async def keep_traits(self, traits: HomeserverTraits) -> None:
        """Write what was found out about the homeserver."""
        await self._watch(self._live.keep_traits(traits))

    async def announce(self, instance: Instance) -> None:
        """Write this process's name into the account data."""
        await self._watch(self._live.announce(instance))

    async def keep_generation(self, generation: Generation) -> None:
        """Write the generation into the account data."""
        await self._watch(self._live.keep_generation(generation))
