"""What is known of a server and its models, and what follows for the core. No I/O."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from actors.platform import DEFAULT_CONTEXT_TOKENS, Capabilities
from adapter.platform.openai.discovery import Discovered
from adapter.platform.openai.facts import ModelFacts
from adapter.platform.openai.messages import PDF
from adapter.platform.openai.settings import OpenAISettings

_OLLAMA_CONTEXT: Final = 4_096
"""What Ollama gives a model on a small machine, unless it is told otherwise."""
_LONGEST_RESERVE: Final = 4_096
_RESERVED_PART: Final = 4
_ASCII_CHARS: Final = 4
_OTHER_CHARS: Final = 2
_BLIND: Final = 1_000


class Knowledge:
    """Gathers what the settings, the server and its refusals say."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._notes: tuple[str, ...] = ()
        self._blind: set[str] = set()
        self._limit: int | None = None
        self.discovered: Discovered | None = None
        self.capabilities = Capabilities(streams=True)
        self._renew()

    @property
    def default(self) -> ModelFacts:
        """The model of chats that choose none, as far as it is known."""
        return self.discovered.default if self.discovered else ModelFacts(self._settings.model)

    @property
    def context_is_known(self) -> bool:
        """Whether the server or a setting tells the context length."""
        return self._said() is not None

    @property
    def context_tokens(self) -> int:
        """The context length of the default model, answer included."""
        assumed = _OLLAMA_CONTEXT if self.default.cuts_silently else DEFAULT_CONTEXT_TOKENS
        known = [it for it in (self._said(), self._limit) if it is not None]
        return min(known) if known else assumed

    def take(self, discovered: Discovered) -> None:
        """Take in what the server says of itself."""
        self.discovered = discovered
        self._limit = None
        self._renew()

    def note(self, *notes: str) -> None:
        """Replace the sentences for the operator."""
        self._notes = notes
        self._renew()

    def is_limited_to(self, tokens: int) -> None:
        """Remember that the context is no longer than this."""
        if tokens < self.context_tokens:
            self._limit = tokens
            self._renew()

    def is_blind(self, model: str) -> None:
        """Remember that a model takes no pictures."""
        if len(self._blind) < _BLIND:
            self._blind.add(model)
        self._renew()

    def accepts(self, model: str) -> tuple[str, ...]:
        """The MIME types that a model takes."""
        settings = self._settings
        taken = (
            ("image/*", self._sees(model)),
            ("audio/*", bool(settings.transcription_model)),
            (PDF, settings.pdfs),
        )
        return tuple(pattern for pattern, is_taken in taken if is_taken)

    def room(self, tokens: int) -> int:
        """The room for a conversation in a context of so many tokens."""
        answer = self._settings.max_tokens or min(tokens // _RESERVED_PART, _LONGEST_RESERVE)
        left = tokens - answer - _estimated(self._settings.system_prompt)
        return max(left, tokens // _RESERVED_PART)

    def _sees(self, model: str) -> bool:
        if self._settings.vision != "auto":
            return self._settings.vision == "yes"
        facts = self.discovered.model(model) if self.discovered else ModelFacts(model)
        return facts.takes_pictures is not False and model not in self._blind

    def _said(self) -> int | None:
        """The context length that the settings and the server name; of two, the shorter one."""
        said = (self._settings.context_tokens, self.default.context_tokens)
        return min((it for it in said if it is not None), default=None)

    def _renew(self) -> None:
        self.capabilities = replace(
            self.capabilities,
            context_tokens=self.room(self.context_tokens),
            accepts=self.accepts(self.default.name),
            models=self.discovered.names if self.discovered else (),
            notes=(*self._notes_on_context(), *self._notes),
        )

    def _notes_on_context(self) -> tuple[str, ...]:
        set_to, said = self._settings.context_tokens, self.default.context_tokens
        model = self.default.name
        if set_to is not None and said is not None and said < set_to:
            host = urlsplit(self._settings.base_url).netloc
            sentence = f"OPENAI_CONTEXT_TOKENS is {set_to}, and {host} gives {model} {said} tokens"
            return (f"{sentence}: the bot uses {said}",)
        if self.discovered and not self.context_is_known:
            sentence = f"the context length of {model} is not known: the bot uses "
            return (f"{sentence}{self.context_tokens} tokens; OPENAI_CONTEXT_TOKENS sets it",)
        return ()


def _estimated(text: str) -> int:
    """About how many tokens a text has."""
    plain = sum(map(str.isascii, text))
    return plain // _ASCII_CHARS + (len(text) - plain) // _OTHER_CHARS
