"""Pictures of pages, made by a headless Chromium."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from playwright.async_api import Browser, ViewportSize, async_playwright

from tests.browser.conftest import HOW_TO_INSTALL, QUIET, chromium


class BrowserMissing(Exception):
    """This machine has no Chromium. The text says how to get one."""


@dataclass(frozen=True, slots=True)
class Look:
    """A size of the window, a theme, and how many pixels a CSS pixel has."""

    viewport: ViewportSize
    theme: Literal["light", "dark"]
    scale: float = 1


@asynccontextmanager
async def headless() -> AsyncIterator[Browser]:
    """A browser without a window. Raises BrowserMissing."""
    path = chromium()
    if path is None:
        raise BrowserMissing(HOW_TO_INSTALL)
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*QUIET, *as_root])
        yield browser
        await browser.close()
