"""Reads the file that a message shows. Pure. A message is as hostile as its sender."""

import re
from collections.abc import Mapping
from typing import Final

from actors.model import SharedFile
from actors.rules.file_names import UNKNOWN_TYPE, clean_name, clean_type
from adapter.matrix.events import text_in

FILE_TYPES: Final = frozenset({"m.image", "m.file", "m.video", "m.audio"})
"""The message types that show a file."""
LARGEST_SIZE: Final = 2**53 - 1
"""The largest integer that Matrix allows."""

_KINDS: Final = {
    "m.image": ("image", "image/jpeg"),
    "m.video": ("video", "video/mp4"),
    "m.audio": ("audio", "audio/ogg"),
    "m.file": ("file", UNKNOWN_TYPE),
}
_STICKER: Final = ("sticker", "image/png")
_VOICE: Final = ("org.matrix.msc3245.voice", "m.voice")
_MXC: Final = re.compile(r"mxc://[A-Za-z0-9\[][A-Za-z0-9.:\]-]{0,254}/[A-Za-z0-9_-]{1,255}")


def file_in(content: Mapping[str, object]) -> SharedFile | None:
    """The file in the content of a message or of a sticker; None if it shows none.

    The address is empty if the file can't be read: it has no valid one, or is encrypted.
    """
    msgtype = text_in(content, "msgtype")
    if msgtype not in FILE_TYPES and ("msgtype" in content or "url" not in content):
        return None
    default_name, default_type = _KINDS.get(msgtype or "", _STICKER)
    info = content.get("info")
    info = info if isinstance(info, dict) else {}
    given_name = text_in(content, "filename") or text_in(content, "body") or ""
    name = clean_name(given_name, default_name) if msgtype else default_name
    encrypted = isinstance(content.get("file"), dict)
    return SharedFile(
        mxc="" if encrypted else _address(content.get("url")),
        name=name,
        mime_type=clean_type(text_in(info, "mimetype") or "", name, default_type),
        size=_size(info.get("size")),
        voice=msgtype == "m.audio" and any(key in content for key in _VOICE),
        encrypted=encrypted,
    )


def is_mxc(given: object) -> bool:
    """Whether a value is a valid `mxc://` address."""
    return isinstance(given, str) and _MXC.fullmatch(given) is not None


def mxc_parts(mxc: str) -> tuple[str, str]:
    """The server and the media id in a valid `mxc://` address."""
    server, _, media_id = mxc.removeprefix("mxc://").partition("/")
    return server, media_id


def _address(given: object) -> str:
    return given if isinstance(given, str) and is_mxc(given) else ""


def _size(given: object) -> int:
    valid = isinstance(given, int) and not isinstance(given, bool) and 0 < given <= LARGEST_SIZE
    return given if valid and isinstance(given, int) else 0
