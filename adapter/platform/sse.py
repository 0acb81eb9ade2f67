"""Server-sent events, parsed as the HTML standard says. Pure.

In one point the parser is more generous than the standard: an event counts even if the stream ends
without the blank line behind it.
"""

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from actors.port_errors import PlatformFailed

EVENT_BYTES: Final = 32 * 2**20
"""The longest event. A picture in an answer is one event."""
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `name` is empty for an event without a type."""

    data: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Comment:
    """A line without meaning: it only shows that the server is there."""


Sign: TypeAlias = Event | Comment


class EventParser:
    """Turns the bytes of a stream into events, however the bytes are cut."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._follows_return = False
        self._is_first_line = True
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Sign]:
        """The events that this chunk completes. Raises PlatformFailed if one is too long."""
        if not chunk:
            return []
        if self._follows_return:
            chunk = chunk.removeprefix(b"\n")
            self._follows_return = False
        self._follows_return = chunk.endswith(b"\r")
        *lines, rest = _LINE_END.split(chunk)
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        signs = [sign for line in lines if (sign := self._take(line)) is not None]
        self._check_size(len(self._rest))
        return signs

    def end(self) -> list[Sign]:
        """What the end of the stream completes."""
        last = self._take(bytes(self._rest)) if self._rest else None
        self._rest.clear()
        event = self._event()
        return [sign for sign in (last, event) if sign is not None]

    def _take(self, line: bytes) -> Sign | None:
        if self._is_first_line:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._is_first_line = False
        if not line:
            return self._event()
        field, _, value = line.decode(errors="replace").partition(":")
        if not field:
            return Comment()
        self._keep(field, value.removeprefix(" "))
        return None

    def _keep(self, field: str, value: str) -> None:
        if field == "data":
            self._check_size(len(value))
            self._size += len(value)
            self._data.append(value)
        elif field == "event":
            self._name = value

    def _event(self) -> Event | None:
        event = Event("\n".join(self._data), self._name) if self._data else None
        self._data, self._name, self._size = [], "", 0
        return event

    def _check_size(self, more: int) -> None:
        if self._size + more > EVENT_BYTES:
            raise PlatformFailed(f"the server sends an event of more than {EVENT_BYTES} bytes")
