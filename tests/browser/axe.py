"""axe-core, which judges pages by the rules of accessibility. `make setup` installs it with npm."""

from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Page

SOURCE: Final = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
HOW_TO_INSTALL: Final = (
    "no axe-core in tests/browser/node_modules: install npm (apt-get install npm) "
    "and run `make setup`"
)
_RUN: Final = "() => axe.run(document, { resultTypes: ['violations', 'incomplete'] })"


async def faults_of(page: Page) -> list[str]:
    """Every fault that axe finds with all of its rules, and each element that it can't judge.

    What it can't judge is no fault if it is a contrast: it does not see what is behind a text in a
    picture or on a gradient. `scripts.CONTRASTS` computes these.
    """
    if not SOURCE.is_file():
        pytest.skip(HOW_TO_INSTALL)
    # The page's policy forbids inline scripts; what a debugger evaluates is not the page's.
    await page.evaluate(SOURCE.read_text(encoding="utf-8"))
    found: dict[str, Any] = await page.evaluate(_RUN)
    assert found["testEngine"]["name"] == "axe-core"
    return [
        f"{kind}: {rule['id']}: {node['target']}: {node['failureSummary']}"
        for kind in ("violations", "incomplete")
        for rule in found[kind]
        if (kind, rule["id"]) != ("incomplete", "color-contrast")
        for node in rule["nodes"]
    ]
