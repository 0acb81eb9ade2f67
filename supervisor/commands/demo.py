"""`demo`: the whole story on a throw-away homeserver."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

from functools import partial
from typing import Annotated, Final

import anyio
import typer

from supervisor.commands.invocation import PROGRAM, ExitCode
from supervisor.logging import configure_logging

_MISSING: Final = (
    "the demo is part of the source tree and not of the installed program: "
    "clone the repository and run `make demo` in it"
)


def demo(
    *,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave homeserver and bot running, and say how to log in."),
    ] = False,
) -> None:
    """Tell the whole story on a throw-away homeserver, in less than a minute.

    People invite the bot and chat; the bot is killed and all its files are deleted; it starts
    again, and everything is compared with before. Needs no settings and touches none of your
    files. Ends with 1 when anything differs. The demo is part of the source tree, and is not
    installed with the program.

    \b
    Example, to look around afterwards with any Matrix client:
      surfaces-bot demo --keep
    """
    try:
        from demo.story import tell_story
    except ModuleNotFoundError as error:
        if error.name not in {"demo", "demo.story"}:
            raise
        typer.echo(f"{PROGRAM}: {_MISSING}", err=True)
        raise typer.Exit(ExitCode.FAILED) from None
    configure_logging(log_format="console", level="WARNING")
    raise typer.Exit(anyio.run(partial(tell_story, keep=keep)))
