"""The variables of the environment and of `.env`, and the broken lines of such a file."""

import os
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

DOTENV: Final = Path(".env")
ENCODING: Final = "utf-8-sig"
"""UTF-8, with the mark that some editors put in front of the first line."""


def variables() -> dict[str, str]:
    """The variables of `.env` and of the environment, which wins.

    Raises OSError or UnicodeDecodeError if the file cannot be read.
    """
    in_file = dotenv_values(DOTENV, encoding=ENCODING)
    return {name: value or "" for name, value in in_file.items()} | dict(os.environ)


def names_present() -> set[str]:
    """The names of all variables; without those of a file that cannot be read."""
    try:
        return set(variables())
    except (OSError, UnicodeDecodeError):
        return set(os.environ)


def broken_lines(path: Path = DOTENV) -> tuple[str, ...]:
    """A sentence for each line of a file that is no assignment. It does not repeat the line.

    A name without a value stands for the variable of the environment, as in Docker's env files.
    """
    if not os.path.lexists(path):  # a link to nothing is not a missing file
        return ()
    with path.open(encoding=ENCODING) as stream:
        numbers = [line.original.line for line in parse_stream(stream) if _is_broken(line)]
    return tuple(
        f"{path}, line {number}: is not of the form NAME=value, or a quote is not closed: "
        "correct the line or remove it"
        for number in numbers
    )


def _is_broken(line: Binding) -> bool:
    return line.error or (
        line.key is not None and line.value is None and line.key not in os.environ
    )
