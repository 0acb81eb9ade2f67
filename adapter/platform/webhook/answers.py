"""What a receiver says, as parts of an answer. Pure.

A receiver answers with one JSON object, or with one object a line (NDJSON) or a server-sent event.
An object may have `text`, `attachments`, `usage` and `thinking`; `done` with a `reason` ends a
stream. `error` says that the answer failed; with `say`, that the question is refused for good.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from actors.platform import Attachment, Delta, Done, File, Reason, Text, Thinking, Usage
from actors.port_errors import PlatformFailed, PlatformRefused
from adapter.platform.sse import Event, EventParser, Sign

ANSWER_BYTES: Final = 32 * 2**20
"""The longest JSON answer, line or event."""
SAY_CHARS: Final = 1_000
"""The longest sentence for a person."""
_SHOWN: Final = 200


class FileBody(msgspec.Struct):
    """A file of an answer; `data` is base64 in JSON."""

    name: str
    type: str
    data: bytes


class UsageBody(msgspec.Struct):
    """The tokens that an answer took."""

    prompt_tokens: int
    completion_tokens: int


class Piece(msgspec.Struct):
    """One JSON object of a receiver. It ignores fields that it does not know."""

    text: str | None = None
    thinking: bool = False
    attachments: tuple[FileBody, ...] = ()
    usage: UsageBody | None = None
    done: bool = False
    reason: Reason = Reason.STOP
    error: str | None = None
    say: str | None = None


_decoder: Final = msgspec.json.Decoder(Piece)


def whole_answer(body: bytes) -> list[Delta]:
    """The parts of an answer that is one JSON object. Raises PlatformFailed, PlatformRefused."""
    piece = _piece(body)
    if piece.text is None and not piece.attachments:
        raise PlatformFailed("the receiver's answer has no text")
    return [*_parts(piece), Done(piece.reason)]


def next_parts(line: bytes) -> list[Delta]:
    """The parts in one line or event of a stream. A blank one is a sign of life.

    Raises PlatformFailed, PlatformRefused.
    """
    if not line.strip():
        return [Thinking()]
    if line.strip() == b"[DONE]":
        return [Done()]
    piece = _piece(line)
    return [*_parts(piece), Done(piece.reason)] if piece.done else list(_parts(piece))


class Lines:
    """Cuts a stream of bytes into lines. What follows the last line break is no line yet."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes. Raises PlatformFailed if one is too long."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        if len(self._rest) > ANSWER_BYTES:
            raise PlatformFailed(f"the receiver's answer has a line of over {ANSWER_BYTES} bytes")
        return lines

    def end(self) -> list[bytes]:
        """The last line, if it has no line break."""
        return [bytes(self._rest)] if self._rest else []


class Events:
    """Cuts a stream of bytes into the data of server-sent events. A comment is a blank piece."""

    def __init__(self) -> None:
        self._parser = EventParser()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The pieces that this chunk completes. Raises PlatformFailed if one is too long."""
        return [_data(sign) for sign in self._parser.feed(chunk)]

    def end(self) -> list[bytes]:
        """What the end of the stream completes."""
        return [_data(sign) for sign in self._parser.end()]


def _data(sign: Sign) -> bytes:
    return sign.data.encode() if isinstance(sign, Event) else b""


def _parts(piece: Piece) -> Iterator[Delta]:
    if piece.thinking:
        yield Thinking()
    if piece.text:
        yield Text(piece.text)
    for file in piece.attachments:
        mime_type = file.type.partition(";")[0].strip().lower()
        yield Attachment(File(file.name, mime_type, file.data))
    if piece.usage is not None:
        yield Usage(piece.usage.prompt_tokens, piece.usage.completion_tokens)


def _piece(body: bytes) -> Piece:
    try:
        piece = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PlatformFailed(f"the receiver's answer is unusable ({error})") from None
    if piece.say:
        raise PlatformRefused(piece.say[:SAY_CHARS])
    if piece.error is not None:
        raise PlatformFailed(f"the receiver says: {piece.error[:_SHOWN]}")
    return piece
