"""`run`: runs the bot."""

# The Matrix client and everything it imports is loaded only when it is needed, so that `--help`
# prints at once. In help texts \b keeps the line breaks of the paragraph that follows.
# ruff: noqa: PLC0415, D301

import signal
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import anyio
import typer

from supervisor.commands.accounts import in_parallel
from supervisor.commands.invocation import configure
from supervisor.loading import loading
from supervisor.lock import instance_lock

if TYPE_CHECKING:
    from supervisor.app.run import Parts
    from supervisor.app.spread import Spread

_MODULES: Final = (
    "adapter.postgres.journal",
    "adapter.postgres.lease",
    "adapter.postgres.reading",
    "adapter.postgres.store",
    "filelock",
    "supervisor.app.run",
    "supervisor.status.server",
)
"""What the processes of all accounts need. `supervisor.app.run` imports most of it."""


def _exit_while_loading(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle SIGTERM before the bot runs: no work has to be finished."""
    raise SystemExit(0)


def _parts(share: "Spread | None") -> tuple["Parts", ...]:
    """What differs for one of many accounts."""
    if share is None:
        return ()
    from supervisor.app.run import Parts

    return (Parts(share=share),)


def run() -> None:
    """Run the bot until SIGTERM or SIGINT.

    The bot logs in, reads its rooms, updates its database from them, and then answers messages.
    It waits for a homeserver that is unavailable, and rebuilds files that are lost or damaged:
    a restart is always enough.

    With MATRIX_ACCOUNTS, it runs a process for each account of the folder, and starts those again
    that end.

    BOT_PLATFORM chooses what answers: `echo`, which repeats each message, `openai` for a server
    of models, `webhook` for a receiver of your own, or the name of a plugin that is installed.

    \b
    Examples, with a model of llama.cpp, and with the log as JSON lines:
      BOT_PLATFORM=openai OPENAI_BASE_URL=http://127.0.0.1:8080 surfaces-bot run
      LOG_FORMAT=json surfaces-bot run
    """
    signal.signal(signal.SIGTERM, _exit_while_loading)
    from supervisor.app.platforms import load_settings_and_platform

    share = in_parallel(load_settings_and_platform, _MODULES, leads=True)
    settings = load_settings_and_platform()
    with loading():
        from supervisor.app.run import run_bot

    configure(settings, level="INFO")
    with instance_lock(settings.store_path) as lock:
        code = anyio.run(partial(run_bot, settings, lock, *_parts(share)))
    raise typer.Exit(code)
