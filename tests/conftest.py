"""What holds for every test."""

import os
import signal

import pytest
from hypothesis import settings

# A slow machine is no defect, and a failing example must be repeatable from the output alone.
settings.register_profile("surfaces", deadline=None, print_blob=True)
# What is built on one machine after another must not fail on one of them by chance.
settings.register_profile("ci", parent=settings.get_profile("surfaces"), derandomize=True)
settings.register_profile("thorough", parent=settings.get_profile("surfaces"), max_examples=2000)
settings.load_profile("ci" if os.environ.get("CI") else "surfaces")

# A shell has the programs that it starts in the background ignore Ctrl-C, and those that the tests
# start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that share a real homeserver last.

    What they share keeps an event loop with the real clock until the end, and anyio runs every
    later test in that one, whichever loop and clock it asked for.
    """
    items.sort(key=lambda item: item.path.parent.name == "synapse")
