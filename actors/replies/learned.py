"""What the bot has learned about the platform's models: kept in memory, and learned again."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from actors.platform import Turn
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


def without(
    turns: Sequence[Turn], refused: Collection[str]
) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """The turns without attachments that match a pattern, and the names left out of the last one.

    The text of a turn names what was left out of it.
    """
    lighter = tuple(_without(turn, refused) for turn in turns)
    kept = lighter[-1].attachments
    return lighter, tuple(file.name for file in turns[-1].attachments if file not in kept)


def _without(turn: Turn, refused: Collection[str]) -> Turn:
    kept = tuple(
        file
        for file in turn.attachments
        if not any(fnmatchcase(file.mime_type, pattern) for pattern in refused)
    )
    if len(kept) == len(turn.attachments):
        return turn
    names = (f"[file: {file.name}]" for file in turn.attachments if file not in kept)
    text = "\n".join([turn.text, *names]) if turn.text else "\n".join(names)
    return replace(turn, text=text, attachments=kept)
