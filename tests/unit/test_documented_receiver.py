"""The receiver that docs/platforms.md shows passes the contract as it stands there."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from socket import create_connection
from typing import ClassVar, Final

import pytest
from pydantic import SecretStr
from typing_extensions import override

from actors.platform import Platform
from actors.port_errors import PlatformMisconfigured
from adapter.platform.contract import PlatformContract, ask, text_of
from adapter.platform.webhook.platform import WebhookPlatform
from adapter.platform.webhook.settings import WebhookSettings
from demo.synapse import free_port
from tests.documents import shown_file

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STARTS_WITHIN_S: Final = 20


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = tmp_path_factory.mktemp("receiver") / "receiver.py"
    program.write_text(shown_file("docs/platforms.md", program.name), encoding="utf-8")
    port = free_port()
    settings = {"PORT": str(port), "WEBHOOK_SECRET": SECRET, "PATH": os.defpath}
    command = [sys.executable, "-I", str(program)]
    with subprocess.Popen(command, env=settings, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


class TestDocumentedReceiver(PlatformContract):
    url: ClassVar[str]
    secret: ClassVar[str] = SECRET

    @pytest.fixture(autouse=True)
    def _receiver(self, url: str) -> None:
        type(self).url = url

    @override
    def make(self) -> Platform:
        return WebhookPlatform(WebhookSettings(url=self.url, secret=SecretStr(self.secret)))

    async def test_it_answers_the_question(self, platform: Platform) -> None:
        assert text_of(await self.answered(platform, ask("Hello"))) == "You said: Hello"

    @pytest.mark.parametrize("secret", [SecretStr("o" * 32), None])
    async def test_it_refuses_another_secret_and_none(self, secret: SecretStr | None) -> None:
        platform = WebhookPlatform(WebhookSettings(url=self.url, secret=secret))
        with pytest.raises(PlatformMisconfigured, match="WEBHOOK_SECRET"):
            await self.answered(platform, ask("Hello"))
        await platform.close()
