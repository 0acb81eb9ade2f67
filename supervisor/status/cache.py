"""Reads what the snapshot shows from the database: rarely, and with a time limit."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import anyio

from actors.model import RoomId, RoomMeta, UserId, UserMeta
from actors.port_errors import PortError
from actors.ports import StateStore
from actors.rows import ROOM_PREFIX, USER_PREFIX, from_row, room_key, user_key
from supervisor.status.snapshot import LISTED, Owner

FRESH_S: Final = 1.0
"""Rows are read again no sooner than this. Waiting messages are counted every time."""
ROOM_FRESH_S: Final = 10.0
"""What is shown of single rooms is as old as this at most: names seldom change."""
SHARE: Final = 0.01
"""Reading rows takes at most this share of the time: ten thousand rows are read rarely."""
WITHIN_S: Final = 2.0
"""A read that takes longer is given up."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the cache. `rooms` have a row; `owners` are the first of `owners_total`."""

    owners: tuple[Owner, ...]
    owners_total: int
    rooms: frozenset[RoomId]


@dataclass(slots=True)
class CacheView:
    """The store as the status page reads it. Errors of the store become None."""

    store: StateStore
    _rows: Rows | None = field(default=None, init=False)
    _fresh_until: float = field(default=0.0, init=False)
    _metas: dict[RoomId, RoomMeta | None] = field(default_factory=dict, init=False)
    _waiting_since: dict[RoomId, float | None] = field(default_factory=dict, init=False)
    _rooms_fresh_until: float = field(default=0.0, init=False)

    async def inbox_waiting(self) -> dict[RoomId, int] | None:
        """The number of messages that wait to be handled, by room; None if the read fails."""
        return await _or_none(self.store.waiting_counts)

    async def outbox_unsent(self) -> int | None:
        """The number of messages that wait to be sent; None if the read fails."""
        counts = await _or_none(self.store.unsent_counts)
        return None if counts is None else sum(counts.values())

    async def rows(self) -> Rows | None:
        """The owners and rooms of the last read, which may be old; None if that read failed."""
        began = anyio.current_time()
        if began >= self._fresh_until:
            self._rows = await _or_none(self._read)
            now = anyio.current_time()
            self._fresh_until = now + max(FRESH_S, (now - began) / SHARE)
        return self._rows

    async def meta(self, room_id: RoomId) -> RoomMeta | None:
        """A room's row; None if it is missing or cannot be read."""
        self._forget_old()
        if room_id not in self._metas:

            async def read() -> RoomMeta | None:
                return from_row(await self.store.row(room_key(room_id)), RoomMeta)

            self._metas[room_id] = await _or_none(read)
        return self._metas[room_id]

    async def waiting_since(self, room_id: RoomId) -> float | None:
        """When the oldest waiting message of a room was accepted, in seconds since the epoch.

        None if there is none, or the read fails.
        """
        self._forget_old()
        if room_id not in self._waiting_since:
            found = await _or_none(lambda: self.store.waiting(room_id, 1))
            self._waiting_since[room_id] = found[0].accepted_at if found else None
        return self._waiting_since[room_id]

    def _forget_old(self) -> None:
        now = anyio.current_time()
        if now >= self._rooms_fresh_until:
            self._metas.clear()
            self._waiting_since.clear()
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


async def _or_none(read: Callable[[], Awaitable[_T]]) -> _T | None:
    try:
        with anyio.fail_after(WITHIN_S):
            return await read()
    except (PortError, TimeoutError):
        return None
