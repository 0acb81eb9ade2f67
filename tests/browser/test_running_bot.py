"""The page of a real bot, which serves people on a real homeserver while it is looked at."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.async_api import Browser

from demo.bot import BotProcess
from demo.synapse import ThrowawaySynapse, free_port
from tests.browser.axe import faults_of
from tests.browser.scripts import READY
from tests.browser.test_accessibility import DESK, PHONE
from tests.storyteller import Storyteller
from tests.synapse.conftest import PASSWORD
from tests.synapse.streams import LIVELY, listeners

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LONG: Final = (2000, 400)
"""A story of so many lines, in so many seconds: it is told for as long as the test takes."""
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = "light", "dark"


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """The page of a bot that answers three people at once."""
    async with AsyncExitStack() as stack:
        synapse = await stack.enter_async_context(ThrowawaySynapse())
        teller = await stack.enter_async_context(Storyteller())
        bind = f"127.0.0.1:{free_port()}"
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=await synapse.register("bot", PASSWORD),
            password=PASSWORD,
            folder=tmp_path / "bot",
            environment={"STATUS_BIND": bind, **teller.environment},
            command=LIVELY,
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        for listener in await listeners(stack, synapse, bot, 3):
            await listener.ask(*LONG)
        yield f"http://{bind}/"


async def test_axe_finds_nothing_on_the_page_of_a_bot_at_work(
    address: str, browser: Browser
) -> None:
    for viewport, scheme in product((DESK, PHONE), SCHEMES):
        async with await browser.new_context(
            viewport=viewport, color_scheme=scheme, reduced_motion="reduce"
        ) as context:
            page = await context.new_page()
            await page.goto(address)
            await page.locator(READY).wait_for()
            streaming = page.locator("#conversations tr").filter(has_text="streaming")
            await streaming.nth(2).wait_for(timeout=60_000)
            cells = await streaming.first.locator("th, td").all_inner_texts()
            assert re.match(r"Chat 1\nC1 · !", cells[0])
            assert re.match(r"[\d,]+ characters in \d+ messages?\n[\d,]+ characters said", cells[4])
            for summary in await page.locator("summary:visible").all():
                await summary.click()
            assert await faults_of(page) == []
