"""`log`: the journal of transitions."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from supervisor.console import console, timeline
from supervisor.invocation import AsJson, configure
from supervisor.settings import load_local_settings

JOURNAL_KEYS: Final = (
    "seq",
    "at",
    "boot",
    "machine",
    "src",
    "trigger",
    "dst",
    "outcome",
    "reason",
    "attempt",
    "dwell_ms",
)
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _machine(name: str) -> str:
    if name != "lifecycle" and not name.startswith("room:!"):
        raise typer.BadParameter("use lifecycle or room:!id, with the room's id after the colon")
    return name


def _since(text: str) -> datetime:
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_SPANS[found[2]]: int(found[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("use 30s, 10m, 2h, 3d, or a date like 2026-01-31T12:00") from None


def log(
    *,
    machine: Annotated[
        str | None,
        typer.Option(parser=_machine, metavar="NAME", help="Only `lifecycle`, or `room:!id`."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_since, metavar="WHEN", help="Only since then: 30s, 10m, 2h, 3d, or a date."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="At most the newest so many.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the journal: every change of state, oldest first, with its reason.

    It may be read while the bot is running. `after` is the time spent in the state before.

    \b
    Example, what happened to the bot in the last two hours:
      surfaces-bot log --machine lifecycle --since 2h
    """
    settings = load_local_settings()
    from adapter.sqlite.journal import read_journal

    configure(settings)
    newest = None if since else limit
    rows = read_journal(settings.journal_path, machine=machine, limit=newest)
    wanted = [row for row in rows if since is None or datetime.fromisoformat(row.at) >= since]
    _print_journal([asdict(row) for row in wanted[-limit:]], as_json=as_json)


def _print_journal(rows: list[dict[str, object]], *, as_json: bool) -> None:
    if not as_json:
        console().print(timeline(rows))
        return
    for row in rows:
        typer.echo(json.dumps({key: row[key] for key in JOURNAL_KEYS}))
