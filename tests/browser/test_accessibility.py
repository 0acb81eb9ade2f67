"""axe-core finds nothing on the status page, in both themes, on a desk and on a phone."""

from collections.abc import Callable

import pytest
from playwright.async_api import Browser, ViewportSize

from supervisor.status.snapshot import Snapshot
from tests.browser.axe import faults_of
from tests.browser.conftest import Scheme, Visit, unfolded
from tests.browser.stage import Puppet, crowded, degraded, live, standing_by, without_worker, young

pytestmark = pytest.mark.anyio

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1180, "height": 900}


@pytest.mark.parametrize("viewport", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "says",
    [
        pytest.param(live, marks=pytest.mark.slow),
        pytest.param(degraded, marks=pytest.mark.slow),
        pytest.param(young, marks=pytest.mark.slow),
        pytest.param(without_worker, marks=pytest.mark.slow),
        pytest.param(crowded, marks=pytest.mark.slow),
        pytest.param(standing_by, marks=pytest.mark.slow),
    ],
)
async def test_axe_finds_nothing(
    says: Callable[[], Snapshot],
    scheme: Scheme,
    viewport: ViewportSize,
    browser: Browser,
) -> None:
    async with unfolded(browser, says(), viewport, scheme) as page:
        assert await faults_of(page) == []


async def test_axe_finds_a_fault_where_there_is_one(visit: Visit, puppet: Puppet) -> None:
    await visit.open(puppet)
    await visit.page.locator(".skip").evaluate("link => { link.textContent = '' }")
    (fault,) = await faults_of(visit.page)
    assert fault.startswith("violations: link-name: ['.skip']")
