"""The site of the documents in a real browser: it asks no other host, and fits on a phone."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from playwright.async_api import Browser, ViewportSize

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT: Final = Path(__file__).parents[2]
ROOT_PAGE: Final = "index.html"
"""It only leads on to the list of documents."""
PHONE: Final = ViewportSize(width=390, height=844)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site, made as `make site` makes it."""
    made = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-j", "auto")
    subprocess.run([*command, "-c", "docs/site", ".", made], cwd=ROOT, check=True, timeout=140)
    return made


@pytest.fixture(scope="module")
async def site(pages: Path) -> AsyncIterator[str]:
    """The address at which the site is served."""

    async def root(_: web.Request) -> web.FileResponse:
        return web.FileResponse(pages / ROOT_PAGE)

    served = web.Application()
    served.router.add_get("/", root)
    served.router.add_static("/", pages)
    runner = web.AppRunner(served)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    yield f"http://{host}:{port}/"
    await runner.cleanup()


async def test_no_page_asks_another_host_or_complains(visit: Visit, pages: Path, site: str) -> None:
    names = sorted({str(page.relative_to(pages)) for page in pages.rglob("*.html")} - {ROOT_PAGE})
    assert "docs/api/platform.html" in names
    for name in names:
        await visit.page.goto(f"{site}{name}")
        broken = "images => images.filter(it => !it.naturalWidth).map(it => it.src)"
        assert await visit.page.locator("img").evaluate_all(broken) == []
    assert visit.complaints == []
    assert {url.partition("?")[0] for url in visit.requests if not url.startswith(site)} == set()


async def test_the_root_leads_to_the_list_of_documents(visit: Visit, site: str) -> None:
    await visit.page.goto(site)
    await visit.page.wait_for_url(f"{site}docs/index.html")
    captions = await visit.page.locator(".sidebar-tree .caption").all_inner_texts()
    assert [it.title() for it in captions] == ["Tutorial", "How-To", "Reference", "Explanation"]


async def test_a_search_finds_a_page(visit: Visit, site: str) -> None:
    await visit.page.goto(f"{site}search.html?q=quarantine")
    await visit.wait_for_text("#search-results", "What is guaranteed at run time")


async def test_diagrams_are_pictures(visit: Visit, site: str) -> None:
    await visit.page.goto(f"{site}docs/architecture.html")
    sizes = await visit.page.locator(".diagram img").evaluate_all(
        "images => images.map(it => it.naturalWidth)"
    )
    assert len(sizes) == 5
    assert min(sizes) > 300


@pytest.mark.parametrize(
    "name", ["README", "docs/architecture", "docs/operating", "docs/api/runtime"]
)
async def test_a_page_fits_on_a_phone(name: str, browser: Browser, site: str) -> None:
    async with await browser.new_context(viewport=PHONE) as context:
        page = await context.new_page()
        await page.goto(f"{site}{name}.html")
        width, shown = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width == shown
