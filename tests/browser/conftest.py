"""A headless Chromium for the tests of the status page. Without one they are skipped."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import pytest
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from supervisor.status.snapshot import Snapshot
from tests.browser.scripts import READY
from tests.browser.stage import Puppet, on_stage

Scheme: TypeAlias = Literal["light", "dark"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
HOW_TO_INSTALL = (
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
    """The path of the browser: from the variable CHROMIUM, or from PATH. None without one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        pytest.skip(HOW_TO_INSTALL)
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=path, args=[*QUIET, *as_root])
        yield launched
        await launched.close()


@pytest.fixture
async def puppet() -> AsyncIterator[Puppet]:
    """A status server whose snapshot the test chooses."""
    async with on_stage() as made:
        yield made


@asynccontextmanager
async def unfolded(
    browser: Browser, snapshot: Snapshot, viewport: ViewportSize, scheme: Scheme
) -> AsyncIterator[Page]:
    """The page of a snapshot, with everything shown that a person can unfold."""
    async with (
        on_stage(snapshot) as puppet,
        await browser.new_context(
            viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
        ) as context,
    ):
        page = await context.new_page()
        await page.goto(puppet.url)
        await page.locator(READY).wait_for()
        for summary in await page.locator("summary:visible").all():
            await summary.click()
        yield page


@dataclass(slots=True)
class Visit:
    """An open page, with the complaints of the browser and the requests so far."""

    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Note errors, warnings, policy violations, dialogs and requests."""
        self.page.on("console", lambda message: self._logged(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))

    async def open(self, puppet: Puppet) -> None:
        """Open the page and wait until it shows a snapshot."""
        await self.page.goto(puppet.url)
        await self.page.locator(READY).wait_for()

    async def text(self, selector: str) -> str:
        """The visible text of an element."""
        return (await self.page.locator(selector).inner_text()).strip()

    async def wait_for_text(self, selector: str, text: str) -> None:
        """Wait until an element shows a text. Raises after 15 s."""
        await self.page.locator(selector).filter(has_text=text).wait_for(timeout=15_000)

    def _logged(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """A page on a desktop screen, in light colours."""
    async with await browser.new_context(viewport={"width": 1180, "height": 900}) as context:
        made = Visit(context, await context.new_page())
        made.listen()
        yield made
