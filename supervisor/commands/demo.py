"""`demo`: shows the bot lose all its files and recover, on a temporary homeserver."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

from functools import partial
from typing import Annotated, Final

import anyio
import typer

from supervisor.commands.exits import PROGRAM, ExitCode
from supervisor.logging import configure_logging

_MISSING: Final = (
    "the demo is part of the source tree and not of the installed program: "
    "clone the repository and run `make demo` in it"
)


def demo(
    *,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Leave the homeserver and the bot running, and print how to log in."
        ),
    ] = False,
    model: Annotated[
        bool,
        typer.Option("--model", help="Let the bot ask a real model, which runs on this machine."),
    ] = False,
) -> None:
    """Show a full loss and recovery on a temporary homeserver, in a minute or two.

    Two people invite the bot and chat. The demo kills the bot, deletes all its files, starts it
    again, and compares the new database with the old one. It needs no settings and touches none
    of your files. The exit code is 1 when anything differs. The demo needs the source tree: the
    installed program does not contain it.

    With --model, llama.cpp serves a small model, and the model still knows the conversation after
    the loss. `make demo ARGS=--model` installs both.

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
    raise typer.Exit(anyio.run(partial(tell_story, keep=keep, with_model=model)))
