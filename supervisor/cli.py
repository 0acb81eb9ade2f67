"""Where the shell comes in: the commands are in `program`, and are loaded here."""

from collections.abc import Sequence
from typing import NoReturn

from supervisor.loading import loading


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and end the process with the code that the contract gives it."""
    with loading():
        from supervisor.commands.program import carry_out  # noqa: PLC0415 - loading it is the point

    carry_out(arguments)
