"""Two processes where there should be one."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.bot import BotProcess
from demo.person import Person
from supervisor.lock import holder
from tests.synapse.conftest import PASSWORD
from tests.synapse.home import eventually, move_in, words_of

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


@contextmanager
def held_still(bot: BotProcess) -> Iterator[None]:
    """The bot does nothing meanwhile, however long another process takes to start."""
    os.kill(bot.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(bot.pid, signal.SIGCONT)


async def test_when_the_locks_folder_is_deleted_the_first_of_two_gives_way(
    bot: BotProcess, tmp_path: Path
) -> None:
    await bot.start_and_go_live()
    shutil.rmtree(bot.store)
    await bot.wait_for_event("instance_lock_taken_anew")
    paths = {name: value for name, value in bot.environment.items() if name.endswith("_PATH")}
    async with another(bot, tmp_path / "second", **paths) as second:
        with held_still(bot):
            shutil.rmtree(bot.store)
            second.start()
            await eventually(lambda: holder(bot.store) == second.pid, "the second has the lock")
        lost = await bot.wait_for_event("instance_lock_lost")
        assert str(second.pid) in lost["reason"]
        assert await bot.wait_for_exit() == 75
        await second.wait_for_state("live")
        assert await second.terminate() == 0
    assert bot.transitions()[-1].reason == lost["reason"]


@pytest.mark.quick
async def test_two_on_one_account_answer_once_and_report_each_other(
    bot: BotProcess, alice: Person, tmp_path: Path
) -> None:
    await bot.start_and_go_live()
    home = await move_in(alice, bot)
    async with another(bot, tmp_path / "second") as second:
        await second.start_and_go_live()
        for one, its_other in ((bot, second), (second, bot)):
            told = await one.wait_for_event("second_instance")
            assert f"process {its_other.pid} " in told["where"]
        texts = [f"message {number}" for number in range(20)]
        for text in texts:
            await home.owner.say(home.chat, text)
        await home.owner.wait_for(
            lambda event: event.sender == bot.user_id and event.body == texts[-1]
        )
        assert await second.terminate() == 0
    assert await home.ask("the last one") == "the last one"
    assert await words_of(alice, home.chat, bot.user_id) == [*texts, "the last one"]
