"""What servers send as answers: chunks of a stream, or one whole completion. Pure.

The types are as wide as servers are careless. A field with an unexpected value counts as missing.
"""

import json
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterator
from typing import Final

import msgspec

from actors.platform import Attachment, Delta, File, Text, Usage
from actors.port_errors import PlatformFailed

_DATA_URL: Final = "data:"
_KINDS_OF_TEXT: Final = frozenset({"text", "output_text"})
_NO_JSON: Final = "the server sends an event that is no JSON"


class Said(msgspec.Struct):
    """A part of a message, or a whole one."""

    content: object = None
    reasoning_content: object = None
    reasoning: object = None
    refusal: object = None
    images: object = None


class Choice(msgspec.Struct):
    """One of the answers. Only one is asked for."""

    index: object = 0
    delta: Said | None = None
    message: Said | None = None
    finish_reason: object = None


class Chunk(msgspec.Struct):
    """A piece of an answer; a completion has the same form."""

    choices: list[Choice] | None = None
    usage: object = None
    error: object = None
    object: str | None = None
    model: str | None = None


_decoder: Final = msgspec.json.Decoder(Chunk)


def chunk_of(data: str) -> Chunk:
    """The chunk in an event or a body. Raises PlatformFailed if it is none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError):
        return _careless_chunk(data)


def _careless_chunk(data: str) -> Chunk:
    """The chunk in JSON that only Python's decoder takes: with half a surrogate pair, or NaN."""
    try:
        return msgspec.convert(json.loads(data), Chunk)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # The event itself is a part of an answer: it must not get into a log.
        raise PlatformFailed(f"{_NO_JSON} ({len(data)} characters)") from None


def usage_of(usage: object) -> Usage | None:
    """The tokens that the answer took, if the server says them."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or prompt <= 0:
        return None
    return Usage(prompt, completion if isinstance(completion, int) else 0)


def parts_of(said: Said) -> Iterator[Delta]:
    """The texts and pictures of a message, in its order."""
    yield from _content(said.content)
    if isinstance(said.refusal, str) and said.refusal:
        yield Text(storable(said.refusal))
    if isinstance(said.images, list):
        yield from _content(said.images)


def storable(text: str) -> str:
    """The text without half surrogate pairs, which JSON can contain and UTF-8 cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _content(content: object) -> Iterator[Delta]:
    if isinstance(content, str):
        if content:
            yield Text(storable(content))
        return
    for part in content if isinstance(content, list) else ():
        match part:
            case {"type": str(kind), "text": str(text)} if kind in _KINDS_OF_TEXT and text:
                yield Text(storable(text))
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                yield _picture(url)
            case str() if part:
                yield Text(storable(part))
            case _:
                pass


def _picture(url: str) -> Delta:
    """A picture in the answer itself; a link to one that is elsewhere."""
    if not url.startswith(_DATA_URL):
        return Text(f"\n\n![]({url})\n\n")
    kind, _, data = url.removeprefix(_DATA_URL).partition(";base64,")
    mime_type = kind.partition(";")[0].strip().lower() or "image/png"
    try:
        decoded = b64decode(data, validate=True)
    except NotBase64:
        raise PlatformFailed("the server sends a picture that is not base64") from None
    ending = mime_type.partition("/")[2].partition("+")[0] or "bin"
    return Attachment(File(f"picture.{ending}", mime_type, decoded))
