"""Importing many modules, without what libraries merely find, and making very many objects."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Disable garbage collection in the block; objects that exist at its end are never collected.

    Modules live as long as the process. Walking through them would take a tenth of the start, and
    later cause pauses of a tenth of a second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def filling() -> Iterator[None]:
    """Disable garbage collection in the block, which makes very many objects that stay.

    Walking through them again and again, while they become more, would take a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let the import of these packages fail in the block, as if they were not installed.

    None in `sys.modules` is Python's own way to do so. A package that was imported before the block
    stays, and any import after the block finds the package.
    """
    absent = [package for package in packages if package not in sys.modules]
    for package in absent:
        sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for package in absent:
            del sys.modules[package]
