"""The name of the program, and the exit codes of all commands."""

from enum import IntEnum
from typing import Final

PROGRAM: Final = "surfaces-bot"


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
