"""What the bot has learned about the platform's models: kept in memory, and learned again."""

from collections import OrderedDict
from typing import Final

from actors.model import RoomId
from actors.rules.tokens import learned_factor

MODELS: Final = 64
"""About how many models the bot remembers something; of more, those used last."""


class Learned:
    """How models count tokens, and which conversations have become too long for them."""

    def __init__(self) -> None:
        self._factors: OrderedDict[str | None, float] = OrderedDict()
        self._trimmed: set[RoomId] = set()

    def factor(self, model: str | None) -> float:
        """How many tokens of a model an estimated one is; None is the platform's own choice."""
        return self._factors.get(model, 1.0)

    def note_tokens(self, model: str | None, estimated: float, counted: int) -> None:
        """Note how many tokens the platform counted."""
        self._factors[model] = learned_factor(self.factor(model), estimated, counted)
        self._factors.move_to_end(model)
        if len(self._factors) > MODELS:
            self._factors.popitem(last=False)

    def begins_to_trim(self, room_id: RoomId, *, trimmed: bool) -> bool:
        """Whether a room's conversation is cut from now on, and was not before."""
        begins = trimmed and room_id not in self._trimmed
        (self._trimmed.add if trimmed else self._trimmed.discard)(room_id)
        return begins
