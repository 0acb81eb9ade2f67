"""Finds the model that a person means among those to choose from. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from actors.rules.likeness import as_seen

SIMILAR: Final = 3
"""How many similar names are shown for an unknown one."""

_CUTOFF: Final = 0.5


def model_meant(text: str, models: Sequence[str]) -> str | None:
    """The model with this name; else the only one whose name looks the same; None if neither."""
    if text in models:
        return text
    alike = {name for name in models if as_seen(name) == as_seen(text)}
    return alike.pop() if len(alike) == 1 else None


def similar_models(text: str, models: Sequence[str]) -> tuple[str, ...]:
    """The models with similar names: those that contain the text first."""
    wanted = as_seen(text)
    by_name = {as_seen(name): name for name in models}
    containing = [name for seen, name in by_name.items() if wanted in seen]
    close = get_close_matches(wanted, by_name, n=SIMILAR, cutoff=_CUTOFF)
    found = dict.fromkeys([*containing, *(by_name[seen] for seen in close)])
    return tuple(found)[:SIMILAR]
