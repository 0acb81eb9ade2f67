"""The `Homeserver` port over the simulated server, with delays and faults."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import anyio
from anyio.lowlevel import checkpoint

from actors.model import (
    MARKER_TYPE,
    EventId,
    Generation,
    HomeserverTraits,
    Instance,
    Marker,
    OutboundKind,
    OutboundMessage,
    RoomId,
    RoomKind,
    UserId,
)
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, SessionRevoked
from actors.ports import Gap, Hydration, NewRoom, RecentPage, SyncDelta
from actors.rules.marker import marker_content
from actors.snapshots import RoomSnapshot
from adapter.matrix.contents import message_content
from adapter.matrix.provisioning import (
    JOIN_RULES_TYPE,
    initial_state,
    join_rules_content,
    link_content,
    power_levels,
)
from adapter.matrix.sending import send_somewhere, send_what_fits
from tests.simulation.connection import LATE_CREATION_S, LATE_EDIT_S, LATE_S, Connection, Gate
from tests.simulation.events import StateEntry
from tests.simulation.faults import Faults
from tests.simulation.limits import RateLimit
from tests.simulation.own_account import SimulatedAccount
from tests.simulation.reading import read_snapshot, read_text, told_snapshot
from tests.simulation.room import SimulatedRoom, forbid
from tests.simulation.room_contents import SimulatedContents
from tests.simulation.server import SimulatedServer
from tests.simulation.syncing import has_news, read_delta, read_gap, read_recent, without_ended
from tests.simulation.transactions import Transaction

T = TypeVar("T")

OVERLAP_EVENTS: Final = 10
"""A repeating sync goes back by at most so many events, and never before the last hydrate."""


class SimulatedHomeserver:
    """One client of the bot's account. Implements `actors.ports.Homeserver`.

    Each request can be cancelled before or after its effect, like one that times out. `token` is
    the stored session; a client without one logs in, which ends the device's other session.
    """

    def __init__(
        self,
        server: SimulatedServer,
        me: UserId,
        device_id: str = "SURFACESBOT",
        faults: Faults | None = None,
        *,
        token: str | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.server = server
        self.faults = faults or Faults(server.rng)
        self.connection = Connection(
            server, me, device_id, faults=self.faults, token=token, gate=gate or Gate()
        )
        self._contents = SimulatedContents(self.connection, me, self._joined, self._set_state)
        self._account = SimulatedAccount(self.connection, server, me)
        self.closed = False
        self._hydrated_at = 0
        self._me = me
        self._read = self.connection.read
        self._write = self.connection.write

    @property
    def me(self) -> UserId:
        """The bot's user id."""
        return self._me

    @property
    def contents(self) -> SimulatedContents:
        """The messages, settings and files in rooms."""
        return self._contents

    @property
    def own_account(self) -> SimulatedAccount:
        """How people see the bot's account."""
        return self._account

    def healed(self) -> None:
        """End all faults of the server and of this client's requests."""
        self.server.healed()
        self.faults.healed()

    # The session

    async def log_in(self) -> str:
        """Resume the session if its token is valid, else log in."""
        return await self.connection.log_in()

    async def probe(self) -> None:
        """Send a small authenticated request."""
        await self._read("probe", lambda: None)

    async def try_writing(self, room_id: RoomId) -> None:
        """Ask for a change that the auth rules forbid to everyone."""
        async with self.connection.request("try_writing", room_id):
            self.connection.check_suspension("try_writing")

    async def close(self) -> None:
        """Set `closed`."""
        self.closed = True
        await checkpoint()

    # Reading

    async def hydrate(self) -> Hydration:
        """Take the position, then read the rooms: a sync repeats events of the time between."""
        async with self.connection.request("hydrate"):
            position = self.server.token()
            self._hydrated_at = self.server.position
            await checkpoint()
            return self._hydration(position)

    async def sync(self, since: str, timeout_s: float) -> SyncDelta:
        """Wait at most `timeout_s` for events after a position."""
        async with self.connection.request("sync"):
            with anyio.move_on_after(timeout_s):
                while not has_news(self._delta(since)):
                    await self.server.news()
            return self._disturbed(since, self._delta(since))

    async def messages_before(
        self, room_id: RoomId, token: str, *, stop_at: str, limit: int
    ) -> Gap:
        """At most `limit` messages of a gap: the last ones before `token`."""

        def read() -> Gap:
            room = self._joined(room_id)
            gap = read_gap(room, self._me, token, stop_at, limit)
            return without_ended(gap, room) if self.connection.bundles else gap

        return await self._read("messages_before", read, room_id)

    async def recent(self, room_id: RoomId, token: str) -> RecentPage:
        """One page of what was said in a room."""

        def read() -> RecentPage:
            return read_recent(self._joined(room_id), self._me, token)

        return await self._read("recent", read, room_id)

    async def read_room(self, room_id: RoomId) -> RoomSnapshot:
        """One joined room's state."""

        def read() -> RoomSnapshot:
            room = self._joined(room_id)
            if room_id in self.server.unreadable:
                raise HomeserverUnavailable(self.server.unreadable[room_id])
            return read_snapshot(room, self._me)

        await anyio.sleep(self.server.reading_s)
        return await self._read("read_room", read, room_id)

    async def text_of(self, room_id: RoomId, event_id: EventId) -> str:
        """The text of a message."""

        def read() -> str:
            text = read_text(self._joined(room_id), event_id)
            if text is None:
                raise HomeserverRefused(404, "M_NOT_FOUND", "Event not found.")
            return text

        return await self._read("text_of", read, room_id)

    async def joined_rooms(self) -> frozenset[RoomId]:
        """The rooms that the bot has joined."""

        def read() -> frozenset[RoomId]:
            return frozenset(room.room_id for room in self.server.rooms_of(self._me, "join"))

        return await self._read("joined_rooms", read)

    async def inviter_of(self, room_id: RoomId) -> UserId | None:
        """The sender of the latest invite to the bot."""

        def read() -> UserId | None:
            invites = [
                event.sender
                for event in self._joined(room_id).timeline
                if event.state_key == self._me and event.content.get("membership") == "invite"
            ]
            return invites[-1] if invites and not self.server.hides_inviters else None

        return await self._read("inviter_of", read, room_id)

    async def is_server_notices(self, room_id: RoomId) -> bool:
        """Whether the server has tagged the room."""
        return await self._read(
            "is_server_notices", lambda: room_id in self.server.notices_rooms, room_id
        )

    async def encrypts_new_rooms(self) -> bool:
        """Whether the server says that it encrypts new rooms."""

        def read() -> bool:
            return self.server.encrypts_new_rooms and self.server.declares_encryption

        return await self._read("encrypts_new_rooms", read)

    # Writing

    async def create_room(self, room: NewRoom) -> RoomId:
        """Create a room with its marker and, for a chat, the link to its Space."""

        def create() -> RoomId:
            if self.server.creation_limit is not None:
                self.server.creation_limit.check(self._me, self.server.now())
            self._take(self.server.write_limit)
            self._take(self.server.creation_limit)
            return self.server.create_room(
                self._me,
                name=room.name,
                topic=room.topic,
                is_space=room.marker.kind is RoomKind.SPACE,
                initial_state=self._initial_state(room),
                power_levels=power_levels(room.marker, self._me, self.server.room_version),
            )

        return await self._write("create_room", create, late_s=LATE_CREATION_S)

    async def write_marker(self, room_id: RoomId, marker: Marker) -> None:
        """Write the bot's marker."""
        await self._set_state(
            "write_marker", room_id, (MARKER_TYPE, self._me, marker_content(marker))
        )

    async def set_name(self, room_id: RoomId, name: str) -> None:
        """Write the room's name."""
        await self._set_state("set_name", room_id, ("m.room.name", "", {"name": name}))

    async def link(self, space_id: RoomId, room_id: RoomId, order: str = "") -> None:
        """List a room in a Space."""
        entry = ("m.space.child", str(room_id), link_content(self._me, order))
        await self._set_state("link", space_id, entry)

    async def unlink(self, space_id: RoomId, room_id: RoomId) -> None:
        """Remove a room from a Space's list."""
        await self._set_state("unlink", space_id, ("m.space.child", str(room_id), {}))

    async def join(self, room_id: RoomId) -> None:
        """Accept an invite."""
        await self._set_membership("join", room_id, self._me, "join")

    async def leave(self, room_id: RoomId) -> None:
        """Leave a room or reject an invite."""
        await self._set_membership("leave", room_id, self._me, "leave")

    async def invite(self, room_id: RoomId, user_id: UserId) -> None:
        """Invite a user, unless the user has joined already."""

        def invite() -> None:
            room = self._joined(room_id)
            with self._limited():
                if room.membership(user_id) != "join":
                    self._refuse_blocked(user_id)
                    self.server.set_membership(self._me, room_id, user_id, "invite")

        await self._write("invite", invite, room_id)

    async def let_in(self, room: RoomSnapshot, members_of: Collection[RoomId]) -> None:
        """Let people knock, and the members of a room join."""
        rules = join_rules_content(room.room_version, members_of)
        await self._set_state("let_in", room.room_id, (JOIN_RULES_TYPE, "", rules))

    async def forget(self, room_id: RoomId) -> None:
        """Forget a room that the bot has left."""

        def forget() -> None:
            if self.server.room(room_id).membership(self._me) in {"join", "invite"}:
                raise HomeserverRefused(400, "M_UNKNOWN", f"User {self._me} is in room {room_id}")
            self.server.forgotten.add((room_id, self._me))

        await self._write("forget", forget, room_id)

    async def send(self, message: OutboundMessage) -> EventId:
        """Send a message, unless this device has used its transaction id in the room before."""
        needs_target = message.kind in {OutboundKind.LIVE, OutboundKind.REDACTION}
        if needs_target and message.target is None:
            raise ValueError(f"a {message.kind} needs a target")
        if message.kind is not OutboundKind.FINAL:
            return await send_what_fits(message, self._send)
        somewhere = partial(send_somewhere, send=self._send, has_event=self.has_event)
        return await send_what_fits(message, somewhere)

    async def _send(self, message: OutboundMessage) -> EventId:
        server, token = self.server, self.connection.token
        transaction = Transaction(
            self._me, self.connection.device_id, message.room_id, message.txn_id
        )

        def send() -> EventId:
            if token != self.connection.token:  # it is handled late, and the session is over
                raise SessionRevoked("M_UNKNOWN_TOKEN")
            known = server.transactions.event_of(transaction, server.now())
            if known is not None and server.deduplicates:
                return known
            self._take(server.write_limit)
            event_id = self._put(message)
            server.transactions.remember(transaction, event_id, server.now())
            return event_id

        late_s = LATE_EDIT_S if message.kind is OutboundKind.LIVE else LATE_S
        return await self._write("send", send, message.room_id, late_s=late_s)

    def _put(self, message: OutboundMessage) -> EventId:
        if message.kind is OutboundKind.REDACTION:
            target = EventId(str(message.target))
            return self.server.redact(self._me, message.room_id, target, message.txn_id)
        content = message_content(message)
        return self.server.send(self._me, message.room_id, content, message.txn_id)

    @property
    def session(self) -> str:
        """The access token names the session."""
        return str(self.connection.token)

    async def find_sent(self, message: OutboundMessage) -> EventId | None:
        """The bot's own event with this message's transaction id."""

        def find() -> EventId | None:
            for event in reversed(self._joined(message.room_id).timeline):
                if event.sender == self._me and event.txn_id == message.txn_id:
                    return event.event_id
            return None

        return await self._read("find_sent", find, message.room_id)

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        """Whether the room has the event and the bot is in it."""

        def find() -> bool:
            room = self.server.rooms.get(room_id)
            if room is None or room.membership(self._me) != "join":
                return False
            return any(event.event_id == event_id for event in room.timeline)

        return await self._read("has_event", find, room_id)

    async def generation(self) -> Generation | None:
        """The generation in the account data."""
        return await self._read("generation", lambda: self.server.generations.get(self._me))

    async def keep_generation(self, generation: Generation) -> None:
        """Write the generation into the account data."""

        def keep() -> None:
            self.server.generations[self._me] = generation

        await self._read("keep_generation", keep)

    async def traits(self) -> HomeserverTraits:
        """What was found out about the server, from the account data."""
        return await self._read(
            "traits", lambda: self.server.traits.get(self._me, HomeserverTraits())
        )

    async def keep_traits(self, traits: HomeserverTraits) -> None:
        """Write into the account data what was found out about the server."""

        def keep() -> None:
            self.server.traits[self._me] = traits

        await self._read("keep_traits", keep)

    async def announce(self, instance: Instance) -> None:
        """Write the instance into the account data."""
        await self._read("announce", lambda: self.server.announce(self._me, instance))

    async def set_typing(self, room_id: RoomId, *, typing: bool) -> None:
        """Show or end the typing notice."""

        def set_typing() -> None:
            self._joined(room_id)
            users = self.server.typing.setdefault(room_id, set())
            (users.add if typing else users.discard)(self._me)

        await self._write("set_typing", set_typing, room_id)

    async def mark_read(self, room_id: RoomId, event_id: EventId) -> None:
        """Move the bot's read receipt."""

        def mark_read() -> None:
            self._joined(room_id)
            self.server.receipts[room_id, self._me] = event_id

        await self._write("mark_read", mark_read, room_id)

    async def _set_state(self, action: str, room_id: RoomId, entry: StateEntry) -> None:
        def write() -> None:
            kind, key, content = entry
            with self._limited():
                self.server.set_state(self._me, room_id, kind, content, key)

        await self._write(action, write, room_id)

    async def _set_membership(
        self, action: str, room_id: RoomId, user_id: UserId, membership: str
    ) -> None:
        def change() -> None:
            with self._limited():
                self.server.set_membership(self._me, room_id, user_id, membership)

        await self._write(action, change, room_id)

    # Details

    def _joined(self, room_id: RoomId) -> SimulatedRoom:
        room = self.server.rooms.get(room_id)
        if room is None or room.membership(self._me) != "join":
            forbid(f"User {self._me} not in room {room_id}")
        return room

    def _refuse_blocked(self, user_id: UserId) -> None:
        if user_id in self.server.blocks_invites:
            raise HomeserverRefused(403, "M_INVITE_BLOCKED", "You are not permitted to invite.")

    def _take(self, limit: RateLimit | None) -> None:
        if limit is not None:
            limit.take(self._me, self.server.now())

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Count a write towards the rate limit, unless it changes nothing."""
        limit, before = self.server.write_limit, self.server.position
        self._take(limit)
        yield
        if limit is not None and self.server.position == before:
            limit.give_back(self._me)

    def _hydration(self, position: str) -> Hydration:
        unreadable = self.server.unreadable
        rooms = tuple(self.server.rooms_of(self._me, "join"))
        return Hydration(
            position=position,
            snapshots=tuple(
                told_snapshot(room, self._me) for room in rooms if room.room_id not in unreadable
            ),
            invites=self.server.invites(self._me),
            unreadable={
                room.room_id: unreadable[room.room_id]
                for room in rooms
                if room.room_id in unreadable
            },
        )

    def _delta(self, since: str) -> SyncDelta:
        self.connection.check()
        instance = self.server.announced_since(since, self._me)
        return read_delta(self.server, self._me, self.server.position_of(since), instance)

    def _disturbed(self, since: str, delta: SyncDelta) -> SyncDelta:
        """Repeat earlier events or shuffle the rooms, as the faults say."""
        rng = self.faults.rng
        if self.faults.overlap and rng.random() < self.faults.overlap:
            position = self.server.position_of(since)
            earlier = max(self._hydrated_at, position - rng.randint(1, OVERLAP_EVENTS))
            earlier = min(earlier, position)
            delta = replace(
                read_delta(self.server, self._me, earlier, delta.instance),
                next_batch=self.server.token(),
            )
        if self.faults.shuffle:
            delta = replace(delta, rooms=tuple(rng.sample(delta.rooms, len(delta.rooms))))
        return delta

    def _initial_state(self, room: NewRoom) -> list[StateEntry]:
        entries = initial_state(room, self._me, self.server.room_version)
        return [(it.type, it.state_key, it.content) for it in entries]
