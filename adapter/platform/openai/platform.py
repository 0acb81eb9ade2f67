"""The platform `openai`: questions to a server of the Chat Completions API."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Final

from actors.model import PlatformChatId
from actors.platform import Ask, Capabilities, Delta, File, Thinking
from actors.port_errors import (
    ContextTooLong,
    PlatformBusy,
    PlatformFailed,
    PlatformUnreachable,
    PortError,
    Unsupported,
)
from adapter.platform.openai.api import Api
from adapter.platform.openai.body import Wish
from adapter.platform.openai.checking import Checkup
from adapter.platform.openai.completions import Completions
from adapter.platform.openai.connection import Connection
from adapter.platform.openai.discovery import discover
from adapter.platform.openai.errors import Asked
from adapter.platform.openai.knowledge import Knowledge
from adapter.platform.openai.messages import messages_of
from adapter.platform.openai.settings import OpenAISettings
from adapter.platform.openai.transcripts import Transcripts
from adapter.proxy import Proxy

_DISCOVERY_S: Final = 10.0
_AWAY: Final = (PlatformUnreachable, PlatformBusy)


class OpenAIPlatform:
    """Implements `actors.platform.Platform` over a server of the Chat Completions API.

    `connect_s` is the time for a connection. An answer has no time limit here: the core has one.
    """

    def __init__(
        self,
        settings: OpenAISettings,
        *,
        connect_s: float = 30.0,
        proxy: Proxy | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        connection = Connection(
            key=settings.key, ca_file=settings.ca_file, proxy=proxy, connect_s=connect_s
        )
        self._api = Api(settings.base_url, connection, wall_clock)
        self._knowledge = Knowledge(settings)
        self._completions = Completions(self._api, self._knowledge, wall_clock=wall_clock)
        self._checkup = Checkup(self._completions, self._knowledge)
        self._transcripts = Transcripts(self._api, settings.transcription_model)
        self._discovery = asyncio.Lock()
        self._is_discovered = False

    @property
    def capabilities(self) -> Capabilities:
        """What the settings say, the server says, and its refusals have shown."""
        return self._knowledge.capabilities

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """The parts of the answer as they come."""
        try:
            await self._get_ready()
            model = ask.model or self._knowledge.default.name
            asked = self._asked(ask, model)
            self._refuse_attachments(ask, model)
            heard: dict[bytes, str] = {}
            for file in _voices(ask):
                yield Thinking()
                heard[file.data] = await self._transcripts.words_of(file, asked)
            wish = self._wish(ask, model, heard)
            reader = self._completions.reader(asked)
            async with aclosing(self._completions.answer(wish, asked, reader)) as deltas:
                async for delta in deltas:
                    yield delta
        except PortError as error:
            raise self._learned(error, ask.model) from None

    async def check(self) -> None:
        """Ask the server for its models, then the default one a small question."""
        try:
            self._is_discovered = False
            await self._discover()
            model = self._knowledge.default.name
            await self._checkup.ask(model, self._settings.temperature, self._about(model))
        except PortError as error:
            raise self._learned(error, None) from None

    async def forget(self, chat: PlatformChatId) -> None:
        """Return: the server keeps nothing."""

    async def close(self) -> None:
        """Close the connections; answers in work end with PlatformFailed."""
        await self._api.close()

    async def _get_ready(self) -> None:
        """Find out what there is to know before the first question, and after an absence."""
        async with self._discovery:
            if self._is_discovered:
                return
            try:
                await self._discover()
            except PortError as error:
                if not self._settings.model or isinstance(error, _AWAY):
                    raise
                self._is_discovered = True  # the question itself shows what is wrong

    async def _discover(self) -> None:
        """Raises PlatformFailed if the server does not say in time which models it has."""
        asked = self._about(self._settings.model)
        try:
            async with asyncio.timeout(_DISCOVERY_S):
                self._knowledge.take(await discover(self._api, asked, self._settings.model))
        except TimeoutError:
            raise PlatformFailed(
                f"{asked.url} does not list its models within {_DISCOVERY_S:g} s"
            ) from None
        self._is_discovered = True

    def _about(self, model: str) -> Asked:
        """A request to a model, without a question."""
        settings = self._settings
        return Asked(
            url=settings.base_url,
            model=model,
            has_key=bool(settings.key),
            max_tokens=settings.max_tokens,
            key=settings.key,
        )

    def _asked(self, ask: Ask, model: str) -> Asked:
        seen = {file.mime_type for file in _files(ask) if not _is_voice(file)}
        return replace(self._about(model), mime_types=tuple(sorted(seen)))

    def _wish(self, ask: Ask, model: str, heard: Mapping[bytes, str]) -> Wish:
        settings = self._settings
        system = settings.system_prompt if ask.system is None else ask.system
        heat = settings.temperature if ask.temperature is None else ask.temperature
        return Wish(model, messages_of(ask, system, heard), heat, settings.max_tokens)

    def _refuse_attachments(self, ask: Ask, model: str) -> None:
        """Raises Unsupported for attachments that the model does not take."""
        types = {file.mime_type for file in _files(ask)}
        accepts = self._knowledge.accepts(model)
        refused = {it for it in types if not any(fnmatchcase(it, each) for each in accepts)}
        if refused:
            raise Unsupported(tuple(sorted(refused)))

    def _learned(self, error: PortError, chosen: str | None) -> PortError:
        """The error for the core, after it was learned from. `chosen` is the chat's own model."""
        if isinstance(error, PlatformUnreachable):
            self._is_discovered = False  # it may come back with another model
        if not isinstance(error, ContextTooLong) or error.limit is None:
            return error
        if chosen is None or chosen == self._knowledge.default.name:
            self._knowledge.is_limited_to(error.limit)
        return ContextTooLong(self._knowledge.room(error.limit), error.sent)


def _files(ask: Ask) -> Iterator[File]:
    return (file for turn in ask.turns for file in turn.attachments)


def _voices(ask: Ask) -> Iterator[File]:
    return filter(_is_voice, _files(ask))


def _is_voice(file: File) -> bool:
    return file.mime_type.startswith("audio/")
