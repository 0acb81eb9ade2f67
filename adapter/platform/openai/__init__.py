"""The platform `openai`: servers that speak OpenAI's Chat Completions API.

OpenAI itself, vLLM, Ollama, llama.cpp, LiteLLM and others agree on the outline of the API and
differ in its details. This package takes all of them.

- `settings`: the variables `OPENAI_*`.
- `messages`: an ask as messages of the API.
- `body`: the body of a request, without the fields that a model refuses.
- `chunks`, `thoughts`, `reading`: from bytes of a stream to the parts of an answer.
- `problems`, `overflow`, `waits`, `errors`: what a refusal means.
- `connection`: requests over HTTP.
- `facts`, `discovery`: the models of a server and their context lengths.
- `transcripts`: voice messages as text.
- `platform`, `checking`: the platform itself, and what `check` asks.
"""
