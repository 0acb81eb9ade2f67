"""The recipes of CONTRIBUTING.md lead to a tree that passes its checks and its tests."""

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.recipes.conftest import ROOT
from tests.recipes.recipe import Recipe

pytestmark = pytest.mark.slow

BIN: Final = ROOT / ".venv" / "bin"
OF_THIS_RUN: Final = ("COVERAGE", "PYTEST")
"""How variables begin by which this run of the tests would reach into those that it starts."""


def tools_of(target: str) -> list[str]:
    """What `make` runs for a target, without `.venv/bin/`."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.search(rf"^{target}:.*\n((?:\t@\$\(BIN\)/.*\n)+)", makefile, re.MULTILINE)
    assert found is not None, target
    return [line.removeprefix("\t@$(BIN)/") for line in found[1].splitlines()]


def carry_out(command: str, tree: Path) -> None:
    """Run one of a recipe's commands on the tree. Raises AssertionError with its output."""
    made = command.startswith("make ")
    # make itself would set the environment up anew in the copy.
    for tool in tools_of(command.removeprefix("make ")) if made else [command]:
        program, *arguments = shlex.split(tool.removeprefix(".venv/bin/"))
        kept = {name: it for name, it in os.environ.items() if not name.startswith(OF_THIS_RUN)}
        done = subprocess.run(
            [BIN / program, *arguments],
            cwd=tree,
            env={**kept, "PYTHONPATH": str(tree)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{tool}\n{done.stdout}"


@pytest.mark.parametrize("title", ["Add a command", "Add a setting", "Add a homeserver operation"])
def test_a_recipe_leads_to_a_tree_that_passes(title: str, tree: Path) -> None:
    recipe = Recipe.read((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), title)
    for edit in recipe.edits:
        edit.make(tree)
    for command in ("make format", *recipe.commands):
        carry_out(command, tree)
