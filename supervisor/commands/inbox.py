"""`inbox`: lists waiting and dead messages, and lets a dead message wait again."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from actors.model import EventId
from supervisor.commands.exits import PROGRAM, ExitCode
from supervisor.commands.invocation import AsJson, configure
from supervisor.lock import is_running
from supervisor.settings import LocalSettings, load_local_settings
from supervisor.text.console import console
from supervisor.text.plain import duration, harmless

if TYPE_CHECKING:
    from adapter.sql.inbox_rows import InboxRow


def _event_id(text: str) -> EventId:
    if not text.startswith("$"):
        raise typer.BadParameter(
            "an event id begins with $: put it in single quotes, or the shell reads it as a "
            "variable"
        )
    return EventId(text)


def inbox(
    *,
    dead: Annotated[bool, typer.Option("--dead", help="Show only dead messages.")] = False,
    retry: Annotated[
        EventId | None,
        typer.Option(
            parser=_event_id, metavar="EVENT", help="Let the dead message with this id wait again."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the messages that wait for an answer, and the dead ones.

    A message that has made its room fail five times is dead: the bot sets it aside, tells the
    owner, and continues with the room's next message. The command never shows the text of a
    message. It can be used while the bot is running.

    \b
    Example, to try a dead message again, with its id in single quotes:
      surfaces-bot inbox --retry '$abc'
    """
    settings = load_local_settings()
    configure(settings)
    if retry is not None:
        raise typer.Exit(_retry(settings, retry))
    from supervisor.app.databases import account_of, read_inbox

    rows = [row for row in read_inbox(settings.db_path) if row.state == "dead" or not dead]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row)))
        return
    _show(rows, dead=dead, running=is_running(settings.store_path))
    if not isinstance(settings.db_path, Path) and (account := account_of(settings.db_path)):
        console().print(f"the messages are those of {harmless(account)}", soft_wrap=True)


def _retry(settings: LocalSettings, event_id: EventId) -> ExitCode:
    from supervisor.app.databases import retry

    shown = harmless(event_id)
    match retry(settings.db_path, event_id):
        case "dead":
            when = "within a minute" if is_running(settings.store_path) else "when it runs again"
            typer.echo(f"{shown} waits again: the bot handles it {when}")
            return ExitCode.OK
        case "waiting":
            typer.echo(f"{shown} is already waiting")
            return ExitCode.OK
        case "done":
            typer.echo(f"{PROGRAM}: {shown} is already handled: it needs no retry", err=True)
            return ExitCode.FAILED
        case None:
            listed = f"`{PROGRAM} inbox --dead` lists the dead messages"
            typer.echo(f"{PROGRAM}: there is no message {shown}: {listed}", err=True)
            return ExitCode.FAILED


def _show(rows: Sequence["InboxRow"], *, dead: bool, running: bool) -> None:
    out = console()
    if not rows:
        out.print("no message is dead" if dead else "no message is waiting, and none is dead")
        return
    out.print(_table(rows, datetime.now(UTC)))
    count = Counter(row.state for row in rows)
    counts = f"{count['waiting']} waiting, {count['dead']} dead"
    idle = count["waiting"] and not running
    out.print()
    out.print(f"{counts}; the bot is not running" if idle else counts)
    if count["dead"]:
        out.print(f"to try a dead message again: {PROGRAM} inbox --retry '$…'")


def _table(rows: Sequence["InboxRow"], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("state", "age", "attempts"):
        table.add_column(heading)
    table.add_column("sender, room, event", overflow="fold")
    for row in rows:
        age_ms = max(0, round((now.timestamp() - row.accepted_at) * 1000))
        ids = "\n".join(map(harmless, (row.sender, row.room_id, row.event_id)))
        style = "red" if row.state == "dead" else ""
        table.add_row(row.state, duration(age_ms), str(row.attempts), Text(ids), style=style)
    return table
