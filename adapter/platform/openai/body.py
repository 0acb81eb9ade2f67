"""The body of a request, without the fields that a model refuses. Pure.

Servers know different fields, and refuse a request for one that they do not know. A field that is
not needed is then left out, at once and in all later requests.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec

from adapter.platform.openai.messages import Message, without_system
from adapter.platform.openai.problems import problem_in

_ANSWER: Final = "max_tokens"
_ANSWER_LATER: Final = "max_completion_tokens"
_SYSTEM: Final = "system role"
_NO_SYSTEM: Final = re.compile(
    r"system role|role.{0,40}not support.{0,20}system"
    r"|(?:system|developer) (?:message|prompt|instruction)s?.{0,20}not (?:supported|enabled)"
)
_REMEMBERED: Final = 1_000
_BAD_REQUESTS: Final = frozenset({400, 404, 422, 500, 501})

Refused: TypeAlias = tuple[str, str, str]
"""A model, a field, and the field's value."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of a model. None leaves a field to the server."""

    model: str
    messages: Sequence[Message]
    temperature: float | None = None
    max_tokens: int | None = None


class Bodies:
    """Makes bodies of requests, and remembers what models refuse."""

    def __init__(self) -> None:
        self._refused: dict[Refused, None] = {}

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """The models and the fields that they refuse, without repetition."""
        return tuple(dict.fromkeys((model, name) for model, name, _ in self._refused))

    def body(self, wish: Wish) -> bytes:
        """The body of a request, as JSON."""
        messages = list(wish.messages)
        if self._refuses(wish, _SYSTEM):
            messages = without_system(messages)
        fields = {
            name: value for name, value in _optional(wish) if not self._refuses(wish, name, value)
        }
        if _ANSWER in fields:
            fields.pop(_ANSWER_LATER, None)
        return msgspec.json.encode(
            {"model": wish.model, "messages": messages, "stream": True, **fields}
        )

    def learn(self, wish: Wish, status: int, answer: bytes) -> bool:
        """Whether another body may succeed: the answer refuses an optional field of this one."""
        if status not in _BAD_REQUESTS:
            return False
        problem = problem_in(answer)
        words = problem.words.lower()
        if _NO_SYSTEM.search(words) and not self._refuses(wish, _SYSTEM):
            self._remember(wish, _SYSTEM)
            return True
        for name, value in _optional(wish):
            if name in words and not self._refuses(wish, name, value):
                self._remember(wish, name, value)
                return True
        return False

    def _refuses(self, wish: Wish, name: str, value: object = None) -> bool:
        return (wish.model, name, repr(value)) in self._refused

    def _remember(self, wish: Wish, name: str, value: object = None) -> None:
        while len(self._refused) >= _REMEMBERED:
            del self._refused[next(iter(self._refused))]
        self._refused[wish.model, name, repr(value)] = None


def _optional(wish: Wish) -> list[tuple[str, object]]:
    """The optional fields with their values. The later name of a field is tried second."""
    fields: list[tuple[str, object]] = [("stream_options", {"include_usage": True})]
    if wish.temperature is not None:
        fields.append(("temperature", wish.temperature))
    if wish.max_tokens is not None:
        fields += [(_ANSWER, wish.max_tokens), (_ANSWER_LATER, wish.max_tokens)]
    return fields
