"""The chat platforms that answer messages.

- `discreet`: wraps any platform, so that no secret is in its errors and notes.
- `echo`: repeats each message; the default.
- `guarded`: wraps any platform, so that only a text or PlatformFailed comes out.
- `simple`: the helper for platforms with a single method.
- `webhook`: asks a receiver that other people write.
- `contract`: the tests that every platform passes; plugins import it.
"""
