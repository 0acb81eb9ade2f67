"""The simulated server: users, rooms, the event stream, sessions and current faults.

Everything here is synchronous and takes effect at once. Requests with their delays and faults are
in `homeserver.py`. Randomness comes from the given Random, time from the running loop.
"""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final, TypeAlias

import anyio

from actors.model import EventId, Generation, HomeserverTraits, Instance, Invite, RoomId, UserId
from actors.own_account import KeptProfile
from actors.port_errors import (
    HomeserverRefused,
    PositionLost,
    RateLimited,
    RefusedUnclearly,
    SessionRevoked,
)
from tests.simulation.edits import edited_by
from tests.simulation.events import MALFORMED, Content, Event, StateEntry, WriteRequest
from tests.simulation.limits import RateLimit
from tests.simulation.media import Media
from tests.simulation.room import (
    CREATOR_POWER,
    DEFAULT_POWER_LEVELS,
    PRIVILEGED_CREATORS_SINCE,
    SimulatedRoom,
    check_state_key,
    forbid,
)
from tests.simulation.sessions import Sessions
from tests.simulation.transactions import Transactions

Backup: TypeAlias = dict[str, Any]
"""What a server keeps on its disk, by the name of the field."""

_ON_DISK: Final = (
    "rooms",
    "events",
    "_rooms_of",
    "generations",
    "traits",
    "names",
    "avatars",
    "kept_profiles",
    "announced",
    "transactions",
    "receipts",
    "forgotten",
)
_PURGED: Final = RoomId("!purged")
"""Stands in the stream for a room that was purged."""
EPOCH_S: Final = 1_700_000_000
"""The server's time, in seconds since the epoch, when the loop's clock is 0."""

EVENT_LIMIT: Final = 65_536
"""The bytes of an event, as the specification says."""
_ENVELOPE_BYTES: Final = 700
"""What an event has beside its content, about: ids, hashes, a signature."""


def event_bytes(content: Content) -> int:
    """The bytes of an event with this content."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) + _ENVELOPE_BYTES


def loop_time() -> float:
    """Seconds of the running loop's clock; 0 if no loop runs, so that a server can be built."""
    try:
        return anyio.current_time()
    except RuntimeError:
        return 0.0


class SimulatedServer:
    """A homeserver with all its users and rooms.

    Public fields may be set at any time: `slow_s` (the longest delay of a request, each way),
    `reading_s` (the additional time to read one room's state), `unreadable` (rooms whose state
    can't be read, with the reason), `notices_rooms` (rooms with the server's own notices),
    `unnamed_inviters` (a sync does not say who sent an invite), `hides_inviters` (nor does the
    timeline), `refuses_credentials`, `suspended` (accounts that may only read
    and leave rooms), `creation_limit` and `write_limit`
    (None: unlimited), `event_limit` (bytes of a message), `timeline_limit` (messages of a room in
    one sync), `room_version` (of new rooms), `deduplicates` (a repeated transaction id sends
    nothing new), `bundles` (a message comes with its newest edit), `on_event` (receives every
    event).
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        name: str = "sim.test",
        room_version: str = "12",
        timeline_limit: int = 10,
        clock: Callable[[], float] = loop_time,
    ) -> None:
        self.rng = rng
        self.event_limit = EVENT_LIMIT
        self.name = name
        self.room_version = room_version
        self.timeline_limit = timeline_limit
        self.rooms: dict[RoomId, SimulatedRoom] = {}
        self.events: list[Event] = []
        self.sessions = Sessions(rng)
        self.media = Media(name)
        self.creations: Counter[UserId] = Counter()
        self.writes: list[WriteRequest] = []
        self.announced: list[tuple[UserId, Instance]] = []
        self.generations: dict[UserId, Generation] = {}
        self.traits: dict[UserId, HomeserverTraits] = {}
        self.typing: dict[RoomId, set[UserId]] = {}
        self.receipts: dict[tuple[RoomId, UserId], EventId] = {}
        self.transactions = Transactions()
        self.deduplicates = self.bundles = True
        self.forgotten: set[tuple[RoomId, UserId]] = set()
        self.creation_limit: RateLimit | None = None
        self.write_limit: RateLimit | None = None
        self.refuses_credentials = False
        self.suspended: set[UserId] = set()
        self.encrypts_new_rooms, self.declares_encryption = False, True
        self.names: dict[UserId, str] = {}
        self.avatars: dict[UserId, str] = {}
        self.kept_profiles: dict[UserId, KeptProfile] = {}
        self.blocks_invites: set[UserId] = set()
        self.slow_s = self.reading_s = 0.0
        self.unreadable: dict[RoomId, str] = {}
        self.notices_rooms: set[RoomId] = set()
        self.unnamed_inviters = self.hides_inviters = False
        self.on_event: Callable[[Event], None] = lambda _: None
        self._postponed: list[tuple[float, Callable[[], object]]] = []
        self._rooms_of: dict[UserId, dict[RoomId, SimulatedRoom]] = {}
        self._clock = clock
        self._skipped_s = 0.0
        self._down = False
        self._era = 1
        self._waiters: list[anyio.Event] = []

    # Time and stream positions

    def now(self) -> float:
        """Seconds since the epoch."""
        return EPOCH_S + self._skipped_s + self._clock()

    def skip(self, seconds: float) -> None:
        """Move the server's clock forward without any action. Postponed actions become due."""
        self._skipped_s += seconds
        self._postponed = [(at - seconds, action) for at, action in self._postponed]
        self.wake()

    @property
    def position(self) -> int:
        """The number of events so far."""
        return len(self.events)

    def token(self, position: int | None = None) -> str:
        """A sync token for a position, by default the current one."""
        events = self.position if position is None else position
        return f"s{self._era}_{events}~{len(self.announced)}"

    def position_of(self, token: str) -> int:
        """The position that a sync token stands for. Raises PositionLost.

        Like Synapse, the server takes a position that it has not reached yet for the present one.
        """
        era, _, numbers = token.removeprefix("s").partition("_")
        number = numbers.partition("~")[0]
        if era != str(self._era) or not number.isdecimal():
            raise PositionLost(f"Unknown position {token}")
        return min(int(number), self.position)

    def announced_since(self, token: str, user_id: UserId) -> Instance | None:
        """The last instance that was announced for an account since a sync token, if any."""
        number = token.partition("~")[2] or "0"
        of_account = [it for account, it in self.announced[int(number) :] if account == user_id]
        return of_account[-1] if of_account else None

    def announce(self, user_id: UserId, instance: Instance) -> None:
        """Write an instance into the account data of a user."""
        self.announced.append((user_id, instance))
        self.wake()

    # Backups

    def backup(self) -> Backup:
        """A copy of everything that the server keeps on its disk, except for the sessions."""
        return _copied({name: getattr(self, name) for name in _ON_DISK})

    def restore(self, backup: Backup) -> None:
        """Go back to a backup."""
        for name, value in _copied(backup).items():
            setattr(self, name, value)
        self.wake()

    def purge(self, room_id: RoomId) -> None:
        """Delete a room without a trace; its members are not told."""
        self.rooms.pop(room_id)
        for rooms in self._rooms_of.values():
            rooms.pop(room_id, None)
        for position, event in enumerate(self.events):
            if event.room_id == room_id:
                self.events[position] = replace(event, room_id=_PURGED)
        self.wake()

    def forget_transactions(self) -> None:
        """Forget the transaction ids, as Synapse does after a day."""
        self.transactions.forget()

    def forget_positions(self) -> None:
        """Make all sync tokens issued so far unknown."""
        self._era += 1
        self.wake()

    # Faults of the server

    @property
    def down(self) -> bool:
        """Whether requests get no answer. People in the simulation still act."""
        return self._down

    @down.setter
    def down(self, down: bool) -> None:
        self._down = down
        self.wake()

    def revoke_tokens(self, user_id: UserId) -> None:
        """End all sessions of a user. The devices stay, and so do their transaction ids."""
        self.sessions.revoke(user_id)
        self.wake()

    def log_out(self, user_id: UserId) -> None:
        """Remove all devices of a user: with the sessions, their transaction ids end."""
        self.transactions.forget(user_id)
        self.revoke_tokens(user_id)

    def healed(self) -> None:
        """End all faults. Rate limits stay: they are no fault."""
        self.down = False
        self.slow_s = 0.0
        self.reading_s = 0.0
        self.unreadable.clear()
        self.refuses_credentials = False
        self.suspended.clear()

    # Postponed actions

    def later(self, delay_s: float, action: Callable[[], object]) -> None:
        """Let `run_postponed` run an action after a delay."""
        self._postponed.append((self._clock() + delay_s, action))
        self.wake()

    def run_postponed_until(self, until: float) -> None:
        """Run the actions that are due by then; refused ones are dropped."""
        due = [action for at, action in self._postponed if at <= until]
        self._postponed = [(at, action) for at, action in self._postponed if at > until]
        for action in due:
            with suppress(HomeserverRefused, RateLimited, SessionRevoked):
                action()

    async def run_postponed(self) -> None:
        """Run postponed actions when they are due, without end; refused actions are dropped."""
        while True:
            now = self._clock()
            self.run_postponed_until(now)
            wait_s = min((at for at, _ in self._postponed), default=math.inf) - now
            with anyio.move_on_after(wait_s):
                await self.news()

    # Waiting for news

    async def news(self) -> None:
        """Wait for an event, an outage, a revocation or a loss of positions."""
        waiter = anyio.Event()
        self._waiters.append(waiter)
        try:
            await waiter.wait()
        finally:
            self._waiters.remove(waiter)

    def wake(self) -> None:
        """Wake all tasks that wait in `news`."""
        for waiter in self._waiters:
            waiter.set()

    # Reading

    def room(self, room_id: RoomId) -> SimulatedRoom:
        """A room. Raises HomeserverRefused (404) if it does not exist."""
        room = self.rooms.get(room_id)
        if room is None:
            raise HomeserverRefused(404, "M_NOT_FOUND", f"No such room: {room_id}")
        return room

    def rooms_of(self, user_id: UserId, membership: str) -> Iterator[SimulatedRoom]:
        """The rooms in which a user has this membership, in the order of first contact."""
        for room in self._rooms_of.get(user_id, {}).values():
            if room.membership(user_id) == membership:
                yield room

    def invites(self, user_id: UserId) -> tuple[Invite, ...]:
        """The open invites of a user."""
        return tuple(
            Invite(room.room_id, self.inviter(room.state["m.room.member", user_id], user_id))
            for room in self.rooms_of(user_id, "invite")
        )

    def inviter(self, invite: Event, invited: UserId) -> UserId:
        """The inviter that a sync names; the invited user if it names none."""
        return invited if self.unnamed_inviters else invite.sender

    # Writing. Each raises HomeserverRefused if the auth rules forbid it.

    def create_room(
        self,
        creator: UserId,
        *,
        name: str | None = None,
        topic: str = "",
        is_space: bool = False,
        predecessor: RoomId | None = None,
        initial_state: Sequence[StateEntry] = (),
        power_levels: Content | None = None,
        version: str | None = None,
    ) -> RoomId:
        """Create a private room; its creator joins it.

        `power_levels` overrides entries of the default ones.
        """
        for _, key, _ in initial_state:
            check_state_key(creator, key)
        room = SimulatedRoom(self._new_room_id(version), version or self.room_version)
        self.rooms[room.room_id] = room
        self.creations[creator] += 1
        self._append(
            room,
            creator,
            "m.room.create",
            _create_content(is_space=is_space, predecessor=predecessor),
            "",
        )
        self._set_member(room, creator, creator, "join")
        levels = _default_levels(room, creator) | dict(power_levels or {})
        self._append(room, creator, "m.room.power_levels", levels, "")
        for kind, key, content in initial_state:
            self._append(room, creator, kind, content, key)
        if self.encrypts_new_rooms:
            self.encrypt(room.room_id)
        if name is not None:
            self._append(room, creator, "m.room.name", {"name": name}, "")
        if topic:
            self._append(room, creator, "m.room.topic", {"topic": topic}, "")
        return room.room_id

    def set_state(
        self, sender: UserId, room_id: RoomId, kind: str, content: Content, key: str = ""
    ) -> EventId:
        """Write a state event. The same content by the same sender adds no event."""
        room = self.room(room_id)
        room.check_state(sender, kind, key)
        present = room.state.get((kind, key))
        if present and present.sender == sender and present.content == content:
            return present.event_id
        return self._append(room, sender, kind, content, key)

    def encrypt(self, room_id: RoomId) -> None:
        """Encrypt a room, in the name of its creator."""
        room = self.room(room_id)
        content = {"algorithm": "m.megolm.v1.aes-sha2"}
        self._append(room, room.creator, "m.room.encryption", content, "")

    def set_membership(
        self, sender: UserId, room_id: RoomId, target: UserId, membership: str
    ) -> None:
        """Join, invite, leave, kick or ban. An unchanged membership adds no event."""
        room = self.room(room_id)
        if sender == target and room.membership(target) == membership:
            return
        if not (membership == "join" and sender == target and self._admits(room, target)):
            room.check_membership(sender, target, membership)
        if room.membership(target) != membership:
            self._set_member(room, sender, target, membership)

    def _admits(self, room: SimulatedRoom, user_id: UserId) -> bool:
        """Whether the join rules let a user in as a member of another room.

        As the specification says, a member who may invite vouches for the user.
        """
        vouches = (room.power(it) >= room.needed("invite") for it in room.members("join"))
        if room.membership(user_id) == "ban" or not any(vouches):
            return False
        rooms = (self.rooms.get(it) for it in room.admitted_rooms())
        return any(it is not None and it.membership(user_id) == "join" for it in rooms)

    def send(
        self, sender: UserId, room_id: RoomId, content: Content, txn_id: str | None = None
    ) -> EventId:
        """Send an `m.room.message`. An edit of an event that the room does not have is refused."""
        room = self.room(room_id)
        room.check_message(sender, "m.room.message")
        if event_bytes(content) > self.event_limit:
            raise HomeserverRefused(413, "M_TOO_LARGE", "event too large")
        edits = edited_by(content)
        if edits is not None and room.find(edits) is None:
            raise RefusedUnclearly(400, "M_UNKNOWN", "Can't send relation to unknown event")
        return self._append(room, sender, "m.room.message", content, None, txn_id=txn_id)

    def redact(
        self, sender: UserId, room_id: RoomId, event_id: EventId, txn_id: str | None = None
    ) -> EventId:
        """Take the content from a message of the sender's own, or as the room's power allows."""
        room = self.room(room_id)
        room.check_message(sender, "m.room.redaction")
        event = room.find(event_id)
        if event is None:
            raise HomeserverRefused(404, "M_NOT_FOUND", f"Could not find event {event_id}")
        if event.sender != sender and room.power(sender) < room.needed("redact"):
            forbid("You don't have permission to redact events")
        return self._empty(room, event, sender, txn_id)

    def take_down(self, room_id: RoomId, event_id: EventId) -> None:
        """Redact a message, as the server's administrator can."""
        room = self.room(room_id)
        event = room.find(event_id)
        if event is not None:
            self._empty(room, event, UserId(f"@admin:{self.name}"), None)

    def _empty(
        self, room: SimulatedRoom, event: Event, sender: UserId, txn_id: str | None
    ) -> EventId:
        emptied = replace(event, content={}, redacted=True)
        for events in (room.timeline, self.events):
            events[events.index(event)] = emptied
        redaction = {"redacts": event.event_id}
        return self._append(room, sender, "m.room.redaction", redaction, None, txn_id=txn_id)

    def grant(self, room_id: RoomId, user_id: UserId, power: int) -> None:
        """Give a user a power level, in the name of the room's creator."""
        room = self.room(room_id)
        levels = room.content("m.room.power_levels")
        changed = {**levels, "users": {**room.powers(), user_id: power}}
        self._append(room, room.creator, "m.room.power_levels", changed, "")

    def evict(self, room_id: RoomId, user_id: UserId, membership: str = "leave") -> None:
        """Remove a user from a room, as the server's administrator can.

        With `ban`, the user may not be invited again until another call without it.
        """
        self._set_member(self.room(room_id), user_id, user_id, membership)

    def _set_member(
        self, room: SimulatedRoom, sender: UserId, target: UserId, membership: str
    ) -> None:
        self._rooms_of.setdefault(target, {})[room.room_id] = room
        self.forgotten.discard((room.room_id, target))
        name = {"displayname": self.names[target]} if target in self.names else {}
        self._append(room, sender, "m.room.member", {"membership": membership, **name}, target)

    def name_person(self, user_id: UserId, name: str) -> None:
        """Give a user a display name, which the server writes into all rooms of the user."""
        self.names[user_id] = name
        for room in list(self.rooms_of(user_id, "join")):
            self._set_member(room, user_id, user_id, "join")

    def _append(
        self,
        room: SimulatedRoom,
        sender: UserId,
        kind: str,
        content: Content,
        key: str | None,
        *,
        txn_id: str | None = None,
    ) -> EventId:
        event = Event(
            event_id=EventId(f"${self.rng.getrandbits(128):032x}"),
            room_id=room.room_id,
            sender=sender,
            type=kind,
            content=content,
            origin_server_ts=self._next_ts(),
            position=self.position + 1,
            state_key=key,
            prev_content=None if key is None else room.content(kind, key),
            txn_id=txn_id,
        )
        self.events.append(event)
        room.append(event)
        self.on_event(event)
        self.wake()
        return event.event_id

    def _next_ts(self) -> int:
        # Timestamps are unique, so that the order of creation is always decided.
        last = self.events[-1].origin_server_ts if self.events else 0
        return max(round(self.now() * 1000), last + 1)

    def _new_room_id(self, version: str | None) -> RoomId:
        opaque = f"!{self.rng.getrandbits(96):024x}"
        has_server = int(version or self.room_version) < 12
        return RoomId(f"{opaque}:{self.name}" if has_server else opaque)


def _copied(backup: Backup) -> Backup:
    return deepcopy(backup, {id(MALFORMED): MALFORMED})


def _default_levels(room: SimulatedRoom, creator: UserId) -> dict[str, object]:
    # Creators with unlimited power must not be named.
    privileged = int(room.version) >= PRIVILEGED_CREATORS_SINCE
    return {**DEFAULT_POWER_LEVELS, "users": {} if privileged else {creator: CREATOR_POWER}}


def _create_content(*, is_space: bool, predecessor: RoomId | None) -> Content:
    content: dict[str, object] = {}
    if is_space:
        content["type"] = "m.space"
    if predecessor is not None:
        content["predecessor"] = {"room_id": predecessor}
    return content
