"""The parts of a homeserver, real or simulated, that the contract tests of the port use."""

from collections.abc import Callable
from typing import Final, Protocol

import anyio

from actors.model import ChatId, EventId, Marker, Nonce, PlatformChatId, RoomId, RoomKind, UserId
from actors.platform import File
from actors.ports import Gap, Homeserver, NewRoom, RoomDelta, SyncDelta
from tests.simulation.events import Content

PATIENCE_S: Final = 20


class Account(Protocol):
    """A user of the homeserver with a client of their own."""

    @property
    def user_id(self) -> UserId: ...
    async def create_room(self, name: str) -> RoomId: ...
    async def invite(self, room_id: RoomId, other: UserId) -> None: ...
    async def join(self, room_id: RoomId) -> None: ...
    async def leave(self, room_id: RoomId) -> None: ...
    async def kick(self, room_id: RoomId, other: UserId) -> None: ...
    async def say(self, room_id: RoomId, text: str, msgtype: str = "m.text") -> EventId: ...
    async def write(self, room_id: RoomId, content: Content) -> EventId: ...
    async def upload(self, file: File) -> str: ...
    async def edit(self, room_id: RoomId, event_id: EventId, text: str) -> None: ...
    async def redact(self, room_id: RoomId, event_id: EventId) -> None: ...
    async def write_state(self, room_id: RoomId, kind: str, key: str, content: Content) -> None: ...
    async def upgrade(self, room_id: RoomId) -> RoomId: ...
    async def history(self, room_id: RoomId) -> list[tuple[str, str]]:
        """Type and text of every message of a room, oldest first."""
        ...


class World(Protocol):
    """A homeserver with the bot logged in, Alice, and a second client of the bot's account."""

    @property
    def homeserver(self) -> Homeserver: ...
    @property
    def alice(self) -> Account: ...
    @property
    def bot(self) -> Account: ...
    async def same_device(self) -> Homeserver:
        """Make another client for the bot's device, without a session and not logged in."""
        ...


def space_for(world: World, nonce: str = "n1") -> NewRoom:
    marker = Marker(RoomKind.SPACE, world.alice.user_id, next_chat_index=1, intent=Nonce(nonce))
    return NewRoom(marker, "Alice")


def chat_for(world: World, space_id: RoomId, nonce: str = "n2") -> NewRoom:
    marker = Marker(
        RoomKind.CHAT,
        world.alice.user_id,
        chat_id=ChatId("C1"),
        space_id=space_id,
        platform_chat_id=PlatformChatId("p1"),
        intent=Nonce(nonce),
    )
    return NewRoom(marker, "Chat 1")


async def shared_room(world: World) -> RoomId:
    """Create a room of Alice's and let the bot join it."""
    room_id = await world.alice.create_room("Hello")
    await world.alice.invite(room_id, world.homeserver.me)
    await world.homeserver.join(room_id)
    return room_id


async def come_back(world: World, room_id: RoomId, *meanwhile: str) -> None:
    """Let the bot's other client leave a room, if it is in it, and join it again.

    Alice says `meanwhile` in between, and "after" afterwards.
    """
    if room_id in await world.homeserver.joined_rooms():
        await world.bot.leave(room_id)
    for text in meanwhile:
        await world.alice.say(room_id, text)
    await world.alice.invite(room_id, world.bot.user_id)
    await world.bot.join(room_id)
    await world.alice.say(room_id, "after")


async def gap_since(world: World, position: str, room_id: RoomId) -> Gap:
    """Read the gap that a sync leaves in a room that the bot has joined again."""
    delta = of_room(await world.homeserver.sync(position, 1), room_id)
    assert delta.gap_from is not None
    return await world.homeserver.messages_before(
        room_id, delta.gap_from, stop_at=position, limit=100
    )


async def sync_until(
    homeserver: Homeserver, since: str, done: Callable[[SyncDelta], bool]
) -> SyncDelta:
    """Sync until a delta satisfies `done`, and return that delta."""
    with anyio.fail_after(PATIENCE_S):
        while not done(delta := await homeserver.sync(since, 1)):
            since = delta.next_batch
    return delta


def says(text: str) -> Callable[[SyncDelta], bool]:
    """A predicate: the delta has a room with this text as its last message."""
    return lambda delta: any(
        room.messages and room.messages[-1].body == text for room in delta.rooms
    )


def of_room(delta: SyncDelta, room_id: RoomId) -> RoomDelta:
    (room,) = (room for room in delta.rooms if room.room_id == room_id)
    return room


def bodies(room: RoomDelta) -> list[str]:
    return [message.body for message in room.messages]


async def hear_until(homeserver: Homeserver, since: str, room_id: RoomId, last: str) -> list[str]:
    """Sync until the room has the message `last`; return the texts of all its messages."""
    heard: list[str] = []
    with anyio.fail_after(PATIENCE_S):
        while not heard or heard[-1] != last:
            delta = await homeserver.sync(since, 1)
            since = delta.next_batch
            for room in delta.rooms:
                heard.extend(bodies(room) if room.room_id == room_id else ())
    return heard
