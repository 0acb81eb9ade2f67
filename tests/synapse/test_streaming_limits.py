"""Four people ask at once, and Synapse limits the bot as it does by default."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import anyio
import pytest

from demo.bot import BotProcess
from demo.synapse import ThrowawaySynapse
from tests.storyteller import Storyteller
from tests.synapse.conftest import PASSWORD, unique
from tests.synapse.proxy import FaultProxy
from tests.synapse.streams import SEND, Listener, Sent, Watcher, listeners

pytestmark = pytest.mark.anyio

STOCK: Final = {"rc_message": {"per_second": 0.2, "burst_count": 10}}
"""What Synapse allows an account by default; rooms are made before, without limits."""
PEOPLE: Final = 4
STORY: Final = (60, 14)
AT_ONCE_S: Final = 3.0
"""Far more than it takes to send the end of an answer that waits for nothing."""


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[tuple[list[Listener], Storyteller, Watcher]]:
    """People with a chat each on a homeserver with limits, and what the bot sends there."""
    async with ThrowawaySynapse() as synapse, Storyteller() as teller, AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(FaultProxy(synapse.url))
        bot = await stack.enter_async_context(
            BotProcess(
                homeserver_url=proxy.url,
                user_id=await synapse.register(unique("bot"), PASSWORD),
                password=PASSWORD,
                folder=tmp_path / "bot",
                environment=teller.environment,
            )
        )
        await bot.start_and_go_live()
        people = await listeners(stack, synapse, bot, PEOPLE)
        assert await bot.terminate() == 0
        await synapse.restart(**STOCK)
        watcher = Watcher()
        proxy.when(SEND, watcher)
        await bot.start_and_go_live()
        yield people, teller, watcher


async def test_every_answer_arrives_and_none_waits_for_a_live_edit(
    watched: tuple[list[Listener], Storyteller, Watcher],
) -> None:
    people, teller, watcher = watched
    async with anyio.create_task_group() as asking:
        for listener in people:
            asking.start_soon(listener.ask, *STORY)
    for listener in people:
        await listener.until_told()
    assert {it.kind for it in watcher.sent} >= {"anchor", "live", "final"}
    ended_at = sorted(teller.ended_at.values())
    ends = [ends_of(watcher.sent, listener.room_id) for listener in people]
    for sent, ended in zip(sorted(first.at for first, _ in ends), ended_at, strict=True):
        assert sent - ended < AT_ONCE_S
    for first, later in ends:
        assert [it for it in later if it.kind == "live"] == []
        assert first.status in {200, 429}
    assert [it for it in watcher.sent if it.kind == "live" and it.status == 429][1:] == []


def ends_of(sent: list[Sent], room_id: str) -> tuple[Sent, list[Sent]]:
    """The first request that ends a room's answer, and what was sent there after it."""
    here = [it for it in sent if it.room_id == room_id]
    at = next(at for at, it in enumerate(here) if it.kind in {"final", "plain"})
    return here[at], here[at + 1 :]


async def test_questions_that_go_on_and_on_are_all_answered(
    watched: tuple[list[Listener], Storyteller, Watcher],
) -> None:
    """More is asked than may be shown: live edits give way, and ends arrive at the limit's pace."""
    people, _, watcher = watched
    began = time.monotonic()
    for _ in range(3):
        async with anyio.create_task_group() as asking:
            for listener in people:
                asking.start_soon(listener.ask, 20, 4)
    for listener in people:
        await listener.until_told()
    live = [it for it in watcher.sent if it.kind in {"anchor", "live"} and it.status == 200]
    assert 0 < len(live) <= 6 + 0.2 * (time.monotonic() - began)
    limited = [it for it in watcher.sent if it.kind in {"anchor", "live"} and it.status == 429]
    assert limited[1:] == []
