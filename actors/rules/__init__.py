"""Decisions: pure functions over values, without I/O, time or randomness of their own."""
