"""`log`: prints the journal of transitions and a diagnosis of the bot."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer
from rich.console import Console

from actors.runtime.table import Transition
from supervisor.commands.invocation import AsJson, configure
from supervisor.commands.status import leading
from supervisor.lock import running_since
from supervisor.settings import LocalSettings, load_local_settings
from supervisor.status.asking import asked
from supervisor.status.diagnosis import diagnosis
from supervisor.text.console import console
from supervisor.text.plain import harmless
from supervisor.text.timeline import Timeline

if TYPE_CHECKING:
    from adapter.sql.journal_rows import JournalRow
    from supervisor.app.databases import Place

_Show: TypeAlias = "Callable[[Sequence[JournalRow], int], None]"
"""Prints rows, oldest first. The number limits the lines: the newest ones are printed."""

_POLL_S: Final = 0.3
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _machine(name: str) -> str:
    if name != "lifecycle" and not name.startswith("room:!"):
        raise typer.BadParameter("use lifecycle or room:!id, with the room id after the colon")
    return name


def _since(text: str) -> datetime:
    if found := re.fullmatch(r"(\d{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_SPANS[found[2]]: int(found[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("use 30s, 10m, 2h, 3d, or a date like 2026-01-31T12:00") from None


def _limit(given: str | int) -> int:
    """The number of `--limit`, typed or default. Raises BadParameter for anything else."""
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", str(given)):
        raise typer.BadParameter("use a number greater than 0")
    return int(given)


def log(
    *,
    machine: Annotated[
        str | None,
        typer.Option(
            parser=_machine, metavar="NAME", help="Show only `lifecycle`, or only `room:!id`."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_since,
            metavar="WHEN",
            help="Show only changes since then: 30s, 10m, 2h, 3d, or a date.",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option(parser=_limit, metavar="N", help="Show only the newest N lines.")
    ] = 100,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Wait for new changes and print them, until Ctrl-C."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the journal: every change of state, oldest first, with its reason.

    The column `after` has the time spent in the previous state. Equal changes of several rooms
    share one line; --machine and --json show each change. The last lines are a diagnosis of the
    bot. If the bot is running, `log` asks it at STATUS_BIND for its next attempts. The journal
    can be read while the bot is running, and it survives a reset.

    \b
    Examples, the lifecycle in the last two hours, and all changes of one room:
      surfaces-bot log --machine lifecycle --since 2h
      surfaces-bot log --machine 'room:!abc:example.org'
    """
    settings = load_local_settings()
    configure(settings)
    is_wanted = partial(_is_wanted, machine=machine, since=since)
    with suppress(KeyboardInterrupt) if follow else nullcontext():
        _tell(settings, is_wanted, limit, follow=follow, as_json=as_json)


def _tell(
    settings: LocalSettings,
    is_wanted: Callable[[Transition], bool],
    limit: int,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    from supervisor.app.databases import read_journal

    whole = read_journal(settings.journal_path)
    wanted = [row for row in whole if is_wanted(row.transition)]
    show = _json_lines if as_json else _timeline(console())
    show(wanted, limit)
    if not as_json:
        if not wanted:
            console().print("No change matches; without --machine, all machines are shown.")
        _print_diagnosis([row.transition for row in whole], settings)
    last = whole[-1].seq if whole else 0
    for row in _new_rows(settings.journal_path, last) if follow else ():
        if is_wanted(row.transition):
            show([row], 1)


def _is_wanted(made: Transition, *, machine: str | None, since: datetime | None) -> bool:
    return (machine is None or made.machine == machine) and (
        since is None or datetime.fromisoformat(made.at) >= since
    )


def _json_lines(rows: Sequence["JournalRow"], limit: int) -> None:
    for row in rows[-limit:]:
        typer.echo(json.dumps(row.fields()))


def _timeline(out: Console) -> _Show:
    timeline = Timeline(out.width)
    out.print(timeline.heading())

    def show(rows: Sequence["JournalRow"], limit: int) -> None:
        for line in timeline.lines((row.transition for row in rows), limit):
            out.print(line)

    return show


def _print_diagnosis(whole: Sequence[Transition], settings: LocalSettings) -> None:
    started = running_since(settings.store_path)
    seen, _hint = asked(settings) if started else (None, "")
    epoch, _who = leading(settings.db_path)
    sentences = diagnosis(whole, datetime.now(UTC), started=started, seen=seen, epoch=epoch)
    if sentences is not None:
        out = console()
        out.print()
        for line in sentences.splitlines():
            out.print(harmless(line), style="bold")


def _new_rows(place: "Place", last: int) -> Iterator["JournalRow"]:
    """The rows after `last`, without end. A journal that was replaced is read from its start."""
    from adapter.sql.journal_rows import JournalMissing
    from supervisor.app.databases import read_journal

    while True:
        time.sleep(_POLL_S)
        with suppress(JournalMissing):  # the bot is replacing it: it exists again soon
            newest = read_journal(place, limit=1)
            if newest and newest[-1].seq < last:
                last = 0
            for row in read_journal(place, after_seq=last):
                yield row
                last = row.seq
