"""The chat platforms that answer messages.

- `echo`: repeats each message; the default.
- `guarded`: wraps any platform, so that only a text or PlatformFailed comes out.
"""
