"""Two processes where there should be one."""

import shutil
from pathlib import Path

import pytest

from supervisor.demo.bot import BotProcess
from tests.synapse.conftest import PASSWORD

pytestmark = pytest.mark.anyio


def another(bot: BotProcess, folder: Path, **environment: str) -> BotProcess:
    """A second process for the same account."""
    return BotProcess(
        homeserver_url=bot.environment["MATRIX_HOMESERVER"],
        user_id=bot.user_id,
        password=PASSWORD,
        folder=folder,
        environment=environment,
    )


async def test_when_the_locks_folder_is_deleted_the_first_of_two_gives_way(
    bot: BotProcess, tmp_path: Path
) -> None:
    await bot.start_and_go_live()
    shutil.rmtree(bot.store)
    await bot.wait_for_event("instance_lock_taken_anew")
    shutil.rmtree(bot.store)
    paths = {name: value for name, value in bot.environment.items() if name.endswith("_PATH")}
    async with another(bot, tmp_path / "second", **paths) as second:
        second.start()
        lost = await bot.wait_for_event("instance_lock_lost")
        assert str(second.pid) in lost["reason"]
        assert await bot.wait_for_exit() == 75
        await second.wait_for_state("live")
        assert await second.terminate() == 0
    assert bot.transitions()[-1].reason == lost["reason"]
