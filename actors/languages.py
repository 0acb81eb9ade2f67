"""The language of each owner: noted from their Space, read when it is needed, kept in memory."""

from collections import OrderedDict

import structlog

from actors.bounds import Bounds
from actors.model import RoomId, SpaceSettings, UserId, UserMeta
from actors.port_errors import PortError
from actors.ports import Homeserver, StateStore
from actors.rows import from_row, user_key
from actors.texts import LOCALES, Texts

_log = structlog.get_logger()


class Languages:
    """The settings of Spaces that were looked at lately. The Spaces have them all."""

    def __init__(
        self, homeserver: Homeserver, store: StateStore, default: Texts, bounds: Bounds
    ) -> None:
        self._homeserver = homeserver
        self._store = store
        self._default = default
        self._limit = bounds.settings_rooms
        self._known: OrderedDict[UserId, SpaceSettings] = OrderedDict()
        """By owner; the one who was not spoken to for the longest time comes first."""

    async def texts_of(self, owner: UserId) -> Texts:
        """The catalogue in an owner's language. While it can't be read, that of the bot's."""
        settings = self._known.get(owner)
        if settings is None:
            user = from_row(await self._store.row(user_key(owner)), UserMeta)
            if user is None:
                return self._default
            try:
                settings = await self._homeserver.contents.space_settings_of(user.space_id)
            except PortError as error:
                _log.info("language_unknown", owner=owner, reason=str(error))
                return self._default
        self.note(owner, settings)
        return self._in(settings)

    async def choose(self, owner: UserId, space_id: RoomId, language: str | None) -> Texts:
        """Write an owner's language into the Space, and return its catalogue. Raises as writing."""
        contents = self._homeserver.contents
        present = await contents.space_settings_of(space_id)
        chosen = SpaceSettings(language=language, follows_owner=present.follows_owner)
        if chosen != present:
            await contents.write_space_settings(space_id, chosen)
        self.note(owner, chosen)
        return self._in(chosen)

    def note(self, owner: UserId, settings: SpaceSettings) -> None:
        """Note the settings that an owner's Space has now."""
        self._known[owner] = settings
        self._known.move_to_end(owner)
        if len(self._known) > self._limit:
            self._known.popitem(last=False)

    def _in(self, settings: SpaceSettings) -> Texts:
        return LOCALES.get(settings.language or "", self._default)
