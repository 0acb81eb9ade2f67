"""One completion: a request, and its answer as it comes."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import aiohttp

from actors.platform import Delta, Thinking
from actors.port_errors import PlatformFailed, PlatformMisconfigured, PlatformRefused
from adapter.platform.openai.api import Answered, Api
from adapter.platform.openai.body import Bodies, Wish
from adapter.platform.openai.connection import body_of
from adapter.platform.openai.errors import (
    TRANSPORT_ERRORS,
    Asked,
    error_within,
    says_no_pictures,
    web_page,
)
from adapter.platform.openai.knowledge import Knowledge
from adapter.platform.openai.reading import AnswerReader
from adapter.platform.sse import EventParser

_PATH: Final = "/chat/completions"
_REST_S: Final = 5.0
"""How long the tokens of a whole answer may take to follow it."""
_JSON: Final = b"{["
_PAGE: Final = b"<"
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_MAYBE_FOR_A_FIELD: Final = (PlatformRefused, PlatformFailed, PlatformMisconfigured)


class Completions:
    """Asks for completions, and learns what the server refuses."""

    def __init__(
        self,
        api: Api,
        knowledge: Knowledge,
        *,
        rest_s: float = _REST_S,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._knowledge = knowledge
        self._rest_s = rest_s
        self._wall_clock = wall_clock
        self.bodies = Bodies()

    def reader(self, asked: Asked) -> AnswerReader:
        """What reads an answer; it knows more of the answer than its parts say."""
        return AnswerReader(lambda body: error_within(body, asked, self._wall_clock()))

    async def answer(
        self, wish: Wish, asked: Asked, reader: AnswerReader
    ) -> AsyncGenerator[Delta, None]:
        """The parts of the answer. Closing the generator closes the connection."""
        is_refused = True
        while is_refused:
            body = self.bodies.body(wish)
            async with self._api.ask("POST", _PATH, asked, json=body) as answered:
                is_refused = answered.refusal is not None
                if is_refused:
                    self._learn(answered, wish, asked)
                    continue
                async with aclosing(self._parts(answered, reader, asked)) as parts:
                    async for delta in parts:
                        yield delta

    def _learn(self, answered: Answered, wish: Wish, asked: Asked) -> None:
        """Return if another body may succeed. Raises the error that the refusal stands for."""
        error = self._api.error(answered, asked)
        refusal = answered.refusal or b""
        is_for_a_field = isinstance(error, _MAYBE_FOR_A_FIELD) and self.bodies.learn(
            wish, answered.response.status, refusal
        )
        if is_for_a_field:
            return
        if says_no_pictures(error, refusal):
            self._knowledge.is_blind(wish.model)
        raise error

    async def _parts(
        self, answered: Answered, reader: AnswerReader, asked: Asked
    ) -> AsyncGenerator[Delta, None]:
        """The parts of an answer that is a stream or, whatever was asked for, one JSON object."""
        response, head = answered.response, answered.head
        while not (begun := head.lstrip(_BLANK)):
            if not (piece := await response.content.readany()):
                raise PlatformFailed(f"{asked.url} sends an empty answer")
            head += piece
            yield Thinking()
        if begun[:1] == _PAGE:
            raise web_page(asked)
        if begun[:1] in _JSON:
            body = await body_of(response, begun)
            for delta in reader.take_whole(body.decode(errors="replace")):
                yield delta
            return
        async with aclosing(self._events(response, reader, head)) as events:
            async for delta in events:
                yield delta

    async def _events(
        self, response: aiohttp.ClientResponse, reader: AnswerReader, piece: bytes
    ) -> AsyncGenerator[Delta, None]:
        parser = EventParser()
        while piece and not reader.is_over:
            for sign in parser.feed(piece):
                for delta in reader.take(sign):
                    yield delta
            if not reader.is_over:
                piece = await self._next(response, reader)
        for sign in () if reader.is_over else parser.end():
            for delta in reader.take(sign):
                yield delta
        for delta in reader.finish():
            yield delta

    async def _next(self, response: aiohttp.ClientResponse, reader: AnswerReader) -> bytes:
        """The next bytes; none at the end. An answer that is whole may end in any way."""
        try:
            async with asyncio.timeout(self._rest_s if reader.is_whole else None):
                return await response.content.readany()
        except TRANSPORT_ERRORS:
            if reader.is_whole:
                return b""
            raise
