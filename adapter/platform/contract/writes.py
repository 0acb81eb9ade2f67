"""The files that a process writes while a test looks."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final


class _Writes:
    """The files that this process opens for writing, byte code and devices left out."""

    def __init__(self) -> None:
        self._watched: list[Path] | None = None
        self._is_hooked = False

    @contextmanager
    def watched(self) -> Iterator[list[Path]]:
        """The paths that are written in the block."""
        if not self._is_hooked:
            sys.addaudithook(self._audited)  # it can't be taken out again
            self._is_hooked = True
        paths: list[Path] = []
        self._watched = paths
        try:
            yield paths
        finally:
            self._watched = None

    def _audited(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._watched is None or event not in _WRITING:
            return
        name = arguments[0]
        if not isinstance(name, str | bytes) or (event == "open" and _reads(arguments)):
            return
        path = Path(os.fsdecode(name)).absolute()
        if "__pycache__" not in path.parts and path.parts[1:2] not in {("dev",), ("proc",)}:
            self._watched.append(path)


_WRITING: Final = frozenset({"open", "sqlite3.connect", "os.mkdir", "os.rename"})
WRITES: Final = _Writes()
"""What this process writes."""


def _reads(arguments: tuple[object, ...]) -> bool:
    """Whether a file is opened for reading alone: by its mode, else by its flags."""
    _, mode, flags = arguments
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
