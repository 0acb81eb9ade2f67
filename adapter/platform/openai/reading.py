"""From events of a stream to the parts of an answer. Pure.

An answer is whole if the server says so: with a `finish_reason`, or with `[DONE]` behind a text.
Many servers send only one of both.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from actors.platform import Delta, Done, Reason, Text, Thinking, Usage
from actors.port_errors import PlatformFailed, PortError
from adapter.platform.openai.chunks import Choice, Chunk, Said, chunk_of, parts_of, usage_of
from adapter.platform.openai.thoughts import Thoughts
from adapter.platform.sse import Comment, Sign

_THE_END: Final = "[DONE]"
_UNSAID: Final = frozenset({"", "null", "none"})
_FAILURES: Final = frozenset({"error", "abort", "cancelled"})
_REASONS: Final = {
    "length": Reason.LENGTH,
    "max_tokens": Reason.LENGTH,
    "model_length": Reason.LENGTH,
    "content_filter": Reason.FILTER,
    "content-filter": Reason.FILTER,
    "safety": Reason.FILTER,
    "refusal": Reason.FILTER,
}

Judge: TypeAlias = Callable[[str], PortError]
"""Turns the JSON of an answer with an error in it into the error of the port."""


class AnswerReader:
    """Reads one answer. `judge` says what an error within it means."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._thoughts = Thoughts()
        self._usage: Usage | None = None
        self._reason: Reason | None = None
        self._ended = False
        self._has_text = False
        self.model = ""
        """The model that the server names as the answer's author."""

    @property
    def is_over(self) -> bool:
        """Whether the server has nothing more to say."""
        return self._ended

    @property
    def is_whole(self) -> bool:
        """Whether the server has said why the answer is over. The tokens may still follow."""
        return self._reason is not None

    def take(self, sign: Sign) -> Iterator[Delta]:
        """The parts that an event brings. Raises PlatformFailed, and what `judge` returns."""
        if isinstance(sign, Comment) or not sign.data.strip():
            yield Thinking()
        elif sign.data.strip() == _THE_END:
            self._ended = True
        else:
            yield from self._take_chunk(sign.data, is_error=sign.name == "error")

    def take_whole(self, body: str) -> Iterator[Delta]:
        """The parts of a completion that came in one piece, its end included."""
        yield from self._take_chunk(body, is_error=False)
        yield from self.finish()

    def finish(self) -> Iterator[Delta]:
        """The end of the answer. Raises PlatformFailed if the answer is not whole."""
        if rest := self._thoughts.end():
            yield from self._text(rest)
        if self._reason is None and not (self._ended and self._has_text):
            raise PlatformFailed("the answer breaks off")
        if self._usage is not None:
            yield self._usage
        yield Done(self._reason or Reason.STOP)

    def _take_chunk(self, data: str, *, is_error: bool) -> Iterator[Delta]:
        chunk = chunk_of(data)
        if is_error or chunk.error or chunk.object == "error":
            raise self._judge(data)
        self.model = chunk.model or self.model
        self._usage = usage_of(chunk.usage) or self._usage
        parts = [part for choice in _first(chunk) for part in self._choice(choice)]
        yield from parts or [Thinking()]

    def _choice(self, choice: Choice) -> Iterator[Delta]:
        said = choice.delta
        if choice.message is not None and not self._has_text:
            said = choice.message
        yield from self._said(said or Said())
        self._note(choice.finish_reason)

    def _said(self, said: Said) -> Iterator[Delta]:
        for part in parts_of(said):
            if not isinstance(part, Text):
                self._has_text = True
                yield part
            elif text := self._thoughts.feed(part.text):
                yield from self._text(text)

    def _text(self, text: str) -> Iterator[Delta]:
        self._has_text = True
        yield Text(text)

    def _note(self, reason: object) -> None:
        if not isinstance(reason, str) or reason.lower() in _UNSAID:
            return
        if reason.lower() in _FAILURES:
            raise PlatformFailed(f"the server ends the answer for an error ({reason})")
        self._reason = _REASONS.get(reason.lower(), Reason.STOP)


def _first(chunk: Chunk) -> Iterator[Choice]:
    """The choices that belong to the one answer that was asked for."""
    return (choice for choice in chunk.choices or () if choice.index in {0, None})
