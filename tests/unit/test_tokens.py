"""The estimate of tokens, and what the bot learns from the platform's own count."""

import pytest

from actors.rules.tokens import estimated_tokens, learned_factor


def test_tokens_are_estimated_by_the_alphabet() -> None:
    assert [estimated_tokens(text) for text in ("", "a", "abcd", "abcde", "да", "даn")] == [
        *(0, 1, 1, 2, 1, 2)
    ]


@pytest.mark.parametrize(
    ("known", "estimated", "counted", "learned"),
    [
        (1.0, 1000, 1500, 1.5),  # it grows at once
        (1.5, 1000, 1100, 1.4),  # and falls slowly
        (1.0, 1000, 100_000, 4.0),
        (1.0, 1000, 1, 0.875),
        (1.3, 100, 1000, 1.3),  # too little to tell
        (1.3, 1000, 0, 1.3),
    ],
)
def test_the_factor_of_a_model_follows_the_platforms_count(
    known: float, estimated: float, counted: int, learned: float
) -> None:
    assert learned_factor(known, estimated, counted) == pytest.approx(learned)
