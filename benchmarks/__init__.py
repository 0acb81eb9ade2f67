"""Benchmarks: the bot and comparable programs, measured in one run on the same homeserver."""
