"""Records what a program prints to a terminal."""

import fcntl
import os
import struct
import subprocess
import termios
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator, Sequence
from typing import Final

from pictures.cast import Cast, Output

_ENVIRONMENT: Final = {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
_NOT_PASSED_ON: Final = ("COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
_PIECE: Final = 65_536


class ProgramFailed(Exception):
    """The recorded program ended with another code than 0. The text has what it printed."""


def recorded(command: Sequence[str], *, columns: int, rows: int) -> Cast:
    """Run a program in a terminal of this size until it ends. Raises ProgramFailed."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    began = time.monotonic()
    program = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=kept | _ENVIRONMENT
    )
    os.close(theirs)
    outputs = tuple(Output(time.monotonic() - began, text) for text in _read(ours))
    if program.wait() != 0:
        raise ProgramFailed("".join(output.text for output in outputs))
    return Cast(columns, rows, outputs)


def _read(terminal: int) -> Iterator[str]:
    """Each piece that is printed, until the last program has closed the terminal."""
    decoder = getincrementaldecoder("utf-8")()
    with open(terminal, "rb", buffering=0) as output:
        while True:
            try:
                piece = output.read(_PIECE)
            except OSError:  # Linux's way to say that the other end is closed
                return
            if not piece:
                return
            yield decoder.decode(piece)
