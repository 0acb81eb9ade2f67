"""The contract suite over the platforms that come with the bot, and over broken ones."""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from pydantic import SecretStr
from typing_extensions import override

from actors.platform import Ask, Platform
from adapter.platform.contract import PlatformContract
from adapter.platform.echo import EchoPlatform
from adapter.platform.simple import SimplePlatform
from adapter.platform.webhook.platform import WebhookPlatform
from adapter.platform.webhook.settings import WebhookSettings
from tests.webhook_receiver import SECRET, Receiver


class Shouting(SimplePlatform):
    """What a plugin may be."""

    @override
    async def reply(self, ask: Ask) -> str:
        return f"{ask.question.text.upper()}!"


class TestSimplePlatform(PlatformContract):
    @override
    def make(self) -> Platform:
        return Shouting()


class TestEcho(PlatformContract):
    @override
    def make(self) -> Platform:
        return EchoPlatform()


class WebhookContract(PlatformContract):
    slow_text: ClassVar[str] = "slow"
    cut_text: ClassVar[str] = "cut"
    form: ClassVar[str]

    @pytest.fixture(autouse=True)
    async def _serving(self, anyio_backend: str) -> AsyncIterator[None]:
        async with Receiver(self.form) as self.receiver:
            yield

    @override
    def make(self) -> Platform:
        return WebhookPlatform(WebhookSettings(url=self.receiver.url, secret=SecretStr(SECRET)))

    @override
    def at_work(self) -> int:
        return self.receiver.at_work


class TestWebhookAnsweringWithJson(WebhookContract):
    # No part of an answer in one piece comes before its end, so none can be waited for.
    form = "json"
    slow_text = ""


class TestWebhookAnsweringWithLines(WebhookContract):
    form = "ndjson"


class TestWebhookAnsweringWithEvents(WebhookContract):
    form = "events"
