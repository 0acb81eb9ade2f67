"""The name and the MIME type of a file. Pure.

Names and types come from people and from platforms, so nothing in them is trusted.
"""

import re
import unicodedata
from typing import Final

UNKNOWN_TYPE: Final = "application/octet-stream"
"""The MIME type of a file of which nothing else is known."""
PLAIN_TEXT: Final = "text/plain"

NAME_CHARS: Final = 120
"""Longer names are cut before their suffix."""
_SUFFIX_CHARS: Final = 12
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode categories that a name has no use for: control characters, and those that turn text."""

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_TEXT_TYPE: Final = re.compile(
    r"""text/.+ | .+\+(json|xml|yaml) | application/(x-)?(
    ecmascript|graphql|httpd-php|javascript|json|json5|jsonl|ndjson|perl|python|ruby|sh|shellscript
    |sql|subrip|tex|toml|typescript|xml|yaml)""",
    re.VERBOSE,
)
_TEXT_SUFFIX: Final = re.compile(
    r"""adoc|bash|c|cc|cfg|cmake|conf|cpp|cs|css|csv|cxx|dart|diff|ex|exs|fs|go|gradle|graphql|h|hpp
    |hs|html?|ini|ipynb|java|jl|js|json|jsonl|jsx|kt|lua|log|md|mk|mm|nim|nix|patch|php|pl
    |properties|proto|ps1|py|r|rb|rs|rst|scala|sh|sql|srt|svg|swift|tex|tf|toml|tsv?|tsx|txt|vtt
    |vue|xml|ya?ml|zig|zsh""",
    re.VERBOSE,
)
_TYPES: Final = {
    "avif": "image/avif",
    "bmp": "image/bmp",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "flac": "audio/flac",
    "gif": "image/gif",
    "heic": "image/heic",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "pdf": "application/pdf",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webp": "image/webp",
    "zip": "application/zip",
}


def clean_name(given: str, default: str) -> str:
    """A name without a path, without characters that are not seen, and not too long."""
    last = re.split(r"[/\\]", given[-4096:])[-1]
    seen = (" " if c.isspace() else c for c in last if c.isspace() or not _is_hidden(c))
    name = " ".join("".join(seen).split())
    if not name.strip(". "):
        return default
    if len(name) <= NAME_CHARS:
        return name
    suffix = suffix_of(name)
    ending = f".{suffix}" if 0 < len(suffix) <= _SUFFIX_CHARS else ""
    return f"{name[: NAME_CHARS - 1 - len(ending)]}…{ending}"


def suffix_of(name: str) -> str:
    """What follows the last dot of a name, in lower case; empty if there is none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def clean_type(given: str, name: str, default: str = UNKNOWN_TYPE) -> str:
    """A MIME type in lower case without parameters: the given one, or else that of the name.

    A text by its name is one, unless it is given as another kind of text: browsers take the
    program `clock.ts` for a film.
    """
    mime_type = given[:1024].partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(mime_type) or mime_type == UNKNOWN_TYPE:
        mime_type = ""
    if _TEXT_SUFFIX.fullmatch(suffix_of(name)) and not is_text_type(mime_type):
        return PLAIN_TEXT
    return mime_type or _TYPES.get(suffix_of(name), default)


def is_text_type(mime_type: str) -> bool:
    """Whether files of a type are texts."""
    return _TEXT_TYPE.fullmatch(mime_type) is not None


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN
