"""Whether the homeserver encrypts the rooms that the bot creates.

The bot can't read encrypted messages, so it creates nothing on such a homeserver. Some homeservers
say it themselves. Of the others, an encrypted room shows it that the bot has just created: then the
bot creates one room more, after a pause that grows, to find out whether it is still so.
"""

from collections.abc import Callable
from typing import Final

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import Nonce, RoomId
from actors.port_errors import HomeserverRefused
from actors.ports import Homeserver, StateStore
from actors.writes import DeleteRow, JsonObject, PutRow, Write

_log = structlog.get_logger()

ROW: Final = "encrypted_creation"
"""The key of the row that remembers encrypted creations over a restart."""


class EncryptionWatch:
    """What is known about the encryption of new rooms. `wall_clock`: seconds since the epoch."""

    def __init__(
        self,
        homeserver: Homeserver,
        store: StateStore,
        wall_clock: Callable[[], float],
        bounds: Bounds,
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._wall_clock = wall_clock
        self._bounds = bounds
        self._declared = False
        self._asked_at: float | None = None
        self._times: int | None = None
        """How many creations in a row were encrypted; None until the row is read."""
        self._latest: str | None = None
        """The encrypted room that was counted last."""
        self._paused_until = 0.0
        self._trial: Nonce | None = None
        """The intent that may create a room to find out whether rooms are still encrypted."""
        self._one_at_a_time = anyio.Lock()

    @property
    def reason(self) -> str | None:
        """Why the bot creates no rooms, for logs and the status; None if it creates them."""
        if self._declared:
            return "the homeserver says that it encrypts every new private room"
        if self._times:
            return "the homeserver has encrypted the room that the bot created last"
        return None

    async def look(self) -> None:
        """Ask the homeserver, unless it was asked shortly before. Raises the port's errors."""
        async with self._one_at_a_time:
            await self._restore()
            now, asked_at = anyio.current_time(), self._asked_at
            if asked_at is None or now - asked_at >= self._bounds.encryption_again_s:
                before = self.reason
                self._declared = await self._ask()
                self._asked_at = now
                self._tell_change(before)

    def ask_again(self) -> None:
        """Ask at the next look, because the homeserver may have been restarted."""
        self._asked_at = None

    async def forbids(self, nonce: Nonce) -> bool:
        """Whether an intent must create no room now. After the pause, one intent may try it."""
        await self.look()
        if self._declared or not self._times:
            return self._declared
        now = anyio.current_time()
        if self._trial != nonce and now < self._paused_until:
            return True
        self._trial, self._paused_until = nonce, now + self._bounds.unclear_for_s
        return False

    def found(self, room_id: RoomId) -> tuple[Write, ...]:
        """Note that a room that the bot has created is encrypted; the write that remembers it.

        A room counts once, however often the bot has to try to leave it.
        """
        if room_id == self._latest:
            return ()
        before, self._trial, self._latest = self.reason, None, room_id
        self._times = (self._times or 0) + 1
        self._paused_until = anyio.current_time() + self._pause_s(self._times)
        _log.warning("created_encrypted", room_id=room_id, next_try_in_s=self._pause_s(self._times))
        self._tell_change(before)
        row: JsonObject = {"times": self._times, "at": self._wall_clock(), "room_id": room_id}
        return (PutRow(ROW, row),)

    def not_found(self) -> tuple[Write, ...]:
        """Note that a room that the bot has created is not encrypted; the write that forgets."""
        if not self._times:
            return ()
        before, self._times, self._trial = self.reason, 0, None
        self._tell_change(before)
        return (DeleteRow(ROW),)

    async def _ask(self) -> bool:
        try:
            return await self._homeserver.encrypts_new_rooms()
        except HomeserverRefused:
            return False

    def _tell_change(self, before: str | None) -> None:
        now = self.reason
        if now is not None and now != before:
            _log.warning("new_rooms_encrypted", reason=now)
        elif now is None and before is not None:
            _log.info("new_rooms_not_encrypted")

    def _pause_s(self, times: int) -> float:
        longest_s = self._bounds.encrypted_pause_cap_s
        return min(longest_s, self._bounds.encrypted_pause_s * 2.0 ** min(times - 1, 32))

    async def _restore(self) -> None:
        """Read what an earlier run has found. A time in the future counts as now."""
        if self._times is not None:
            return
        row = await self._store.row(ROW) or {}
        times, at, latest = row.get("times"), row.get("at"), row.get("room_id")
        known = isinstance(times, int) and isinstance(at, int | float)
        self._times = times if isinstance(times, int) and known else 0
        self._latest = latest if isinstance(latest, str) else None
        if isinstance(at, int | float) and self._times > 0:
            passed_s = max(0.0, self._wall_clock() - at)
            left_s = max(0.0, self._pause_s(self._times) - passed_s)
            self._paused_until = anyio.current_time() + left_s
