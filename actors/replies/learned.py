"""What the bot has learned about the platform's models: kept in memory, and learned again."""

from collections.abc import Collection, Iterable
from typing import Final, TypeVar

import anyio

from actors.model import RoomId
from actors.rules.tokens import learned_factor

MODELS: Final = 64
"""About how many models, and types for each, the bot remembers something; of more, the newest."""
CHATS: Final = 1_024
"""For about how many chats the bot remembers refused files; of more, the newest."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Learned:
    """How models count tokens, which files they refuse, and which conversations are too long."""

    def __init__(self, refused_for_s: float) -> None:
        self._refused_for_s = refused_for_s
        self._factors: dict[str | None, float] = {}
        self._refused: dict[tuple[RoomId, str | None], dict[str, float]] = {}
        """Until when types of files are left out, by chat and model."""
        self._trimmed: set[RoomId] = set()

    def factor(self, model: str | None) -> float:
        """How many tokens of a model an estimated one is; None is the platform's own choice."""
        return self._factors.get(model, 1.0)

    def note_tokens(self, model: str | None, estimated: float, counted: int) -> None:
        """Note how many tokens the platform counted."""
        self._factors[model] = learned_factor(self.factor(model), estimated, counted)
        _forget_first(self._factors, MODELS)

    def refused(self, room_id: RoomId, model: str | None) -> Collection[str]:
        """Patterns of the MIME types that a model has refused lately in a chat.

        The fault may be that of one file, so it says nothing about the files of other people.
        """
        now = anyio.current_time()
        known = self._refused.get((room_id, model), {})
        return [pattern for pattern, until in known.items() if now < until]

    def note_refused(self, room_id: RoomId, model: str | None, mime_types: Iterable[str]) -> None:
        """Note MIME types that a model has refused: in the chat, they are left out for a while."""
        until = anyio.current_time() + self._refused_for_s
        known = self._refused.setdefault((room_id, model), {})
        known.update((mime_type.lower(), until) for mime_type in mime_types)
        _forget_first(known, MODELS)
        _forget_first(self._refused, CHATS)

    def begins_to_trim(self, room_id: RoomId, *, trimmed: bool) -> bool:
        """Whether a room's conversation is cut from now on, and was not before."""
        begins = trimmed and room_id not in self._trimmed
        (self._trimmed.add if trimmed else self._trimmed.discard)(room_id)
        return begins


def _forget_first(known: dict[_K, _V], limit: int) -> None:
    while len(known) > limit:
        del known[next(iter(known))]
