"""What the bytes of a file are, and files of text as text. Pure."""

import codecs
import re
from typing import Final

from actors.rules.file_names import PLAIN_TEXT, UNKNOWN_TYPE, is_text_type, suffix_of

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_IN_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Final = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
}
_CONTAINERS: Final = frozenset({"audio/ogg", "video/webm", "video/mp4"})
"""Types of files that have sound, or pictures and sound: the message says which."""
_RECOGNISED: Final = frozenset(
    {
        *(mime_type for _, mime_type in _MAGIC),
        *_IN_RIFF.values(),
        *_BRANDS.values(),
        "audio/mpeg",
        "video/mp4",
    }
)
_MP3: Final = re.compile(rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH: Final = re.compile(rb"[\x80-\xff]+")
_CYRILLIC_RUN: Final = 2.5
"""In Cyrillic, letters outside of ASCII stand together; in Western texts they stand apart."""
_LANGUAGE: Final = re.compile(r"[a-z0-9]{1,12}")


def type_of(data: bytes, given: str) -> str:
    """The MIME type of some bytes: what they look like, or else the given type.

    Bytes that are not what they are given as are of an unknown type.
    """
    found = _recognised(data)
    if found in _CONTAINERS and given.partition("/")[0] in {"audio", "video"}:
        major = given.partition("/")[0]
        return f"{major}/{found.partition('/')[2]}"
    if found is not None:
        return found
    if is_text_type(given):
        return given if text_of(data) is not None else UNKNOWN_TYPE
    if _is_utf8_text(data):
        return PLAIN_TEXT
    return UNKNOWN_TYPE if given in _RECOGNISED else given


def text_of(data: bytes) -> str | None:
    """The text in a file, whatever its encoding; None if it has none."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _decoded(data, encoding)
    if b"\0" in data:
        return None
    tried = (_decoded(data, each) for each in ("utf-8-sig", _old_encoding(data), "latin-1"))
    return next(text for text in tried if text is not None)


def fenced(name: str, text: str) -> str:
    """A file of text as a part of a message in Markdown, under its name."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    suffix = suffix_of(name)
    language = suffix if _LANGUAGE.fullmatch(suffix) and suffix not in {"txt", "log"} else ""
    return f"[file: {name}]\n{fence}{language}\n{text.rstrip()}\n{fence}"


def _recognised(data: bytes) -> str | None:
    for magic, mime_type in _MAGIC:
        if data.startswith(magic):
            return mime_type
    if data.startswith(b"RIFF"):
        return _IN_RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    return "audio/mpeg" if _MP3.match(data) else None


def _is_utf8_text(data: bytes) -> bool:
    return b"\0" not in data and _decoded(data, "utf-8") is not None


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _old_encoding(data: bytes) -> str:
    """The likely encoding of a text that is not in Unicode."""
    runs = _HIGH.findall(data)
    mean = sum(map(len, runs)) / max(len(runs), 1)
    return "cp1251" if mean >= _CYRILLIC_RUN else "latin-1"
