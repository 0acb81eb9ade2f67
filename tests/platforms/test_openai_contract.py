"""The contract of all platforms over `openai`."""

from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from actors.platform import Platform
from adapter.platform.contract import PlatformContract
from adapter.platform.openai.platform import OpenAIPlatform
from adapter.platform.openai.settings import OpenAISettings
from tests.chat_server import ChatServer


class TestOpenAI(PlatformContract):
    slow_text = "slow"
    cut_text = "cut"

    @pytest.fixture(autouse=True)
    async def _serving(self, anyio_backend: str) -> AsyncIterator[None]:
        async with ChatServer() as self.server:
            yield

    @override
    def make(self) -> Platform:
        return OpenAIPlatform(OpenAISettings(base_url=self.server.url))

    @override
    def at_work(self) -> int:
        return self.server.at_work
