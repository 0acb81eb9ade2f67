"""`check`: what is wrong, before the bot finds out."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import anyio
import typer

from supervisor.console import console, finding_line
from supervisor.invocation import ExitCode, configure
from supervisor.settings import load_settings


def check() -> None:
    """Say what is wrong before the bot does: settings, files, homeserver, login.

    One line for each thing looked at, with what to do. It changes nothing and does not disturb a
    running bot: it uses the stored session, or logs in as a device of its own and out again.
    Ends with 0 when all is well, with 78 when settings or credentials have to be changed.

    \b
    Example:
      surfaces-bot check
    """
    settings = load_settings()
    from supervisor.app_check import check as look

    configure(settings)
    findings = anyio.run(look, settings)
    for line in findings:
        console().print(
            finding_line(ok=line.ok, what=line.what, advice=line.advice), soft_wrap=True
        )
    if any(line.refused for line in findings):
        raise typer.Exit(ExitCode.REFUSED)
    if not all(line.ok for line in findings):
        raise typer.Exit(ExitCode.FAILED)
