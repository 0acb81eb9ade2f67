"""A copy of the tree, on which a recipe is carried out."""

from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
LEFT_BEHIND: Final = ignore_patterns(
    ".git", ".venv", ".tools", ".models", ".hypothesis", ".pytest_cache", ".cache", ".coverage*",
    "__pycache__", "matrix_store", ".site", "node_modules",
)  # fmt: skip
"""What is no part of the tree. mypy's cache is copied: it saves most of the time."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copytree(ROOT, tmp_path / "tree", ignore=LEFT_BEHIND)
