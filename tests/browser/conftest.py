"""A headless Chromium for all tests here; without one they are skipped and say how to get it."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.browser.scripts import READY
from tests.browser.stage import Puppet, on_stage

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW = (
    "no Chromium on this machine: install Debian's package chromium "
    "(apt-get install chromium), or name one in CHROMIUM"
)
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    "--disable-dev-shm-usage",
)


def chromium() -> str | None:
    """Where the browser is."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(HOW)
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=[*QUIET, *as_root])
        yield launched
        await launched.close()


@pytest.fixture
async def puppet() -> AsyncIterator[Puppet]:
    """A bot that says what the test wants it to say."""
    async with on_stage() as made:
        yield made


@dataclass(slots=True)
class Visit:
    """Somebody with a browser who looks at the page, and everything that went wrong there."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note errors, warnings, policy violations, dialogs and requests."""
        self.page.on("console", lambda message: self._said(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))

    async def open(self, puppet: Puppet) -> None:
        """Look at the page, once it says something."""
        await self.page.goto(puppet.url)
        await self.page.locator(READY).wait_for()

    async def text(self, selector: str) -> str:
        """What a person reads there."""
        return (await self.page.locator(selector).inner_text()).strip()

    async def wait_for_text(self, selector: str, text: str) -> None:
        """Wait until it is read there."""
        await self.page.locator(selector).filter(has_text=text).wait_for(timeout=15_000)

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """At a desk, in a light room."""
    async with await browser.new_context(viewport={"width": 1180, "height": 900}) as context:
        made = Visit(context, await context.new_page())
        made.listen()
        yield made
