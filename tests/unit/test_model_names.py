"""A model is found by what a person types, and similar names are shown for an unknown one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rules.model_names import SIMILAR, model_meant, similar_models

MODELS = ("gpt-4o", "gpt-4o-mini", "llama3.1:8b", "openai/gpt-oss-20b")


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("gpt-4o", "gpt-4o"),
        ("GPT-4O", "gpt-4o"),
        ("gрt-4о", "gpt-4o"),
        ("gpt\u200b-4o", "gpt-4o"),
        ("gpt", None),
        ("gpt-5", None),
    ],
)
def test_a_name_means_the_model_that_looks_the_same(text: str, model: str | None) -> None:
    assert model_meant(text, MODELS) == model


def test_of_two_names_that_look_the_same_only_the_exact_one_counts() -> None:
    assert model_meant("Phi", ("phi", "Phi")) == "Phi"
    assert model_meant("PHI", ("phi", "Phi")) is None


@pytest.mark.parametrize(
    ("text", "similar"),
    [
        ("gpt", ("gpt-4o", "gpt-4o-mini", "openai/gpt-oss-20b")),
        ("lama3.1", ("llama3.1:8b",)),
        ("gpt-4", ("gpt-4o", "gpt-4o-mini")),
        ("zzz", ()),
    ],
)
def test_similar_names_contain_the_text_or_are_close_to_it(
    text: str, similar: tuple[str, ...]
) -> None:
    assert similar_models(text, MODELS) == similar


@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=5))
def test_what_is_found_is_there(text: str, models: list[str]) -> None:
    assert model_meant(text, models) in {None, *models}
    assert set(similar_models(text, models)) <= set(models)
    assert len(similar_models(text, models)) <= SIMILAR
