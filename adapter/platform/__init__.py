"""The chat platforms that answer messages.

- `discreet`, `unsaid`: wrap any platform, so that its errors have neither secrets nor messages.
- `echo`: repeats each message; the default.
- `openai`: servers that speak OpenAI's Chat Completions API.
- `http`: the session with which `openai` and `webhook` send their requests.
- `simple`: the helper for platforms with a single method.
- `webhook`: asks a receiver that other people write.
- `contract`: the tests that every platform passes; plugins import it.
"""
