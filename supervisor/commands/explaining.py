"""What a command prints about an error that has ended it, and the exit code."""

from importlib.util import find_spec
from typing import Final

import structlog
import typer

from actors.port_errors import (
    CredentialsRefused,
    HomeserverUnavailable,
    PortError,
    RefusedForNow,
    StoreRefused,
)
from supervisor.commands.exits import PROGRAM, ExitCode
from supervisor.lock import RunningElsewhere
from supervisor.logging import configure_logging
from supervisor.settings import SettingsRefused
from supervisor.text.plain import harmless

_OWN_PACKAGES: Final = frozenset({"actors", "adapter", "demo", "supervisor"})

_log = structlog.get_logger()


def explain(error: Exception) -> ExitCode:
    """Print what is wrong, and return the exit code."""
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
