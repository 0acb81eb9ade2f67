"""The end of a platform, which may be a plugin, when the bot stops."""

from dataclasses import replace

import anyio
import pytest
from structlog.testing import capture_logs
from typing_extensions import override

from actors.bounds import Bounds
from adapter.platform.echo import EchoPlatform
from supervisor.app.run import _close

pytestmark = pytest.mark.anyio


class Closing(EchoPlatform):
    """A platform that raises when it is closed, or never ends."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error = error

    @override
    async def close(self) -> None:
        """Raise, or hang."""
        if self.error is not None:
            raise self.error
        await anyio.sleep_forever()


@pytest.mark.parametrize("error", [None, ValueError("a bug")])
async def test_a_platform_that_does_not_close_keeps_the_bot_from_nothing(
    error: Exception | None,
) -> None:
    with capture_logs() as logs, anyio.fail_after(10):
        await _close(Closing(error), replace(Bounds(), platform_close_s=0.05))
    assert [log["event"] for log in logs] == ["platform_not_closed"]


async def test_a_platform_that_closes_is_not_mentioned() -> None:
    with capture_logs() as logs:
        await _close(EchoPlatform(), Bounds())
    assert logs == []
