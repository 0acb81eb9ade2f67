"""Leaves out of an error's text what people have written. Pure.

Servers quote the conversation in their errors, and these texts go to the log and to the status.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

PASSAGE: Final = 12
"""A passage of this length or longer that stands in a message as well is taken for a quotation."""
WHOLE_FROM: Final = 4
"""A message that is shorter than a passage is left out from this length on, as a whole."""
LEFT_OUT: Final = "[…]"


def without_messages(text: str, messages: Iterable[str]) -> str:
    """The text without the passages that stand in one of the messages, also as JSON."""
    known = [form for message in messages for form in _forms(message)]
    for form in known:
        if WHOLE_FROM <= len(form) < PASSAGE:
            text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", lambda _: LEFT_OUT, text)
    spoken = "\0".join(known)
    kept: list[str] = []
    end = 0
    for start, stop in _passages(text, spoken):
        kept += [text[end:start], LEFT_OUT]
        end = stop
    return "".join((*kept, text[end:]))


def _forms(message: str) -> set[str]:
    plain = message.strip()
    escaped = (json.dumps(plain, ensure_ascii=pure)[1:-1] for pure in (True, False))
    return {plain, *escaped, repr(plain)[1:-1]}


def _passages(text: str, spoken: str) -> Iterator[tuple[int, int]]:
    """Where passages of `spoken` begin and end in the text."""
    start: int | None = None
    for at in range(len(text) - PASSAGE + 1):
        if text[at : at + PASSAGE] in spoken:
            start = at if start is None else start
        elif start is not None:
            yield start, at + PASSAGE - 1
            start = None
    if start is not None:
        yield start, len(text)
