"""A platform that does what the question says, and sees how often it was asked."""

from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final

import anyio
from typing_extensions import override

from actors.model import PlatformChatId
from actors.platform import Ask, Attachment, Capabilities, Delta, Done, Reason, Text, Usage
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    PortError,
    Unsupported,
)
from adapter.platform.echo import EchoPlatform

ERRORS: Final[dict[str, PortError]] = {
    "failed": PlatformFailed("status 500"),
    "unreachable": PlatformUnreachable("refused"),
    "busy": PlatformBusy(7.5),
    "too long": ContextTooLong(4096, 5000),
    "too long, without numbers": ContextTooLong(),
    "refused": PlatformRefused("Not that."),
    "unsupported": Unsupported(("image/png", "audio/*")),
    "lost": ConversationLost("never seen"),
    "misconfigured": PlatformMisconfigured("no such key: set one"),
}
CAPABILITIES: Final = Capabilities(
    streams=True, context_tokens=1234, accepts=("image/*",), models=("one", "two"), notes=("so",)
)


class Scripted(EchoPlatform):
    """Repeats the question, unless it is one of these words.

    `slow` says a word each tenth of a second for ever, `wait` says one word and waits for `go`,
    `cut` breaks off, and the names of `ERRORS` raise these.
    """

    def __init__(self) -> None:
        self.asked = Counter[str]()
        """How often each key was asked."""
        self.asks: list[Ask] = []
        self.forgotten: list[str] = []
        self.at_work = 0
        self.go = anyio.Event()
        self.trouble: PortError | None = None
        """What `check` raises."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        self.asked[ask.key] += 1
        self.asks.append(ask)
        self.at_work += 1
        try:
            async for delta in self._said(ask):
                yield delta
        finally:
            self.at_work -= 1

    @override
    async def check(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.trouble is not None:
            raise self.trouble

    @override
    async def forget(self, chat: PlatformChatId) -> None:
        self.forgotten.append(chat)

    async def _said(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        text = ask.question.text
        if text in ERRORS:
            raise ERRORS[text]
        while text == "slow":
            yield Text("word ")
            await anyio.sleep(0.1)
        if text in {"cut", "wait"}:
            yield Text("one")
        if text == "cut":
            raise PlatformFailed("it broke off")
        if text == "wait":
            await self.go.wait()
        for file in ask.question.attachments:
            yield Attachment(file)
        yield Text(text or "nothing")
        yield Usage(3, 10**30)
        yield Done(Reason.LENGTH if text == "long" else Reason.STOP)
