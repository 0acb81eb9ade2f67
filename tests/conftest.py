"""What holds for every test."""

from hypothesis import settings

# A slow machine is no defect, and a failing example must be repeatable from the output alone.
settings.register_profile("surfaces", deadline=None, print_blob=True)
settings.load_profile("surfaces")
