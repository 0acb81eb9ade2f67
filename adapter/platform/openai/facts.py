"""What servers say about their models, each in a way of its own. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

import msgspec

_CONTEXT_FIELDS: Final = (
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
    "max_input_tokens",
)
_NUM_CTX: Final = re.compile(r"^num_ctx\s+(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as its server describes it. None is what the server does not say.

    `cuts_silently`: the server takes a longer conversation than its context, and drops a part.
    """

    name: str
    context_tokens: int | None = None
    takes_pictures: bool | None = None
    cuts_silently: bool = False

    def with_props(self, body: bytes) -> Self:
        """With what llama.cpp tells at `/props`."""
        match _decoded(body):
            case {"default_generation_settings": {"n_ctx": int(tokens)}, **more} if tokens > 0:
                vision = _at(more, "modalities", "vision")
                takes = vision if isinstance(vision, bool) else self.takes_pictures
                return replace(self, context_tokens=tokens, takes_pictures=takes)
            case _:
                return self

    def with_ollama(self, show: bytes, running: bytes) -> Self:
        """With what Ollama tells at `/api/show` of the model, and at `/api/ps` of all that run."""
        shown = _decoded(show)
        if not isinstance(shown, dict) or "model_info" not in shown:
            return self
        abilities = shown.get("capabilities")
        takes = "vision" in abilities if isinstance(abilities, list) else None
        context = _running_context(_decoded(running), self.name) or _configured_context(shown)
        return replace(self, context_tokens=context, takes_pictures=takes, cuts_silently=True)


def models_in(body: bytes) -> tuple[ModelFacts, ...]:
    """The models in an answer of `/models`, in its order; none if it is no list of models."""
    match _decoded(body):
        case {"data": list(entries)} | {"models": list(entries)}:
            return tuple(_models(entries))
        case list(entries):
            return tuple(_models(entries))
        case _:
            return ()


def _models(entries: list[object]) -> Iterator[ModelFacts]:
    for entry in entries:
        match entry:
            case {"id": str(name)} if name:
                yield ModelFacts(name, _context(entry), _takes_pictures(entry))
            case _:
                pass


def _context(entry: object) -> int | None:
    told = (_at(entry, "meta", "n_ctx"), *(_at(entry, field) for field in _CONTEXT_FIELDS))
    return next((it for it in told if isinstance(it, int) and it > 0), None)


def _takes_pictures(entry: object) -> bool | None:
    inputs = _at(entry, "architecture", "input_modalities")
    if isinstance(inputs, list):
        return "image" in inputs
    vision = _at(entry, "capabilities", "vision")
    return vision if isinstance(vision, bool) else None


def _running_context(running: object, name: str) -> int | None:
    entries = running.get("models") if isinstance(running, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        match entry:
            case {"context_length": int(tokens), **more} if tokens > 0:
                if name.removesuffix(":latest") == str(more.get("name")).removesuffix(":latest"):
                    return tokens
            case _:
                pass
    return None


def _configured_context(shown: Mapping[str, object]) -> int | None:
    """The context length that the model's own file sets."""
    found = _NUM_CTX.search(str(shown.get("parameters", "")))
    return int(found[1]) if found else None


def _at(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return None
