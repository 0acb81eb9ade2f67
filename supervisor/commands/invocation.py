"""Shared by all commands: the exit codes, the `--json` option and the logging."""

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

import structlog
import typer

from supervisor.logging import configure_logging
from supervisor.settings import LocalSettings, LogLevel, PlatformSettings, hints

PROGRAM: Final = "surfaces-bot"

_log = structlog.get_logger()


class ExitCode(IntEnum):
    """The exit codes of all commands, for shells and service managers."""

    OK = 0
    FAILED = 1
    """The command could not do its work now; a sentence on stderr says why."""
    USAGE = 2
    """The command was called with wrong arguments."""
    BUG = 70
    """An unexpected error; the log has its traceback."""
    LOCKED = 75
    """Another instance uses the same store folder."""
    REFUSED = 78
    """Settings or credentials are wrong: a restart does not help."""


AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configure(settings: LocalSettings, *, level: LogLevel = "WARNING") -> None:
    """Set up logging from the settings. `level` is the level where LOG_LEVEL is not set.

    Its default keeps log lines out of the output of a command that prints.
    """
    given = "log_level" in settings.model_fields_set
    chosen = settings.chosen_platform if isinstance(settings, PlatformSettings) else None
    configure_logging(
        log_format=settings.log_format,
        level=settings.log_level if given else level,
        secrets=settings.secrets,
    )
    for hint in hints(chosen.variables, chosen.prefix) if chosen else hints():
        _log.warning("setting_unknown", hint=hint)
