"""The frozen value that every actor of one bot is given."""

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

import anyio

from actors.appearance import Appearance
from actors.attachments import Attachments
from actors.bounds import Bounds
from actors.chat_settings import SettingsOfChats
from actors.encryption import EncryptionWatch
from actors.failures import FailurePolicy
from actors.gate import Gate
from actors.histories import Histories
from actors.languages import Languages
from actors.messages import (
    ActorKind,
    OwnerMessage,
    RoomChanged,
    RoomMessage,
    owner_address,
    room_address,
)
from actors.model import ChatContext, RoomId, RoomMeta, UserId
from actors.platform import Platform
from actors.platform_health import PlatformHealth
from actors.port_errors import PortError
from actors.ports import Homeserver, Ids, StateStore
from actors.registry import Registry
from actors.replies.runner import Replies
from actors.room_states import RoomStates
from actors.rows import from_row, room_key
from actors.rules.answers import Answers
from actors.rules.commands import person_called
from actors.rules.formatting import Formatter
from actors.rules.room_states import RoomState
from actors.rules.wording import Link, called
from actors.runtime.system import ActorSystem
from actors.texts import Texts
from actors.traits import Traits
from actors.upkeep import Upkeep
from actors.writes import ClearDirty


@dataclass(frozen=True, slots=True)
class Services:
    """The ports, the actor system, the shared registry, and the settings.

    `allows` says whether a person may use the bot, and `answers` whose messages in a chat are
    answered. `formatted` makes the parts of an answer from its Markdown. `epoch` is of the lead.
    `deliver` is called with a room that has something in the outbox. `streams`: answers may be
    shown while they grow. `wall_clock` gives seconds since the epoch.
    """

    homeserver: Homeserver
    store: StateStore
    platform: Platform
    system: ActorSystem
    gate: Gate
    registry: Registry
    states: RoomStates
    failures: FailurePolicy
    texts: Texts
    ids: Ids
    allows: Callable[[UserId], bool]
    answers: Answers
    deliver: Callable[[RoomId], None]
    upkeep: Upkeep
    encryption: EncryptionWatch
    histories: Histories
    attachments: Attachments
    settings_of_chats: SettingsOfChats
    languages: Languages
    appearance: Appearance
    formatted: Formatter
    replies: Replies
    traits: Traits
    streams: bool
    epoch: int
    platform_health: PlatformHealth
    wall_clock: Callable[[], float]
    homeserver_slots: anyio.CapacityLimiter
    bounds: Bounds

    def tell_room(self, room_id: RoomId, message: RoomMessage) -> None:
        """Tell a room's actor something."""
        self.system.tell(room_address(room_id), message)

    async def recheck(self, rooms: Collection[RoomId]) -> None:
        """Tell rooms to read themselves again, also if the process is killed before they do."""
        if rooms:
            await self.store.commit(self.registry.dirty.mark(rooms))
        for room_id in rooms:
            self.tell_room(room_id, RoomChanged())

    def is_open(self, room_id: RoomId) -> bool:
        """Whether something about a room is only in memory, so that it must be read again."""
        registry = self.registry
        waits = room_id in registry.unattended or registry.upgrades.waits(room_id)
        return waits or self.upkeep.lacks(room_id)

    def cleared(self, room_id: RoomId, change: int | None) -> list[ClearDirty]:
        """The writes for a room that is in line, up to the number `change`; none if it is not."""
        return [] if self.is_open(room_id) else self.registry.dirty.clear(room_id, change)

    async def clear(self, room_id: RoomId, change: int | None) -> None:
        """Commit that a room is in line, up to the number `change`, if it is."""
        writes = self.cleared(room_id, change)
        if writes:
            await self.store.commit(writes)

    def tell_room_later(self, delay_s: float, room_id: RoomId, message: RoomMessage) -> None:
        """Tell a room's actor something after `delay_s` seconds."""
        self.system.tell_later(delay_s, room_address(room_id), message)

    def tell_owner(self, owner: UserId, message: OwnerMessage) -> None:
        """Tell an owner's actor something."""
        self.system.tell(owner_address(owner), message)

    def tell_owner_later(self, delay_s: float, owner: UserId, message: OwnerMessage) -> None:
        """Tell an owner's actor something after `delay_s` seconds."""
        self.system.tell_later(delay_s, owner_address(owner), message)

    def rooms_with_failed_check(self) -> Iterator[RoomId]:
        """Rooms that failed their latest check: the bot does not know what they are."""
        for cell in self.system.cells.failed():
            room_id = RoomId(cell.address.name)
            is_unchecked = self.states.of(room_id) is RoomState.UNCHECKED
            if cell.address.kind == ActorKind.ROOM and (cell.probes or is_unchecked):
                yield room_id

    def link(self, room_id: RoomId, name: str) -> Link:
        """A link to a room, under a name for people."""
        return Link(name, self.link_to(room_id))

    def chat_link(self, chat: ChatContext) -> Link:
        """A link to a chat, under its name and, unless that says it, its number."""
        return self.link(chat.surface_ref, called(chat.name, chat.chat_id))

    async def space_link(self, space_id: RoomId) -> Link:
        """A link to an owner's Space, under the name that the Space had when it was read last."""
        room = from_row(await self.store.row(room_key(space_id)), RoomMeta)
        return self.link(space_id, (room and room.display_name) or self.texts.your_space)

    async def name_of(self, user_id: UserId, room_id: RoomId | None) -> str:
        """A person's name for people, as a room shows it; by the user id if that can't be read."""
        name = ""
        with suppress(PortError):
            name = await self.homeserver.contents.name_of(room_id, user_id) if room_id else ""
        return person_called(user_id, name)

    def link_to(self, room_id: RoomId) -> str:
        """A link to a room that any Matrix client opens. Ids without a server part need `via`."""
        server = self.homeserver.me.partition(":")[2]
        return f"https://matrix.to/#/{quote(room_id, safe='!:')}?via={server}"
