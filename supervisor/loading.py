"""Importing many modules, and reading many rooms, without garbage collection."""

import gc
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
