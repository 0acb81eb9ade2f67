"""What the bot imports on its way to live: all of it delays the start."""

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.imports import PROGRAM, WRITE_TO, modules_in, packages_of
from tests.synapse.conftest import MakeBot

pytestmark = [pytest.mark.anyio, pytest.mark.quick]

OWN_CHOICE: Final = {
    *("aiosqlite", "anyio", "dotenv", "filelock", "msgspec", "structlog", "transitions", "typer"),
    *("aiohttp", "nio", "yarl"),
}
OF_THESE: Final = {
    # aiohttp's
    *("aiohappyeyeballs", "aiosignal", "attr", "attrs", "frozenlist", "idna", "multidict"),
    *("propcache",),
    # nio's, most of which the bot does not use
    *("Crypto", "aiofiles", "aiohttp_socks", "h11", "h2", "hpack", "hyperframe", "jsonschema"),
    *("jsonschema_specifications", "python_socks", "referencing", "rpds", "unpaddedbase64"),
    # those of the others
    *("annotated_doc", "cython_runtime", "shellingham", "six", "typing_extensions"),
}
IF_INSTALLED: Final = {
    *("backports", "brotli", "brotlicffi", "cffi", "greenlet", "pycparser", "sniffio", "zope"),
    "zstandard",
}
"""What the packages above import if they find it; among it, what the environment of tests has."""
LATER: Final = {
    "adapter.matrix.markdown",
    "adapter.platform.openai",
    "adapter.platform.webhook",
    "adapter.postgres",
    "adapter.workers",
    "supervisor.app.platform_settings",
    "supervisor.app.plugins",
    "supervisor.commands.explaining",
    "supervisor.text.console",
}


async def test_what_is_imported_on_the_way_to_live(make_bot: MakeBot, tmp_path: Path) -> None:
    path = tmp_path / "imports.json"
    command = (sys.executable, "-c", PROGRAM, "run")
    bot = await make_bot(command=command, STATUS_BIND="127.0.0.1:0", **{WRITE_TO: str(path)})
    await bot.start_and_go_live()
    assert await bot.terminate() == 0
    found = modules_in(path)
    packages = packages_of(found)
    assert packages <= OWN_CHOICE | OF_THESE | IF_INSTALLED
    assert packages >= OWN_CHOICE
    assert not LATER & found
