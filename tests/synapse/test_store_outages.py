"""The database can't be written for a while: the bot says so, and comes back by itself."""

import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, closing, contextmanager
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_FSIZE, prlimit
from shutil import which
from typing import Final, TypeAlias

import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse
from tests.synapse.conftest import PASSWORD, MakeBot, newcomer, unique
from tests.synapse.home import Home, hear, move_in, words_of
from tests.synapse.talk import launched

pytestmark = pytest.mark.anyio

Trouble: TypeAlias = Callable[[BotProcess], AbstractContextManager[None]]


@contextmanager
def locked(bot: BotProcess) -> Iterator[None]:
    """Another program is in the middle of something long."""
    with closing(sqlite3.connect(bot.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def read_only(bot: BotProcess) -> Iterator[None]:
    """SQLite may not write: permissions would not stop a program that has the file open."""
    sign = bot.folder / "read-only"
    sign.touch()
    yield
    sign.unlink()


@contextmanager
def not_growing(bot: BotProcess) -> Iterator[None]:
    """The write-ahead log may not grow any more; the bot's log, which is shorter, may."""
    limit = bot.database.with_name(f"{bot.database.name}-wal").stat().st_size
    assert limit > 2 * bot.log.stat().st_size
    prlimit(bot.pid, RLIMIT_FSIZE, (limit, RLIM_INFINITY))
    yield
    prlimit(bot.pid, RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))


TROUBLES: Final[dict[str, tuple[Trouble, str]]] = {
    "locked": (locked, "database is locked"),
    "read_only": (read_only, "attempt to write a readonly database"),
    "write_error": (not_growing, "disk I/O error"),
}


@pytest.fixture(scope="module")
async def tenancy(
    synapse: ThrowawaySynapse, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Home]:
    """Somebody's, with an impatient bot whose database can be made read-only."""
    async with AsyncExitStack() as stack:
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=await synapse.register(unique("bot"), PASSWORD),
            password=PASSWORD,
            folder=tmp_path_factory.mktemp("store") / "bot",
            command=launched("impatient", "read-only"),
        )
        await stack.enter_async_context(bot)
        await bot.start_and_go_live()
        yield await move_in(await newcomer(stack, synapse, "alice"), bot)


@pytest.mark.parametrize("name", TROUBLES)
async def test_a_database_that_cannot_be_written_is_told_and_waited_for(
    tenancy: Home, name: str
) -> None:
    trouble, reason = TROUBLES[name]
    await survives(tenancy, trouble, reason)


async def test_a_full_disk_is_told_and_waited_for(
    make_bot: MakeBot, alice: Person, small_disk: Path
) -> None:
    @contextmanager
    def full(_bot: BotProcess) -> Iterator[None]:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                yield
        ballast.unlink()

    bot = await make_bot(command=launched("impatient"), MATRIX_DB_PATH=str(small_disk / "bot.db"))
    await bot.start_and_go_live()
    await survives(await move_in(alice, bot), full, "database or disk is full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = [str(which("mount")), "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may make a small file system")
    yield folder
    subprocess.run([str(which("umount")), "--lazy", str(folder)], check=True)


async def survives(home: Home, trouble: Trouble, reason: str) -> None:
    """What is said meanwhile is answered, once, when the trouble is over."""
    await home.ask("before")
    said = await words_of(home.owner, home.chat, home.bot.user_id)
    with trouble(home.bot):
        await home.owner.say(home.chat, "during")
        lost = await home.bot.wait_for_state("degraded")
        assert (lost["src"], lost["trigger"]) == ("live", "store_lost")
        assert lost["reason"] == reason
        await home.bot.wait_for_event("degraded")
    await home.bot.wait_for_state("live")
    assert await hear(home.owner, home.bot, home.chat) == "during"
    assert await home.ask("after") == "after"
    heard = await words_of(home.owner, home.chat, home.bot.user_id)
    assert heard == [*said, "during", "after"]
