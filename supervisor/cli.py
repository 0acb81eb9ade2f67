"""The entry point of `surfaces-bot`. It loads the commands from `commands.program`."""

from collections.abc import Sequence
from typing import NoReturn

from supervisor.loading import loading


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command, and end the process with its exit code."""
    with loading():
        from supervisor.commands.program import carry_out  # noqa: PLC0415 - loaded inside `loading`

    carry_out(arguments)
