"""`reconcile`: runs one round of reconciliation and prints its report."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import json
from contextlib import nullcontext
from functools import partial
from typing import Annotated

import anyio
import typer

from supervisor.commands.invocation import AsJson, configure
from supervisor.lock import instance_lock
from supervisor.settings import load_settings
from supervisor.text.console import console, report_tables


def reconcile(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; list what would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Update the database from the rooms on the homeserver, once, and print a report.

    The bot does the same at every start, so this command is rarely needed. It is useful to see
    what the bot would change. Stop the bot first, unless you use --dry-run.

    \b
    Example, safe while the bot is running:
      surfaces-bot reconcile --dry-run
    """
    settings = load_settings()
    from supervisor.app.run import reconcile_once

    configure(settings)
    with nullcontext() if dry_run else instance_lock(settings.store_path):
        report = anyio.run(partial(reconcile_once, settings, dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps(report))
        return
    out = console()
    for table in report_tables(report, "would be reconciled" if dry_run else "reconciled"):
        out.print(table)
        out.print()
    if dry_run:
        out.print("This was a dry run: nothing was changed.")
