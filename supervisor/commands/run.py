"""`run`: the bot itself."""

# The Matrix client and everything behind it is loaded only when it is needed, so that `--help`
# answers at once. In help texts \b keeps the lines that follow as they are.
# ruff: noqa: PLC0415, D301

import signal
from types import FrameType
from typing import NoReturn

import anyio
import typer

from supervisor.commands.invocation import configure
from supervisor.loading import loading
from supervisor.lock import instance_lock
from supervisor.settings import load_settings


def _stop_before_it_began(_number: int, _frame: FrameType | None) -> NoReturn:
    """Asked to stop while still loading: there is nothing to bring to an end."""
    raise SystemExit(0)


def run() -> None:
    """Run the bot, until SIGTERM or SIGINT.

    It logs in, reads every room it is in, brings its database in line with them, and then serves.
    A homeserver that is away is waited for. Files that are lost or damaged are rebuilt: starting
    again is always enough.

    \b
    Example, with the log as JSON lines:
      LOG_FORMAT=json surfaces-bot run
    """
    signal.signal(signal.SIGTERM, _stop_before_it_began)
    settings = load_settings()
    with loading():
        from supervisor.app.run import run_bot

    configure(settings, level="INFO")
    with instance_lock(settings.store_path) as lock:
        code = anyio.run(run_bot, settings, lock)
    raise typer.Exit(code)
