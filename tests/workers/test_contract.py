"""The contract of every platform, passed by way of a worker."""

from collections.abc import AsyncIterator
from typing import ClassVar

import pytest
from typing_extensions import override

from actors.platform import Platform
from adapter.platform.contract import PlatformContract
from tests.workers.conftest import Stage


class TestByWorkers(PlatformContract):
    slow_text: ClassVar[str] = "slow"
    cut_text: ClassVar[str] = "cut"

    @pytest.fixture(autouse=True)
    async def _working(self, anyio_backend: str, url: str) -> AsyncIterator[None]:
        self.stage = Stage(url)
        async with self.stage.working(at_once=16):
            yield

    @override
    def make(self) -> Platform:
        return self.stage.bot()

    @override
    def at_work(self) -> int:
        return self.stage.platform.at_work
