"""The chat platforms that answer messages.

- `echo`: repeats each message; the default.
- `openai`: servers that speak OpenAI's Chat Completions API.
- `guarded`: wraps any platform, so that only a text or PlatformFailed comes out.
"""
