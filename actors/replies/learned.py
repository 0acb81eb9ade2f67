"""What the bot has learned about the platform's models: kept in memory, and learned again."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from actors.rules.tokens import learned_factor

MODELS: Final = 64
"""About how many models the bot remembers something; of more, those used last."""


@dataclass(slots=True)
class AboutModel:
    """What is known of one model. `factor` is how many of its tokens an estimated one is."""

    factor: float = 1.0
    refuses: set[str] = field(default_factory=set)
    """Patterns of MIME types that it does not take."""


class Learned:
    """What is known of each model."""

    def __init__(self) -> None:
        self._models: OrderedDict[str | None, AboutModel] = OrderedDict()

    def about(self, model: str | None) -> AboutModel:
        """What is known of a model; None is the platform's own choice."""
        known = self._models.setdefault(model, AboutModel())
        self._models.move_to_end(model)
        if len(self._models) > MODELS:
            self._models.popitem(last=False)
        return known

    def note_tokens(self, model: str | None, estimated: float, counted: int) -> None:
        """Note how many tokens the platform counted."""
        known = self.about(model)
        known.factor = learned_factor(known.factor, estimated, counted)
