"""`worker`: makes platform calls for a bot on PostgreSQL."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

from functools import partial
from typing import Annotated, Final

import anyio
import typer

from supervisor.commands.accounts import in_parallel
from supervisor.commands.invocation import configure
from supervisor.loading import loading

AT_ONCE: Final = 16
_AtOnce = Annotated[
    int, typer.Option("--at-once", min=1, help="Make so many calls at the same time, at most.")
]


def worker(*, at_once: _AtOnce = AT_ONCE) -> None:
    """Make platform calls for a bot on PostgreSQL, until SIGTERM or SIGINT.

    A bot with BOT_WORKERS=on asks the platform by way of such workers. Start as many as you like,
    on any machine that reaches the database, with the bot's own MATRIX_USER_ID, MATRIX_DB_PATH and
    BOT_PLATFORM, and the variables of that platform. A worker needs neither the homeserver nor its
    password. It waits for a database that is unavailable. When it is to stop, it takes no new
    calls, has a minute to finish those in work, and gives the others back.

    \b
    Example:
      surfaces-bot worker --at-once 4
    """
    from supervisor.app.platforms import load_worker_settings_and_platform, platform_of
    from supervisor.app.workers import NEEDS_A_URL, workers_url

    in_parallel(load_worker_settings_and_platform, ("supervisor.app.worker",), leads=False)
    settings = load_worker_settings_and_platform()
    url = workers_url(settings, f"workers need PostgreSQL: {NEEDS_A_URL}")
    configure(settings, level="INFO")
    with loading():
        from actors.bounds import Bounds
        from supervisor.app.worker import run_worker

        bounds = settings.bounded(Bounds())
    platform = partial(platform_of, settings, bounds)
    anyio.run(partial(run_worker, settings, url, platform, at_once=at_once, bounds=bounds))
