"""Reads what the snapshot shows from the database: rarely, and with a time limit."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import anyio

from actors.model import RoomId, RoomMeta, UserId, UserMeta
from actors.port_errors import PortError
from actors.ports import StateStore
from actors.rows import ROOM_PREFIX, USER_PREFIX, from_row, room_key, user_key
from supervisor.status.snapshot import LISTED, AtWork, Owner

FRESH_S: Final = 1.0
"""Rows are read again no sooner than this. Waiting messages are counted every time."""
ROOM_FRESH_S: Final = 10.0
"""What is shown of single rooms is as old as this at most: names seldom change."""
SHARE: Final = 0.01
"""Reading rows takes at most this share of the time: ten thousand rows are read rarely."""
WITHIN_S: Final = 1.0
"""What takes longer is given up: no page waits longer for the database."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the cache. `rooms` have a row; `owners` are the first of `owners_total`."""

    owners: tuple[Owner, ...]
    owners_total: int
    rooms: frozenset[RoomId]


@dataclass(slots=True)
class Figures:
    """What the database says. None for what could not be read."""

    waiting: Mapping[RoomId, int] | None = None
    """The number of messages that wait to be handled, by room."""
    outbox_unsent: int | None = None
    """The number of messages that wait to be sent."""
    rows: Rows | None = None
    """The owners and rooms when they could last be read, which may be long ago."""
    metas: dict[RoomId, RoomMeta | None] = field(default_factory=dict)
    """The rows of some rooms, at most `ROOM_FRESH_S` old."""
    since: dict[RoomId, float] = field(default_factory=dict)
    """When the oldest message that waits in a room was accepted, in seconds since the epoch."""


@dataclass(slots=True)
class CacheView:
    """The store as the status page reads it. Errors of the store become None."""

    store: StateStore
    _rows: Rows | None = field(default=None, init=False)
    _fresh_until: float = field(default=0.0, init=False)
    _metas: dict[RoomId, RoomMeta | None] = field(default_factory=dict, init=False)
    _since: dict[RoomId, float] = field(default_factory=dict, init=False)
    _rooms_fresh_until: float = field(default=0.0, init=False)

    async def figures(
        self, rooms: Sequence[RoomId], working: Callable[[Mapping[RoomId, int]], AtWork]
    ) -> Figures:
        """What the database says within `WITHIN_S`.

        It has the rows of these rooms, and of the conversations that are `working` given the
        messages that wait.
        """
        found = Figures(rows=self._rows)
        with anyio.move_on_after(WITHIN_S):
            found.waiting = await _counts(self.store.waiting_counts)
            unsent = await _counts(self.store.unsent_counts)
            found.outbox_unsent = None if unsent is None else sum(unsent.values())
            await self._read_rows()
            self._forget_old()
            for room_id in rooms:
                await self._read_meta(room_id)
            for chat in working(found.waiting or {}).listed:
                await self._read_meta(RoomId(chat.room_id))
                if chat.since is None:
                    await self._read_since(RoomId(chat.room_id))
        found.rows = self._rows
        found.metas, found.since = self._metas, self._since
        return found

    async def _read_rows(self) -> None:
        began = anyio.current_time()
        if began < self._fresh_until:
            return
        try:
            self._rows = await self._read()
        except PortError:
            pass
        finally:
            now = anyio.current_time()
            self._fresh_until = now + max(FRESH_S, (now - began) / SHARE)

    async def _read_meta(self, room_id: RoomId) -> None:
        if room_id in self._metas:
            return
        with suppress(PortError):
            row = await self.store.row(room_key(room_id))
            self._metas[room_id] = from_row(row, RoomMeta)

    async def _read_since(self, room_id: RoomId) -> None:
        if room_id in self._since:
            return
        with suppress(PortError):
            for waiting in await self.store.waiting(room_id, 1):
                self._since[room_id] = waiting.accepted_at

    def _forget_old(self) -> None:
        now = anyio.current_time()
        if now >= self._rooms_fresh_until:
            self._metas.clear()
            self._since.clear()
            self._rooms_fresh_until = now + ROOM_FRESH_S

    async def _read(self) -> Rows:
        users = [UserId(key[len(USER_PREFIX) :]) for key in await self.store.keys(USER_PREFIX)]
        rooms = await self.store.keys(ROOM_PREFIX)
        owners: list[Owner] = []
        for user_id in users[:LISTED]:
            meta = from_row(await self.store.row(user_key(user_id)), UserMeta)
            if meta is not None:
                chats = max(0, meta.next_chat_index - 1)
                owners.append(Owner(user_id=user_id, space_id=meta.space_id, chats=chats))
        room_ids = frozenset(RoomId(key[len(ROOM_PREFIX) :]) for key in rooms)
        return Rows(tuple(owners), len(users), room_ids)


async def _counts(
    read: Callable[[], Awaitable[Mapping[RoomId, int]]],
) -> Mapping[RoomId, int] | None:
    try:
        return await read()
    except PortError:
        return None
