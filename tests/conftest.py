"""What holds for every test."""

import os

from hypothesis import settings

# A slow machine is no defect, and a failing example must be repeatable from the output alone.
settings.register_profile("surfaces", deadline=None, print_blob=True)
# What is built on one machine after another must not fail on one of them by chance.
settings.register_profile("ci", parent=settings.get_profile("surfaces"), derandomize=True)
settings.register_profile("thorough", parent=settings.get_profile("surfaces"), max_examples=2000)
settings.load_profile("ci" if os.environ.get("CI") else "surfaces")
