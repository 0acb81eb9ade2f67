"""Reading all rooms again once a day, room by room, while the bot is live.

It finds what no news has said, for example after a fault of the homeserver.
"""

from dataclasses import dataclass, field

import anyio
import structlog

from actors.services import Services
from actors.writes import NoteWholeRead
from supervisor.serving.gone_rooms import note_gone_rooms

_log = structlog.get_logger()


@dataclass(slots=True)
class Rereading:
    """Reads the rooms again when the latest reading of all of them is a day old."""

    services: Services
    _busy: bool = field(default=False, init=False)

    async def reread(self) -> None:
        """Tell every room to read itself again, if that is due. It ends when the bot is not live.

        Raises what the ports raise.
        """
        if self._busy or not await self._is_due():
            return
        self._busy = True
        try:
            await self._reread()
        finally:
            self._busy = False

    async def _is_due(self) -> bool:
        """Whether a day has passed. Rows that can't be trusted wait for the next hydrate."""
        at = await self.services.store.whole_read_at()
        return at is not None and self.services.wall_clock() - at >= self.services.bounds.reread_s

    async def _reread(self) -> None:
        services, began_at = self.services, self.services.wall_clock()
        joined = await services.homeserver.joined_rooms()
        _log.info("rereading", rooms=len(joined))
        for room_id in sorted(joined):
            await services.recheck([room_id])
            await anyio.sleep(services.bounds.reread_pause_s)
            if not services.gate.live:
                return
        await note_gone_rooms(services, await services.homeserver.joined_rooms())
        await services.store.commit([NoteWholeRead(began_at)])
