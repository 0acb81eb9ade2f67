"""Shared by most commands: the `--json` option and the logging."""

from typing import Annotated, TypeAlias

import structlog
import typer

from supervisor.logging import configure_logging
from supervisor.settings import LocalSettings, LogLevel, PlatformSettings, hints

_log = structlog.get_logger()


AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def configure(settings: LocalSettings, *, level: LogLevel = "WARNING") -> None:
    """Set up logging from the settings. `level` is the level where LOG_LEVEL is not set.

    Its default keeps log lines out of the output of a command that prints.
    """
    given = "log_level" in settings.given
    chosen = settings.chosen_platform if isinstance(settings, PlatformSettings) else None
    configure_logging(
        log_format=settings.log_format,
        level=settings.log_level if given else level,
        secrets=settings.secrets,
    )
    for hint in hints(chosen.variables, chosen.prefix) if chosen else hints():
        _log.warning("setting_unknown", hint=hint)
