"""The name of the bot and the pictures of the bot and its rooms, from the settings."""

from pathlib import Path
from typing import Final

import structlog

from actors.appearance import Look
from actors.model import RoomKind
from actors.platform import File
from actors.rules.file_names import UNKNOWN_TYPE
from actors.rules.file_types import type_of
from actors.texts import LOCALES
from supervisor.setting_values import OFF
from supervisor.settings import Settings

_log = structlog.get_logger()

AVATARS: Final = Path(__file__).parents[1] / "avatars"
"""The folder with the pictures that come with the bot."""


def look_of(settings: Settings) -> Look:
    """The look that the settings say. A picture that is gone meanwhile is left out."""
    rooms = {
        RoomKind.SPACE: _picture(settings.space_avatar, "space"),
        RoomKind.CHAT: _picture(settings.chat_avatar, "chat"),
    }
    return Look(
        name="" if settings.name == OFF else settings.name or LOCALES[settings.locale].bot_name,
        picture=_picture(settings.avatar, "bot"),
        rooms={kind: picture for kind, picture in rooms.items() if picture is not None},
        is_chosen=not {"name", "avatar"}.isdisjoint(settings.given),
    )


def _picture(setting: str, default: str) -> File | None:
    if setting == OFF:
        return None
    path = Path(setting) if setting else AVATARS / f"{default}.png"
    try:
        data = path.read_bytes()
    except OSError as error:
        _log.warning("picture_unreadable", path=str(path), reason=error.strerror)
        return None
    return File(path.name, type_of(data, UNKNOWN_TYPE), data)
