"""What every command shares: its exit codes, its options, its logging."""

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

import structlog
import typer

from supervisor.logging import configure_logging
from supervisor.settings import LocalSettings, LogLevel, Settings, hints

PROGRAM: Final = "surfaces-bot"

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


AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON instead, for programs.")
]


def configure(settings: LocalSettings, *, level: LogLevel = "WARNING") -> None:
    """Log as the settings say; without LOG_LEVEL a command that prints keeps quiet."""
    given = "log_level" in settings.model_fields_set
    configure_logging(
        log_format=settings.log_format,
        level=settings.log_level if given else level,
        secrets=settings.secrets if isinstance(settings, Settings) else (),
    )
    for hint in hints():
        _log.warning("setting_unknown", hint=hint)
