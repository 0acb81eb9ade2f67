"""`status`: shows what the running bot is doing."""

# ruff: noqa: PLC0415, D301 - see commands/run.py

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from actors.bounds import Bounds
from actors.port_errors import StoreRefused, StoreUnavailable
from supervisor.commands.accounts import in_turn
from supervisor.commands.exits import ExitCode
from supervisor.commands.invocation import AsJson, configure
from supervisor.database_urls import DatabaseUrl
from supervisor.lifecycle import MACHINE
from supervisor.lock import holder, running_since, silence_s
from supervisor.settings import LocalSettings, load_local_settings
from supervisor.status.asking import asked, url_of
from supervisor.status.diagnosis import boots_in, diagnosis
from supervisor.text.plain import harmless

if TYPE_CHECKING:
    from adapter.sql.journal_rows import JournalRow
    from supervisor.status.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of `status --json`.

    `snapshot` comes from the running bot, at the URL `page`; both are None if it does not answer.
    `last_transition` is the newest row of the lifecycle in the journal, on PostgreSQL of the
    process that leads, if one does.
    """

    running: bool
    page: str | None
    snapshot: "Snapshot | None"
    last_transition: dict[str, object] | None


def status(
    *,
    as_json: AsJson = False,
    healthy: Annotated[
        bool,
        typer.Option("--healthy", help="End with 1 unless the bot runs and is not stuck."),
    ] = False,
) -> None:
    """Show the bot's state and its reason, its rooms, waiting messages, and problems.

    The command asks the running bot at STATUS_BIND. If the bot does not answer, the command says
    whether a bot is running and prints a diagnosis from the journal. The exit code is 0 either
    way.

    --healthy is for the health check of a container. It needs no status page. The exit code is 1
    unless a bot runs on MATRIX_STORE_PATH and is not stuck. A bot that waits for its homeserver is
    healthy, because a restart would not help.

    \b
    Example, for a program:
      surfaces-bot status --json
    """
    in_turn(headed=not as_json)
    settings = load_local_settings()
    configure(settings)
    if healthy:
        _tell_health(settings)
        return
    snapshot, hint = asked(settings)
    if as_json:
        typer.echo(msgspec.json.encode(_answer(settings, snapshot)))
        return
    lines = _from_page(settings, snapshot) if snapshot else _from_files(settings, hint)
    _print([harmless(line) for line in lines])


def _print(lines: Sequence[str]) -> None:
    """Print the lines. A terminal shows the first one bold, and breaks lines between words."""
    if not sys.stdout.isatty():
        typer.echo("\n".join(lines))
        return
    from supervisor.text.console import console

    out = console()
    for number, line in enumerate(lines):
        out.print(line, style="bold" if number == 0 else None)


def _answer(settings: LocalSettings, snapshot: "Snapshot | None") -> Answer:
    running = snapshot is not None or running_since(settings.store_path) is not None
    bind = settings.status_bind
    page = url_of(bind) if snapshot and bind else None
    last = newest_row(_journal(settings, MACHINE), settings.db_path)
    return Answer(running, page, snapshot, None if last is None else last.fields())


def newest_row(rows: Sequence["JournalRow"], place: Path | DatabaseUrl) -> "JournalRow | None":
    """The newest row of the lifecycle: of the process that leads, or of any if none does.

    Raises StoreRefused, SettingsRefused. Blocks.
    """
    found = [row for row in rows if row.transition.machine == MACHINE]
    epoch, _ = leading(place)
    if epoch is not None:
        boots = boots_in((row.transition for row in found), epoch)
        found = [row for row in found if row.transition.boot in boots]
    return found[-1] if found else None


def _from_page(settings: LocalSettings, snapshot: "Snapshot") -> list[str]:
    from supervisor.status.summary import summary

    bind = settings.status_bind
    page = url_of(bind) if bind else ""
    lines = list(summary(snapshot, page, datetime.now(UTC)))
    if running_since(settings.store_path) is None:
        lines += ["", f"This bot uses another store folder than {settings.store_path}."]
    return lines


def _tell_health(settings: LocalSettings) -> None:
    """Print one line. Exits the command with FAILED if no bot runs, or if it is stuck."""
    silence, limit_s = silence_s(settings.store_path, time()), Bounds().silent_s
    if silence is None:
        line = f"no bot is running on {settings.store_path}"
    elif silence > limit_s:
        line = f"the bot on {settings.store_path} has been stuck for {silence:.0f} s"
    else:
        line = f"a bot is running on {settings.store_path}"
    typer.echo(harmless(line))
    if silence is None or silence > limit_s:
        raise typer.Exit(ExitCode.FAILED)


def _from_files(settings: LocalSettings, hint: str) -> list[str]:
    from adapter.matrix.file_names import CHECKLIST_NAME

    started = running_since(settings.store_path)
    if started is None:
        lines = [f"no bot is running on {settings.store_path}"]
        if (settings.store_path / CHECKLIST_NAME).exists():
            lines.append("a reset was interrupted: run the same `reset` command again to finish it")
    else:
        pid = holder(settings.store_path)
        process = f" (process {pid})" if pid else ""
        lines = [f"a bot is running on {settings.store_path}{process}, but {hint}"]
    epoch, who = leading(settings.db_path)
    lines += [who] if who else []
    transitions = [row.transition for row in _journal(settings)]
    found = diagnosis(transitions, datetime.now(UTC), started=started, epoch=epoch)
    return [*lines, *(found.splitlines() if found else ["The journal has no readable row."])]


def leading(place: Path | DatabaseUrl) -> tuple[int | None, str]:
    """The epoch in which a process leads, if it is known, and a sentence about that process.

    (None, "") for a bot on files. Raises StoreRefused, SettingsRefused. Blocks.
    """
    if isinstance(place, Path):
        return None, ""
    import anyio

    from supervisor.app.leading import leader_of

    try:
        lease = anyio.run(leader_of, place)
    except StoreRefused:
        raise
    except StoreUnavailable as error:
        return None, f"which process leads is not known: {error}"
    return (lease.epoch, f"{lease.holder} leads") if lease else (None, "no process leads")


def _journal(settings: LocalSettings, machine: str | None = None) -> list["JournalRow"]:
    """The journal, of one machine or all; empty, with a line that says why, if it can't be read."""
    from actors.port_errors import StoreCorrupt
    from adapter.sql.journal_rows import JournalMissing
    from supervisor.app.databases import read_journal

    try:
        return read_journal(settings.journal_path, machine=machine)
    except JournalMissing:
        return []
    except StoreRefused:
        raise
    except (StoreCorrupt, StoreUnavailable) as error:
        typer.echo(f"surfaces-bot: {harmless(str(error))}", err=True)
        return []
