"""Cuts a Markdown text into pieces that each have at most so many bytes as JSON. Pure.

A piece ends after a paragraph, else after a line, else after a sentence or a word, else between two
characters. A fenced block that is cut is closed at the end of the piece and opened again in the
next one.
"""

import json
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

_FENCE: Final = re.compile(
    r"(?P<container>(?:[ \t]*>)*[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*)"
    r"(?P<marker>`{3,}|~{3,})(?P<info>.*)\Z"
)
_LEADING: Final = re.compile(r"[ \t>]*")
_LIST_MARKER: Final = re.compile(r"[^ \t>]")
SENTENCE_END: Final = re.compile(r"[.!?…][\"'”»)\]]?\s|[。！？]")
_WORD_END: Final = re.compile(r"\s(?=\S)")
_EXTENDS: Final = re.compile(
    "[\u200c\u200d\u1160-\u11ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
)
"""What belongs to the character before it, beside the marks of Unicode."""
_REGIONAL_INDICATORS: Final = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""Two of them make a flag."""

_FENCE_BYTES: Final = 120
"""A longer line that opens a fenced block is opened again without its info string."""
_SPARE_BYTES: Final = 300
"""Kept free in a piece for the line that closes a fenced block."""
_CLUSTER_CHARS: Final = 32
"""A longer sequence of code points than this may be cut although it makes one character."""


def encoded_bytes(text: str) -> int:
    """The bytes of a text as a JSON string in UTF-8, without the quotes, as homeservers count."""
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")) - 2


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block that is open: the line to open it again, and the line to close it.

    `quotes` is the number of quotes that it stands in.
    """

    opening: str
    closing: str
    quotes: int

    def is_closed_by(self, line: str) -> bool:
        """Whether a line is the fence that closes the block."""
        marker = self.closing.lstrip(" \t>")
        run = line.strip(" \t>" if self.quotes else " \t")
        return len(run) >= len(marker) and not run.strip(marker[0])

    def ends_within(self, begun: str) -> bool:
        """Whether the block ends if a line is cut after `begun`, which is empty between lines.

        The rest of a quoted line is no quote.
        """
        return bool(begun) and (self.quotes > 0 or self.is_closed_by(begun))

    def is_left_by(self, line: str) -> bool:
        """Whether a line ends the quote that the block stands in, and so the block."""
        return _leading(line).count(">") < self.quotes


@dataclass(frozen=True, slots=True)
class Maths:
    """A formula that is open: the marker that ends it."""

    closing: str

    def is_closed_by(self, line: str) -> bool:
        """Whether a line ends the formula. No formula has a blank line."""
        return line.rstrip().endswith(self.closing) or not line.strip()


Block: TypeAlias = Fence | Maths | None


class Kind(IntEnum):
    """The kinds of line ends, the best one to cut at last."""

    NEVER = 0
    """Between a fence and the only line of its block."""
    IN_MATHS = 1
    IN_BLOCK = 2
    """In a fenced block, or before a line that is blank or indented."""
    LINE = 3
    PARAGRAPH = 4


class LineEnd(NamedTuple):
    """The place behind a line, and the block that is open there."""

    at: int
    kind: Kind
    block: Block


def cut(text: str, limit: int) -> tuple[str, str]:
    """A piece of a text with at most `limit` bytes, and the text that is left: empty if all fits.

    `limit` is at least 1,000. What is left begins with the line that opens its block again.
    """
    if encoded_bytes(text[: limit + 1]) <= limit:
        return text, ""
    at, block = _place_to_cut(text, _fitting(text, limit - _SPARE_BYTES))
    head, rest = text[:at], text[at:]
    if not isinstance(block, Fence) or block.ends_within(head.rpartition("\n")[2]):
        return head, rest
    line_end = "" if head.endswith("\n") else "\n"
    return f"{head}{line_end}{block.closing}", f"{block.opening}\n{rest}"


def joined(pieces: Sequence[str]) -> str:
    """The text that was cut into these pieces, without the fences that the cutting added."""
    text = "".join(pieces[:1])
    for before, after in pairwise(pieces):
        begun, _, last = before.rpartition("\n")
        first, _, rest = after.partition("\n")
        block = _block_at_end(begun)
        if isinstance(block, Fence) and (block.closing, block.opening) == (last, first):
            text = text.removesuffix(last) + rest
        else:
            text += after
    return text


def _fitting(text: str, room: int) -> int:
    """The number of characters at the beginning of a text that have at most `room` bytes."""
    counts = range(1, min(len(text), room) + 1)
    return bisect_right(counts, room, key=lambda count: encoded_bytes(text[:count]))


def _place_to_cut(text: str, end: int) -> tuple[int, Block]:
    """The last place of the best kind, and the block that is open there.

    The first quarter counts only if there is no other place, and the middle of a formula only if
    there is no place at all.
    """
    ends = list(_line_ends(text, end))
    usable = [it for it in ends if it.kind is not Kind.NEVER]
    if not usable:
        begin, block = (ends[-1].at, ends[-1].block) if ends else (0, None)
        return _place_in_line(text, begin, end), block
    best = max(usable, key=lambda it: (it.kind > Kind.IN_MATHS, it.at >= end // 4, it.kind, it.at))
    return best.at, best.block


def _line_ends(text: str, end: int) -> Iterator[LineEnd]:
    """The line ends up to `end`, and that of a fence behind it that closes a block."""
    at = 0
    block: Block = None
    while (line_end := text.find("\n", at, end + _FENCE_BYTES)) >= 0:
        line, before = text[at:line_end], block
        block, at = _block_after(line, before), line_end + 1
        closes = isinstance(before, Fence) and before.is_closed_by(line)
        if at > end and not closes:
            return
        yield LineEnd(at, _kind(line, text[at : at + _FENCE_BYTES], before, block), block)
        if at > end:
            return


def _kind(line: str, following: str, before: Block, block: Block) -> Kind:
    """The kind of a line's end, by the text that follows and the blocks before and after it."""
    if isinstance(block, Maths):
        return Kind.IN_MATHS
    if isinstance(block, Fence):
        is_last = block.is_closed_by(following.partition("\n")[0])
        return Kind.NEVER if is_last or block is not before else Kind.IN_BLOCK
    if following[:1].isspace():
        return Kind.IN_BLOCK
    return Kind.LINE if line.strip() else Kind.PARAGRAPH


def _block_at_end(text: str) -> Block:
    block: Block = None
    for line in text.split("\n"):
        block = _block_after(line, block)
    return block


def _block_after(line: str, block: Block) -> Block:
    """The block that is open after a line, given the one that is open before it."""
    match block:
        case Fence() if not block.is_left_by(line):
            return None if block.is_closed_by(line) else block
        case Maths():
            return None if block.is_closed_by(line) else block
        case _:
            return _fence_in(line) or _maths_in(line)


def _fence_in(line: str) -> Fence | None:
    """The block that a line opens. A list marker before the fence is not repeated."""
    found = _FENCE.match(line)
    if found is None or (found["marker"][0] == "`" and "`" in found["info"]):
        return None
    container = _LIST_MARKER.sub(" ", found["container"])
    closing = container + found["marker"]
    if encoded_bytes(closing) > _FENCE_BYTES:
        return None
    opening = closing + found["info"]
    is_short = encoded_bytes(opening) <= _FENCE_BYTES
    return Fence(opening if is_short else closing, closing, container.count(">"))


def _maths_in(line: str) -> Maths | None:
    """The formula that a line opens and does not end."""
    text = line[len(_leading(line)) :].rstrip()
    for opening, closing in (("$$", "$$"), (r"\[", r"\]")):
        if text.startswith(opening) and not text.endswith(closing, len(opening)):
            return Maths(closing)
    return None


def _leading(line: str) -> str:
    """The blanks and the quote markers at the beginning of a line."""
    found = _LEADING.match(line)
    return found[0] if found else ""


def _place_in_line(text: str, begin: int, end: int) -> int:
    """A place in a line without a line end that it could be cut at."""
    for pattern in (SENTENCE_END, _WORD_END):
        ends = [found.end() for found in pattern.finditer(text, begin, end)]
        if ends and ends[-1] >= begin + (end - begin) // 4:
            return between_characters(text, begin, ends[-1])
    return between_characters(text, begin, end)


def between_characters(text: str, begin: int, at: int) -> int:
    """A place at `at`, or as little before it that no character as people see it is cut."""
    for place in range(at, max(begin, at - _CLUSTER_CHARS), -1):
        if not _is_within_character(text, place):
            return place
    return at


def _is_within_character(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if before in "\u200d\\" or _EXTENDS.match(after) or unicodedata.category(after)[0] == "M":
        return True
    if after not in _REGIONAL_INDICATORS:
        return False
    begun = text[:at]
    return (len(begun) - len(begun.rstrip(_REGIONAL_INDICATORS))) % 2 == 1
