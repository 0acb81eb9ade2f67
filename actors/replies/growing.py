"""An answer while it grows."""

import math
import re
from typing import Final

import anyio

from actors.bounds import Bounds
from actors.platform import Attachment, Done, File, Reason, Text, Usage
from actors.port_errors import PlatformFailed
from actors.replies.contract import checked_delta
from actors.replies.values import Lost
from actors.rules.file_names import clean_name
from actors.rules.files import NotSent

_BLANK_LINES: Final = re.compile(r"\A\s*[\r\n]")


class Growing:
    """What the platform has said of one answer so far, within the bounds of an answer."""

    def __init__(self, bounds: Bounds) -> None:
        self._left = bounds.answer_chars
        self._files_left = bounds.answer_files
        self._file_bytes_left = bounds.answer_file_bytes
        self._texts: list[str] = []
        """The texts since the latest file."""
        self._blanks: list[str] = []
        """White space that no word has followed yet."""
        self._pieces: list[str | File | Lost] = []
        self.usage: Usage | None = None
        self.reason: Reason | None = None
        """Why the answer is complete; None while it is not."""
        self.is_cut = False
        """Whether the answer was cut here, while the platform may go on."""
        self.chars = 0
        """The length of the text before the first file."""
        self._wanted = math.inf
        """The length that `reaches` waits for."""
        self._reached = anyio.Event()

    @property
    def has_begun(self) -> bool:
        """Whether a text or a file has come."""
        return bool(self._texts or self._pieces)

    @property
    def pieces(self) -> tuple[str | File | Lost, ...]:
        """The texts and the files, in order; texts without a word are left out.

        No text begins with a blank line: a message that did would notify people of nothing.
        """
        whole = [*self._pieces, "".join(self._texts)]
        return tuple(each for each in whole if not isinstance(each, str) or each.strip())

    @property
    def text(self) -> str:
        """The text before the first file."""
        first = self._pieces[0] if self._pieces else "".join(self._texts)
        return first if isinstance(first, str) else ""

    async def reaches(self, chars: int) -> None:
        """Wait until the text before the first file has so many characters. One task at a time."""
        while self.chars < chars:
            self._wanted, self._reached = chars, anyio.Event()
            await self._reached.wait()

    def take(self, said: object) -> None:
        """Take in what the platform has said. Raises PlatformFailed if the port forbids it."""
        delta = checked_delta(said)
        if self.reason is not None:
            raise PlatformFailed("the answer went on after its end")
        match delta:
            case Text(text):
                self._add(text)
            case Attachment(file):
                self._pieces += ["".join(self._texts), self._within_bounds(file)]
                self._texts.clear()
                self._blanks.clear()
            case Usage():
                self.usage = delta
            case Done(reason):
                self._end(reason)
            case _:
                pass

    def _add(self, text: str) -> None:
        said = text[: self._left]
        self._left -= len(text)
        if not self._texts:
            self._blanks.append(said)
            said = self._begun() if said.strip() else ""
        if said:
            self._texts.append(said)
            self._count(said)
        if self._left < 0:
            self.reason, self.is_cut = Reason.LENGTH, True

    def _begun(self) -> str:
        """The first line with a word, with its indentation."""
        text = "".join(self._blanks)
        self._blanks.clear()
        return _BLANK_LINES.sub("", text)

    def _count(self, text: str) -> None:
        if not self._pieces:
            self.chars += len(text)
        if self.chars >= self._wanted:
            self._reached.set()
            self._wanted = math.inf

    def _within_bounds(self, file: File) -> File | Lost:
        """A file; of too many, or too large ones, only the name is kept."""
        size = len(file.data)
        if not self._files_left or size > self._file_bytes_left:
            return Lost(clean_name(file.name, "file"), NotSent.TOO_MANY)
        self._files_left -= 1
        self._file_bytes_left -= size
        return file

    def _end(self, reason: Reason) -> None:
        if reason is Reason.STOP and not self.pieces:
            raise PlatformFailed("the answer is empty")
        self.reason = reason
