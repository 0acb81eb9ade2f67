"""The tests, and what several of them share."""

import pytest

_FOLDERS = ("browser", "properties", "recipes", "simulation", "stepping", "store", "synapse")

# An assertion in what the tests share shows its values, as one in a test does.
pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in _FOLDERS))
