"""The chat platforms that answer messages.

- `echo`: repeats each message; the default.
"""
