"""Estimates how many tokens a text takes, and learns how far a model is from that. Pure."""

from typing import Final

_LEAST: Final = 0.5
_MOST: Final = 4.0
"""What a platform counts beyond these factors is no property of a model's tokens."""
_TELLING: Final = 200
"""So many estimated tokens say something about a model; fewer are mostly the platform's own."""


def estimated_tokens(text: str) -> float:
    """About four ASCII characters are a token, or two others."""
    ascii_ = sum(character < "\x80" for character in text)
    return ascii_ / 4 + (len(text) - ascii_) / 2


def learned_factor(known: float, estimated: float, counted: int) -> float:
    """The factor after an ask of so many estimated tokens, of which the platform counted others.

    It grows at once, because a conversation that is too long costs a refused question, and falls
    slowly.
    """
    if estimated < _TELLING or counted <= 0:
        return known
    seen = min(max(counted / estimated, _LEAST), _MOST)
    return max(seen, (3 * known + seen) / 4)
