"""Finding out whether the homeserver bundles edits: whether a message comes with its newest one."""

from dataclasses import dataclass, field
from typing import Final

import structlog

from actors.model import EventId, RoomId
from actors.ports import Homeserver
from actors.runtime.background import Background
from actors.traits import Traits

_log = structlog.get_logger()

REMEDY: Final = (
    "answers are shown only when they are complete: update the homeserver, "
    "or set BOT_STREAM=off to stop looking at each start"
)
"""What follows for the bot, and what an operator can do."""


@dataclass(slots=True)
class Bundling:
    """Looks at the first answer that was ended by an edit. Its answer is kept in the traits."""

    homeserver: Homeserver
    traits: Traits
    background: Background
    _is_looking: bool = field(default=False, init=False)

    def look(self, room_id: RoomId, anchor: EventId) -> None:
        """Look at an answer in the background, unless it is known what it would show."""
        if self.traits.so_far.bundles is None and not self._is_looking:
            self._is_looking = True
            self.background.run(self._look, room_id, anchor)

    async def _look(self, room_id: RoomId, anchor: EventId) -> None:
        """Note what an answer shows. One without an edit shows nothing: the next one may."""
        try:
            if (await self.traits.known()).bundles is not None:
                return
            edited = await self.homeserver.contents.edited(room_id, anchor)
            if edited.newest is None:
                return
            await self.traits.note(bundles=edited.bundled)
        finally:
            self._is_looking = False
        if not edited.bundled:
            _log.warning("edits_not_bundled", remedy=REMEDY)
