"""What every actor of one bot is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

import anyio

from actors.bounds import Bounds
from actors.failures import FailurePolicy
from actors.gate import Gate
from actors.messages import ActorKind, OwnerMessage, RoomMessage, owner_address, room_address
from actors.model import RoomId, UserId
from actors.ports import Homeserver, Ids, Platform, StateStore
from actors.registry import Registry
from actors.room_states import RoomStates
from actors.rules.room_states import RoomState
from actors.runtime.system import ActorSystem
from actors.texts import Texts
from actors.upkeep import Upkeep


@dataclass(frozen=True, slots=True)
class Services:
    """The ports, the system and the settings that actors work with.

    `deliver` says that a room has something in the outbox; `allows` answers whether a person may
    use the bot; `wall_clock` gives seconds since the epoch. `registry` is what actors share.
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
    deliver: Callable[[RoomId], None]
    upkeep: Upkeep
    wall_clock: Callable[[], float]
    platform_slots: anyio.CapacityLimiter
    homeserver_slots: anyio.CapacityLimiter
    bounds: Bounds

    def tell_room(self, room_id: RoomId, message: RoomMessage) -> None:
        """Tell a room's actor something."""
        self.system.tell(room_address(room_id), message)

    def tell_room_later(self, delay_s: float, room_id: RoomId, message: RoomMessage) -> None:
        """Tell a room's actor something after a while."""
        self.system.tell_later(delay_s, room_address(room_id), message)

    def tell_owner(self, owner: UserId, message: OwnerMessage) -> None:
        """Tell an owner's actor something."""
        self.system.tell(owner_address(owner), message)

    def tell_owner_later(self, delay_s: float, owner: UserId, message: OwnerMessage) -> None:
        """Tell an owner's actor something after a while."""
        self.system.tell_later(delay_s, owner_address(owner), message)

    def rooms_with_failed_check(self) -> Iterator[RoomId]:
        """Rooms whose last check failed: what they are is not known."""
        for cell in self.system.cells:
            room_id = RoomId(cell.address.name)
            is_unchecked = self.states.of(room_id) is RoomState.UNCHECKED
            failed = cell.probes or (is_unchecked and cell.error is not None)
            if cell.address.kind == ActorKind.ROOM and failed:
                yield room_id

    def link_to(self, room_id: RoomId) -> str:
        """A link that any Matrix client opens. `via` is for ids without a server part."""
        server = self.homeserver.me.partition(":")[2]
        return f"https://matrix.to/#/{quote(room_id, safe='!:')}?via={server}"

    async def show_typing(self, room_id: RoomId, done: anyio.Event) -> None:
        """Show a typing notice until `done`, and take it back on every way out."""
        with anyio.move_on_after(self.bounds.typing_after_s):
            await done.wait()
        if done.is_set():
            return
        try:
            while not done.is_set():
                await self.homeserver.set_typing(room_id, typing=True)
                with anyio.move_on_after(self.bounds.typing_again_s):
                    await done.wait()
        finally:
            with anyio.move_on_after(5, shield=True):
                await self.homeserver.set_typing(room_id, typing=False)
