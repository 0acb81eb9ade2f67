"""Loading many modules at once."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage meanwhile, and never again in what was there by the end of it.

    Modules stay for as long as the process; walking through them takes a tenth of a start, and a
    pause of a tenth of a second now and then later on.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
