"""What every actor of one bot is given."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import anyio

from actors.model import EventId, Nonce, RoomId, UserId
from actors.ports import Homeserver, Ids, Platform, StateStore
from actors.rules.classify import Concern
from actors.runtime.system import ActorSystem
from actors.texts import Texts
from actors.upkeep import Upkeep
from actors.writes import OpenGap

TYPING_AFTER_S: Final = 0.2
"""An answer that comes sooner needs no typing notice."""
TYPING_AGAIN_S: Final = 20.0
"""The homeserver forgets a typing notice after 30 s."""


@dataclass(slots=True)
class Question:
    """Something that waits for a yes or a no, `until` a time of anyio's clock.

    The first answer closes it. The same answer is taken again, however late: its handling may have
    to be repeated.
    """

    until: float
    answer: EventId | None = None

    def takes(self, answer: EventId, now: float) -> bool:
        """Whether this message answers the question."""
        if self.answer is None and now <= self.until:
            self.answer = answer
        return self.answer == answer


@dataclass(frozen=True, slots=True)
class ActorContext:
    """The ports, the system and the settings that actors work with.

    `deliver` says that a room has something in the outbox; `allows` whether a person may use the
    bot; `wall_clock` gives seconds since the epoch. `replacements` are rooms that our rooms were
    upgraded to: an invite to one of them is not a stranger's. `questions` are those that rooms
    have asked last; they outlive a room actor that crashes over the answer. `creating` are
    creations under way: the homeserver tells of a new room before all of its state is there.
    `made` are the rooms that came of intents, as far as they were looked at since the start.
    `taken` is for owners without a Space: the first index that none of their rooms has used.
    `listed_in` are the Spaces that list a room which is no chat of their owner's yet, `named_by`
    rooms that name a Space which is none of ours, or which we are not in. `undecided` are rooms in
    conflict, and what is known of whose they may be. `turned_away` are rooms that an owner could
    not be invited to while they are being shown the way. `awaited` are rooms that we were asked
    back into, and those that a Space lists which was not known before: until they were looked at,
    nobody knows what there is. `gaps` are those not filled yet. `predecessors` are rooms that
    others have replaced: they carry on again when we are taken out of those.
    """

    homeserver: Homeserver
    store: StateStore
    platform: Platform
    system: ActorSystem
    texts: Texts
    ids: Ids
    allows: Callable[[UserId], bool]
    deliver: Callable[[RoomId], None]
    upkeep: Upkeep
    wall_clock: Callable[[], float]
    platform_slots: anyio.CapacityLimiter
    homeserver_slots: anyio.CapacityLimiter
    replacements: set[RoomId] = field(default_factory=set)
    questions: dict[RoomId, Question] = field(default_factory=dict)
    creating: set[Nonce] = field(default_factory=set)
    made: dict[Nonce, RoomId] = field(default_factory=dict)
    taken: dict[UserId, int] = field(default_factory=dict)
    listed_in: dict[RoomId, set[RoomId]] = field(default_factory=dict)
    named_by: dict[RoomId, set[RoomId]] = field(default_factory=dict)
    undecided: dict[RoomId, Concern] = field(default_factory=dict)
    turned_away: dict[UserId, set[RoomId]] = field(default_factory=dict)
    awaited: set[RoomId] = field(default_factory=set)
    gaps: dict[RoomId, OpenGap] = field(default_factory=dict)
    predecessors: dict[RoomId, RoomId] = field(default_factory=dict)

    def link_to(self, room_id: RoomId) -> str:
        """A link that any Matrix client opens. `via` is for ids without a server part."""
        server = self.homeserver.me.partition(":")[2]
        return f"https://matrix.to/#/{quote(room_id, safe='!:')}?via={server}"

    async def show_typing(self, room_id: RoomId, done: anyio.Event) -> None:
        """Show a typing notice until `done`, and take it back on every way out."""
        with anyio.move_on_after(TYPING_AFTER_S):
            await done.wait()
        if done.is_set():
            return
        try:
            while not done.is_set():
                await self.homeserver.set_typing(room_id, typing=True)
                with anyio.move_on_after(TYPING_AGAIN_S):
                    await done.wait()
        finally:
            with anyio.move_on_after(5, shield=True):
                await self.homeserver.set_typing(room_id, typing=False)
