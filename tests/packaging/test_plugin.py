"""The plugin that docs/platforms.md shows, carried out: installed beside the bot, tested, asked."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from demo.bot import BotProcess
from demo.person import Person
from demo.synapse import ThrowawaySynapse, free_port
from tests.documents import shown_file
from tests.packaging.conftest import ROOT, UV, built_wheel, make, new_environment
from tests.synapse.home import move_in

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

DOCUMENT: Final = "docs/platforms.md"
LINES: Final = 15
PASSWORD: Final = "a password for one test"
LIMIT_S: Final = 120


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an empty environment into which the bot and the plugin were installed."""
    source = tmp_path_factory.mktemp("shout")
    for name in ("shout.py", "pyproject.toml"):
        (source / name).write_text(shown_file(DOCUMENT, name), encoding="utf-8")
    plugin = built_wheel(source, tmp_path_factory.mktemp("plugin"))
    folder = tmp_path_factory.mktemp("beside") / "venv"
    return new_environment(folder, wheel, plugin)


def run(*command: str | Path, folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8", **settings},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_it_is_as_short_as_it_is_said_to_be() -> None:
    lines = [line for line in shown_file(DOCUMENT, "shout.py").splitlines() if line]
    assert len(lines) <= LINES


def test_it_passes_the_contract_in_its_own_environment(programs: Path, tmp_path: Path) -> None:
    lock = ROOT / "requirements-dev.lock"
    here = {"VIRTUAL_ENV": str(programs.parent)}
    make(UV, "pip", "install", "--quiet", "--constraint", lock, "pytest", environment=here)
    tests = tmp_path / "test_shout.py"
    tests.write_text(shown_file(DOCUMENT, tests.name), encoding="utf-8")
    done = run(programs / "pytest", "-q", tests.name, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert " failed" not in done.stdout


def test_its_mistakes_are_told_in_a_line(programs: Path, tmp_path: Path) -> None:
    account = {
        "MATRIX_HOMESERVER": f"http://127.0.0.1:{free_port()}",
        "MATRIX_USER_ID": "@bot:example.org",
        "MATRIX_PASSWORD": "made up",
    }
    check = (programs / "surfaces-bot", "check")
    done = run(*check, folder=tmp_path, BOT_PLATFORM="shuot", **account)
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith("surfaces-bot: BOT_PLATFORM: is 'shuot': did you mean shout?")
    done = run(*check, folder=tmp_path, BOT_PLATFORM="shout", SHOUT_MRAK="?", **account)
    assert done.returncode == 1
    assert "SHOUT_MRAK: is not a variable of the bot: did you mean SHOUT_MARK?" in done.stderr


async def test_the_bot_answers_through_it(programs: Path, tmp_path: Path) -> None:
    async with ThrowawaySynapse() as synapse:
        user_id = await synapse.register("bot", PASSWORD)
        bot = BotProcess(
            homeserver_url=synapse.url,
            user_id=user_id,
            password=PASSWORD,
            folder=tmp_path / "bot",
            environment={"BOT_PLATFORM": "shout", "SHOUT_MARK": "!!"},
            command=(str(programs / "surfaces-bot"), "run"),
        )
        await synapse.register("alice", PASSWORD)
        async with bot, Person.logged_in(synapse.url, "alice", PASSWORD) as person:
            bot.start()
            home = await move_in(person, bot)
            assert await home.ask("hello") == "HELLO!!"
