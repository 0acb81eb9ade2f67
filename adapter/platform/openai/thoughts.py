"""Thoughts that a model writes in front of its answer, in the answer's own text. Pure.

Servers that know a model's way of thinking send its thoughts apart. Others pass them on as the
model writes them: between two marks, at the very beginning.
"""

from enum import Enum, auto
from typing import Final

_BEGIN: Final = "<think>"
_END: Final = "</think>"


class _Place(Enum):
    START = auto()
    THOUGHT = auto()
    GAP = auto()
    ANSWER = auto()


class Thoughts:
    """Takes thoughts out of an answer that comes in pieces."""

    def __init__(self) -> None:
        self._place = _Place.START
        self._held = ""

    def feed(self, piece: str) -> str:
        """The part of the answer that this piece completes; empty within a thought."""
        self._held += piece
        if self._place is _Place.START:
            self._leave_start()
        if self._place is _Place.THOUGHT:
            self._leave_thought()
        if self._place is _Place.GAP:
            self._leave_gap()
        return self._released() if self._place is _Place.ANSWER else ""

    def end(self) -> str:
        """What was held back and belongs to the answer after all."""
        return "" if self._place is _Place.THOUGHT else self._released()

    def _leave_start(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(_BEGIN):
            self._place = _Place.THOUGHT
            self._held = begun.removeprefix(_BEGIN)
        elif not _BEGIN.startswith(begun):
            self._place = _Place.ANSWER

    def _leave_thought(self) -> None:
        _, end, rest = self._held.partition(_END)
        if end:
            self._place = _Place.GAP
            self._held = rest
        else:
            self._held = self._held[-len(_END) :]

    def _leave_gap(self) -> None:
        self._held = self._held.lstrip()
        if self._held:
            self._place = _Place.ANSWER

    def _released(self) -> str:
        released, self._held = self._held, ""
        return released
