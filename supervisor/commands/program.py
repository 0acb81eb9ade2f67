"""The list of commands, and the exit code for each error that can end one."""

# In help texts \b keeps the line breaks of the paragraph that follows.
# ruff: noqa: D301

import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from io import TextIOWrapper
from typing import Annotated, Final, NoReturn

import structlog
import typer

from actors.port_errors import (
    CredentialsRefused,
    HomeserverUnavailable,
    PortError,
    RefusedForNow,
    StoreRefused,
)
from supervisor.commands.accounts import choose
from supervisor.commands.check import check
from supervisor.commands.demo import demo
from supervisor.commands.graph import graph
from supervisor.commands.inbox import inbox
from supervisor.commands.invocation import PROGRAM, ExitCode
from supervisor.commands.log import log
from supervisor.commands.reconcile import reconcile
from supervisor.commands.reset import reset
from supervisor.commands.run import run
from supervisor.commands.status import status
from supervisor.commands.worker import worker
from supervisor.lock import RunningElsewhere
from supervisor.logging import configure_logging
from supervisor.settings import SettingsRefused
from supervisor.text.console import harmless

_OWN_PACKAGES: Final = frozenset({"actors", "adapter", "demo", "supervisor"})

_log = structlog.get_logger()

app = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the value alone
    if wanted:
        typer.echo(f"{PROGRAM} {version(PROGRAM)}")
        raise typer.Exit


@app.callback()
def program(
    *,
    account: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The account of MATRIX_ACCOUNTS to work on."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """A Matrix bot that gives each person a private Space of numbered chats.

    Settings are environment variables, or lines of a file named .env in the working directory.
    MATRIX_HOMESERVER, MATRIX_USER_ID and MATRIX_PASSWORD are required, and BOT_PLATFORM chooses
    what answers people; docs/configuration.md lists all settings.

    The first three commands to try:

    \b
      surfaces-bot demo    watch a full loss and recovery (source tree only)
      surfaces-bot check   check settings, files, homeserver and login
      surfaces-bot run     start the bot
    """
    if account is not None:
        choose(account)


app.command(short_help="Run the bot.")(run)
app.command(short_help="Check settings, files, homeserver and login.")(check)
app.command(short_help="Show what the running bot is doing.")(status)
app.command(short_help="Show every change of state, with its reason.")(log)
app.command(short_help="Show waiting and dead messages.")(inbox)
app.command(short_help="Update the database from the rooms, once.")(reconcile)
app.command(short_help="Remove the bot's files and, on request, leave its rooms.")(reset)
app.command(short_help="Make platform calls for a bot on PostgreSQL.")(worker)
app.command(short_help="Print the state machines as Mermaid diagrams.")(graph)
app.command(short_help="Watch a full loss and recovery on a temporary homeserver.")(demo)


def carry_out(arguments: Sequence[str] | None) -> NoReturn:
    """Run one command and end the process with its exit code."""
    # A terminal may lack the characters of a name: they are escaped, and the command goes on.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(arguments, prog_name=PROGRAM)
    except Exception as error:  # noqa: BLE001 - no caller is left to handle it
        sys.exit(_explain(error))
    sys.exit(ExitCode.OK)


def _explain(error: Exception) -> ExitCode:
    match _cause(error):
        case SettingsRefused() as refused:
            _say(*refused.lines)
            return ExitCode.REFUSED
        case (CredentialsRefused() | StoreRefused()) as refused:
            _say(str(refused))
            return ExitCode.REFUSED
        case RunningElsewhere() as locked:
            _say(str(locked))
            return ExitCode.LOCKED
        case RefusedForNow() as refused:
            _say(f"not now: {refused}")
            return ExitCode.FAILED
        case HomeserverUnavailable() as away:
            _say(f"the homeserver is unavailable ({away}): `{PROGRAM} check` shows details")
            return ExitCode.FAILED
        case ImportError() as missing if not _is_own(missing):
            _say(_about_packages(missing))
            return ExitCode.REFUSED
        case PortError() as failed:
            _say(str(failed) or type(failed).__name__)
            return ExitCode.FAILED
        case bug:
            return _report_bug(bug)


def _cause(error: Exception) -> Exception:
    """The error itself: a task group wraps even a single error in a group."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _is_own(missing: ImportError) -> bool:
    """Whether a module of the program itself is missing, which is a bug."""
    return missing.name is None or missing.name.partition(".")[0] in _OWN_PACKAGES


def _about_packages(missing: ImportError) -> str:
    """What to do about Python packages that don't fit together."""
    if find_spec("vodozemac") is not None:
        return (
            f"the package vodozemac is installed without matrix-nio's extra e2e ({missing}): "
            f"uninstall vodozemac, which {PROGRAM} does not use, or install matrix-nio[e2e]"
        )
    return (
        f"a Python package that {PROGRAM} needs can't be loaded ({missing}): "
        f"install {PROGRAM} again with all its dependencies, in an environment of its own"
    )


def _report_bug(bug: Exception) -> ExitCode:
    if not structlog.is_configured():
        configure_logging()
    _log.critical("bug", exc_info=bug)
    _say(
        f"this is a bug in {PROGRAM} ({type(bug).__name__}): "
        "please report it with the traceback from the log"
    )
    return ExitCode.BUG


def _say(*sentences: str) -> None:
    """Print what is wrong, and with which account if the command was about one of many."""
    account = structlog.contextvars.get_contextvars().get("account")
    about = f"{PROGRAM}: {account}" if account else PROGRAM
    for sentence in sentences:
        typer.echo(f"{about}: {harmless(sentence)}", err=True)
