"""What `check` asks: the server, the key, the model, and whether all that is sent is used."""

import asyncio
import secrets
from contextlib import aclosing
from typing import Final
from urllib.parse import urlsplit

from actors.platform import Usage
from actors.port_errors import PlatformFailed, PortError
from adapter.platform.openai.body import Wish
from adapter.platform.openai.completions import Completions
from adapter.platform.openai.errors import Asked
from adapter.platform.openai.knowledge import Knowledge
from adapter.platform.openai.settings import OPENAI

_QUESTION: Final = "Answer with the word OK and nothing else."
_ENOUGH: Final = 16
"""An answer that goes on for so many parts has shown that it works."""
_WITHIN_S: Final = 120.0
_LONG_WITHIN_S: Final = 10.0
"""A slow server may need minutes for a long question. It is then left unknown what it drops."""
_LONG_WORDS: Final = 5_000
_LONG_PART: Final = 0.75
_USED_PART: Final = 0.7


class Checkup:
    """Asks small questions, and notes what an operator should know."""

    def __init__(self, completions: Completions, knowledge: Knowledge) -> None:
        self._completions = completions
        self._knowledge = knowledge
        self._cut: str | None = None

    async def ask(self, model: str, temperature: float | None, asked: Asked) -> None:
        """Ask one question of a model. Raises what is wrong, and notes the rest."""
        author, _ = await self._tried(Wish(model, [_said(_QUESTION)], temperature), asked)
        if self._cut is None:
            self._cut = await self._what_is_cut(model, asked)
        refused = (name for refusing, name in self._completions.bodies.refused if refusing == model)
        notes = (
            self._about_author(model, author, asked),
            self._cut,
            *(f"{model} refuses {name}: requests leave it out" for name in refused),
        )
        self._knowledge.note(*filter(None, notes))

    def _about_author(self, model: str, author: str, asked: Asked) -> str:
        discovered = self._knowledge.discovered
        if discovered is None or discovered.lists_default:
            return ""
        answers = f"answers as {author}" if author and author != model else "answers all the same"
        return f"{asked.url} lists no model {model!r}, and {answers}: correct OPENAI_MODEL"

    async def _what_is_cut(self, model: str, asked: Asked) -> str:
        """What to say if the server drops a part of long conversations; empty if it does not.

        Servers that name their context length refuse a conversation that is longer.
        """
        knowledge = self._knowledge
        is_honest = urlsplit(asked.url).hostname == OPENAI
        if is_honest or (knowledge.default.context_tokens and not knowledge.default.cuts_silently):
            return ""
        words = min(int(knowledge.context_tokens * _LONG_PART), _LONG_WORDS)
        text = f"{secrets.token_hex(8)} {'one two three ' * (words // 3)} {_QUESTION}"
        try:
            async with asyncio.timeout(_LONG_WITHIN_S):
                _, usage = await self._tried(Wish(model, [_said(text)], max_tokens=16), asked)
        except (PortError, TimeoutError):
            return ""
        if usage is None or usage.prompt_tokens >= words * _USED_PART:
            return ""
        knowledge.is_limited_to(usage.prompt_tokens)
        return (
            f"{asked.url} used {usage.prompt_tokens} of about {words} tokens that were sent: it "
            "drops a part of long conversations. Raise its context length (for Ollama, num_ctx)"
        )

    async def _tried(self, wish: Wish, asked: Asked) -> tuple[str, Usage | None]:
        """The author of an answer, and its tokens. The answer itself does not matter."""
        reader = self._completions.reader(asked)
        usage: Usage | None = None
        parts = 0
        try:
            async with (
                asyncio.timeout(_WITHIN_S),
                aclosing(self._completions.answer(wish, asked, reader)) as answer,
            ):
                async for delta in answer:
                    usage = delta if isinstance(delta, Usage) else usage
                    parts += 1
                    if parts >= _ENOUGH and wish.max_tokens is None:
                        break
        except TimeoutError:
            raise PlatformFailed(
                f"{asked.url} does not answer a short question within {_WITHIN_S:g} s"
            ) from None
        return reader.model, usage


def _said(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}
