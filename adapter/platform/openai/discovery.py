"""Finds out which models a server has, and how long their contexts are."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from actors.port_errors import PlatformMisconfigured
from adapter.platform.openai.api import Api
from adapter.platform.openai.errors import Asked, web_page
from adapter.platform.openai.facts import ModelFacts, models_in
from adapter.platform.openai.settings import OPENAI

_NAMED: Final = 8
_UNLISTED: Final = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a server says of itself. `default` is the model of chats that choose none."""

    default: ModelFacts
    models: tuple[ModelFacts, ...] = field(default=())

    def model(self, name: str) -> ModelFacts:
        """What is known of a model."""
        known = (self.default, *self.models)
        return next((it for it in known if it.name == name), ModelFacts(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The models to choose from, the default one first."""
        listed = (it.name for it in self.models)
        return tuple(dict.fromkeys((self.default.name, *listed))) if self.models else ()

    @property
    def lists_default(self) -> bool:
        """Whether the default model is in the server's list, or there is no list."""
        return not self.models or any(it.name == self.default.name for it in self.models)


async def discover(api: Api, asked: Asked, model: str) -> Discovered:
    """Ask the server for its models. Raises the errors of the port.

    `model` is the default one; if it is empty, the server's only model is.
    """
    models = await _listed(api, asked)
    default = _default(models, asked, model)
    if default.context_tokens is None and urlsplit(asked.url).hostname != OPENAI:
        default = await _ask_in_its_own_way(api, asked, default)
    return Discovered(default, models)


async def _listed(api: Api, asked: Asked) -> tuple[ModelFacts, ...]:
    """The models; none if the server does not list them."""
    async with api.ask("GET", "/models", asked) as answered:
        if answered.response.status in _UNLISTED:
            return ()
        if answered.refusal is not None:
            raise api.error(answered, asked)
        body = await answered.body()
    if body.lstrip()[:1] == b"<":
        raise web_page(asked)
    return models_in(body)


def _default(models: tuple[ModelFacts, ...], asked: Asked, model: str) -> ModelFacts:
    if model:
        return next((it for it in models if it.name == model), ModelFacts(model))
    if len(models) == 1:
        return models[0]
    if not models:
        raise PlatformMisconfigured(
            f"OPENAI_MODEL is not set, and {asked.url} lists no models: set it to a model's name, "
            "or correct OPENAI_BASE_URL"
        )
    names = ", ".join(it.name for it in models[:_NAMED])
    more = ", …" if len(models) > _NAMED else ""
    raise PlatformMisconfigured(
        f"OPENAI_MODEL is not set, and {asked.url} has {len(models)} models: "
        f"set it to one of them, like {names}{more}"
    )


async def _ask_in_its_own_way(api: Api, asked: Asked, model: ModelFacts) -> ModelFacts:
    """Ask as llama.cpp wants to be asked, then as Ollama does."""
    root = api.root
    model = model.with_props(await api.text_at(f"{root}/props", asked))
    if model.context_tokens is not None:
        return model
    named = msgspec.json.encode({"model": model.name})
    show = await api.text_at(f"{root}/api/show", asked, json=named)
    running = await api.text_at(f"{root}/api/ps", asked) if show else b""
    return model.with_ollama(show, running)
