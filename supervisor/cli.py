"""The commands and their exit codes. What a command does lives elsewhere."""

import json
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated, Final, NoReturn

import anyio
import structlog
import typer

from actors.ports import CredentialsRefused, PortError
from supervisor.console import console, finding_line, harmless, report_tables, timeline
from supervisor.graph import mermaid
from supervisor.lock import InstanceLocked, instance_lock
from supervisor.logging import configure_logging
from supervisor.settings import (
    LocalSettings,
    LogLevel,
    Settings,
    SettingsRefused,
    hints,
    load_local_settings,
    load_settings,
)

# Commands import what they run when they run: `log` and `--help` answer without loading the
# Matrix client and everything behind it. In help texts \b keeps the lines that follow as they are.
# ruff: noqa: PLC0415, D301

PROGRAM: Final = "surfaces-bot"
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
_log = structlog.get_logger()


class ExitCode(IntEnum):
    """What a shell or a service manager learns of the end."""

    OK = 0
    FAILED = 1
    """The command could not do its work now; the sentence on stderr says why."""
    USAGE = 2
    BUG = 70
    LOCKED = 75
    REFUSED = 78


app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead, for programs.")]


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the value alone
    if wanted:
        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def program(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """A Matrix bot that gives each person a private Space of numbered chats.

    It is told where to work by environment variables, or by a file named .env in the working
    directory. MATRIX_HOMESERVER, MATRIX_USER_ID and MATRIX_PASSWORD are enough to begin with;
    the README lists them all.

    The first three commands to type:

    \b
      surfaces-bot demo    watch the whole story; needs no settings
      surfaces-bot check   see whether settings and homeserver are in order
      surfaces-bot run     start the bot
    """


@app.command(short_help="Run the bot.")
def run() -> None:
    """Run the bot, until SIGTERM or SIGINT.

    It logs in, reads every room it is in, brings its database in line with them, and then serves.
    A homeserver that is away is waited for. Files that are lost or damaged are rebuilt: starting
    again is always enough.

    \b
    Example, with the log as JSON lines:
      LOG_FORMAT=json surfaces-bot run
    """
    settings = load_settings()
    from supervisor.app import run_bot

    _configure(settings, level="INFO")
    with instance_lock(settings.store_path):
        code = anyio.run(run_bot, settings)
    raise typer.Exit(code)


@app.command(short_help="Say what is wrong with settings, files, homeserver, login.")
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

    _configure(settings)
    findings = anyio.run(look, settings)
    for line in findings:
        console().print(
            finding_line(ok=line.ok, what=line.what, advice=line.advice), soft_wrap=True
        )
    if any(line.refused for line in findings):
        raise typer.Exit(ExitCode.REFUSED)
    if not all(line.ok for line in findings):
        raise typer.Exit(ExitCode.FAILED)


@app.command(short_help="Watch the whole story on a throw-away homeserver.")
def demo(
    *,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Leave homeserver and bot running, and say how to log in."),
    ] = False,
) -> None:
    """Tell the whole story on a throw-away homeserver, in a few minutes.

    People invite the bot and chat; the bot is killed and all its files are deleted; it starts
    again, and everything is compared with before. Needs no settings and touches none of your
    files. Ends with 1 when anything differs.

    \b
    Example, to look around afterwards with any Matrix client:
      surfaces-bot demo --keep
    """
    from supervisor.demo.story import tell_story

    configure_logging(log_format="console", level="WARNING")
    raise typer.Exit(anyio.run(partial(tell_story, keep=keep)))


@app.command(short_help="Bring the database in line with the rooms, once.")
def reconcile(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing, anywhere; list what would change.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Bring the database in line with the rooms on the homeserver once, and print the report.

    The bot does this itself whenever it starts; the command is for looking. Without --dry-run the
    bot must be stopped.

    \b
    Example, safe while the bot is running:
      surfaces-bot reconcile --dry-run
    """
    settings = load_settings()
    from supervisor.app import reconcile_once

    _configure(settings)
    with nullcontext() if dry_run else instance_lock(settings.store_path):
        report = anyio.run(partial(reconcile_once, settings, dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps(report))
        return
    for table in report_tables(report):
        console().print(table)


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


@app.command(short_help="Show every change of state, with its reason.")
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
    as_json: _Json = False,
) -> None:
    """Show the journal: every change of state, oldest first, with its reason.

    It may be read while the bot is running. `after` is the time spent in the state before.

    \b
    Example, what happened to the bot in the last two hours:
      surfaces-bot log --machine lifecycle --since 2h
    """
    settings = load_local_settings()
    from adapter.sqlite.journal import read_journal

    _configure(settings)
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


@app.command(short_help="Print the state machines as Mermaid diagrams.")
def graph() -> None:
    """Print the state machines of the bot and of a room as Mermaid diagrams, in Markdown.

    They are drawn from the tables that the bot runs on.

    \b
    Example:
      surfaces-bot graph > states.md
    """
    from actors import room_lifecycle
    from supervisor import lifecycle

    bot = mermaid(lifecycle.TABLE, lifecycle.State.LOGIN, "The bot")
    room = mermaid(room_lifecycle.TABLE, room_lifecycle.RoomState.UNCHECKED, "A room")
    for diagram in (bot, room):
        typer.echo(f"```mermaid\n{diagram}\n```\n")


def _configure(settings: LocalSettings, *, level: LogLevel = "WARNING") -> None:
    """Log as the settings say; without LOG_LEVEL a command that prints keeps quiet."""
    given = "log_level" in settings.model_fields_set
    configure_logging(
        log_format=settings.log_format,
        level=settings.log_level if given else level,
        secrets=settings.secrets if isinstance(settings, Settings) else (),
    )
    for hint in hints():
        _log.warning("setting_unknown", hint=hint)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with the code that the contract gives it."""
    # What a terminal cannot show must not end a command: a name in a script it has no signs for.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments, prog_name=PROGRAM)
    except Exception as error:  # noqa: BLE001 - the last place where anything can be said
        sys.exit(_explain(error))
    sys.exit(ExitCode.OK)


def _explain(error: Exception) -> ExitCode:
    match _cause(error):
        case SettingsRefused() as refused:
            _say(*refused.lines)
            return ExitCode.REFUSED
        case CredentialsRefused() as refused:
            _say(str(refused))
            return ExitCode.REFUSED
        case InstanceLocked() as locked:
            _say(str(locked))
            return ExitCode.LOCKED
        case PortError() as failed:
            _say(str(failed) or type(failed).__name__)
            return ExitCode.FAILED
        case bug:
            return _confess(bug)


def _cause(error: Exception) -> Exception:
    """What went wrong: a task group wraps even a single failure."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _confess(bug: Exception) -> ExitCode:
    if not structlog.is_configured():
        configure_logging()
    _log.critical("bug", exc_info=bug)
    _say(f"this is a bug in {PROGRAM} ({type(bug).__name__}): the log has the traceback, report it")
    return ExitCode.BUG


def _say(*sentences: str) -> None:
    for sentence in sentences:
        typer.echo(f"{PROGRAM}: {harmless(sentence)}", err=True)
