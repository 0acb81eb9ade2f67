"""Estimates how many tokens a text takes, and learns how far a model is from that. Pure."""

from typing import Final

_PER_TOKEN: Final = 4
"""A token is about four ASCII characters, or two others."""
_LEAST: Final = 0.5
_MOST: Final = 4.0
"""What a platform counts beyond these factors is no property of a model's tokens."""
_TELLING: Final = 200
"""So many estimated tokens say something about a model; fewer are mostly the platform's own."""


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is: four ASCII characters are one, or two others."""
    ascii_chars = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return -(-(2 * len(text) - ascii_chars) // _PER_TOKEN)


def learned_factor(known: float, estimated: float, counted: int) -> float:
    """The factor after an ask of so many estimated tokens, of which the platform counted others.

    It grows at once, because a conversation that is too long costs a refused question, and falls
    slowly.
    """
    if estimated < _TELLING or counted <= 0:
        return known
    seen = min(max(counted / estimated, _LEAST), _MOST)
    return max(seen, (3 * known + seen) / 4)
