"""What the bytes of a file are, and texts as parts of a message."""

import pytest

from actors.rules.file_types import fenced, text_of, type_of
from tests.pictures import png

UNKNOWN = "application/octet-stream"


@pytest.mark.parametrize(
    ("data", "given", "mime_type"),
    [
        (png(1, 1), "text/plain", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/png", "image/jpeg"),
        (b"GIF89a..", UNKNOWN, "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/png", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", UNKNOWN, "audio/wav"),
        (b"RIFF\0\0\0\0AVI LIST", "video/avi", "video/avi"),
        (b"%PDF-1.7\n", "text/plain", "application/pdf"),
        (b"OggS\0", "application/ogg", "audio/ogg"),
        (b"OggS\0", "video/ogg", "video/ogg"),
        (b"ID3\x03\0", UNKNOWN, "audio/mpeg"),
        (b"ID3 tags are old", "text/plain", "text/plain"),
        (b"\xff\xfb\x90\x00", UNKNOWN, "audio/mpeg"),
        (b"\0\0\0\x20ftypisom", "audio/mp4", "audio/mp4"),
        (b"\0\0\0\x20ftypisom", UNKNOWN, "video/mp4"),
        (b"\0\0\0\x20ftypM4A ", UNKNOWN, "audio/mp4"),
        (b"\0\0\0\x20ftypheic", "image/jpeg", "image/heic"),
        (b"\x1aE\xdf\xa3", "audio/webm", "audio/webm"),
        (b"hello", "image/png", "text/plain"),
        (b"hello", UNKNOWN, "text/plain"),
        (b"<svg/>", "image/svg+xml", "image/svg+xml"),
        ("привет".encode("cp1251"), "text/plain", "text/plain"),
        (b"a\0b", "text/plain", UNKNOWN),
        (b"a\0b", "image/png", UNKNOWN),
        (b"a\0b", "audio/mpeg", UNKNOWN),
        (b"a\0b", "model/obj", "model/obj"),
        (b"", "text/plain", "text/plain"),
    ],
)
def test_the_type_is_what_the_bytes_are(data: bytes, given: str, mime_type: str) -> None:
    assert type_of(data, given) == mime_type


@pytest.mark.parametrize("text", ["hello", "привет, мир", "Käse für Zoë", "", "日本語"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_text_is_read_in_each_encoding_of_unicode(text: str, encoding: str) -> None:
    assert text_of(text.encode(encoding)) == text


def test_a_text_in_an_old_encoding_is_read_by_the_look_of_it() -> None:
    assert text_of("Привет, мир!".encode("cp1251")) == "Привет, мир!"
    assert text_of("Käse für Zoë".encode("latin-1")) == "Käse für Zoë"
    assert text_of(b"\x98" * 4) is not None


def test_bytes_are_no_text() -> None:
    assert text_of(b"a\0b") is None
    assert text_of(b"\xff\xfe\x00\xd8") is None


def test_a_text_stands_in_a_fence_that_it_cannot_close() -> None:
    assert fenced("a.py", "x = 1\n") == "[file: a.py]\n```py\nx = 1\n```"
    assert fenced("notes.txt", "x") == "[file: notes.txt]\n```\nx\n```"
    assert (
        fenced("x.md", "```\ncode\n`````\n") == "[file: x.md]\n``````md\n```\ncode\n`````\n``````"
    )
    assert fenced("odd.p y", "x").startswith("[file: odd.p y]\n```\n")
