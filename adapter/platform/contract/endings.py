"""How answers, conversations and the platform end, and what is left of them."""

import time
from typing import Final

import anyio
import anyio.lowlevel

from actors.model import PlatformChatId
from actors.platform import Platform
from adapter.platform.contract.asking import (
    CLOSES_WITHIN_S,
    Asking,
    ask,
    assert_whole,
    no_longer_than,
)
from adapter.platform.contract.writes import WRITES

IN_WORK_S: Final = 0.3
"""After this time, a slow platform is at work on a question."""


class EndingContract(Asking):
    """What is closed, cancelled or forgotten ends soon, and leaves nothing behind."""

    async def test_an_answer_that_was_not_begun_can_be_closed(self, platform: Platform) -> None:
        """Nothing is asked before the first part is wanted."""
        answer = platform.answer(ask(self.slow_text or "Hello"))
        with no_longer_than(CLOSES_WITHIN_S, "closing"):
            await answer.aclose()
        await self.assert_idle()

    async def test_an_answer_can_be_closed_in_the_middle(self, platform: Platform) -> None:
        """Closing stops the work, and the next question is answered."""
        answer = platform.answer(ask(self.slow_text or "Hello"))
        with anyio.fail_after(self.answers_within_s):
            await anext(answer)
        with no_longer_than(CLOSES_WITHIN_S, "closing"):
            await answer.aclose()
        await self.assert_idle()
        assert_whole(await self.answered(platform, ask("Hello")))

    async def test_an_answer_can_be_cancelled_while_it_is_waited_for(
        self, platform: Platform
    ) -> None:
        """A cancellation reaches the work at any point: before its begin, and while it goes on."""
        for pause_s in (0.0, 0.01, IN_WORK_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.outcome, platform, ask(self.slow_text or "Hello"))
                await anyio.lowlevel.checkpoint()
                await anyio.sleep(pause_s)
                began = time.perf_counter()
                tasks.cancel_scope.cancel()
            assert time.perf_counter() - began < CLOSES_WITHIN_S, "a cancellation takes too long"
        await self.assert_idle()
        assert_whole(await self.answered(platform, ask("Hello")))

    async def test_it_forgets_what_it_never_knew(self, platform: Platform) -> None:
        """Forgetting is no error, however often it is asked for."""
        with anyio.fail_after(self.answers_within_s):
            await platform.forget(PlatformChatId("never seen"))
            await platform.forget(PlatformChatId("never seen"))

    async def test_it_answers_in_a_chat_that_it_forgot(self, platform: Platform) -> None:
        """The next question of a forgotten conversation comes with `fresh`."""
        assert_whole(await self.answered(platform, ask("Hello", chat="forgotten")))
        await platform.forget(PlatformChatId("forgotten"))
        assert_whole(await self.answered(platform, ask("Hello", chat="forgotten", key="$next")))

    async def test_it_can_be_closed_twice(self) -> None:
        """Closing never raises: unused, used, or closed already."""
        unused, used = self.make(), self.make()
        await self.answered(used, ask("Hello"))
        for platform in (unused, used, used):
            with no_longer_than(CLOSES_WITHIN_S, "`close`"):
                await platform.close()

    async def test_it_can_be_closed_while_it_answers(self) -> None:
        """An answer in work ends soon: whole, or with an error of the port's family."""
        platform = self.make()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.outcome, platform, ask(self.slow_text or "Hello"))
            await anyio.sleep(IN_WORK_S)
            began = time.perf_counter()
            await platform.close()
            tasks.cancel_scope.deadline = anyio.current_time() + self.answers_within_s
        if self.slow_text:
            assert time.perf_counter() - began < CLOSES_WITHIN_S, "an answer outlives `close`"
        await self.assert_idle()

    async def test_it_keeps_nothing_on_disk(self, platform: Platform) -> None:
        """What a conversation is made of lies in its room; a disk may be lost."""
        await self.answered(platform, ask("Hello"))  # what is loaded late is loaded now
        with WRITES.watched() as paths:
            await self.answered(platform, ask("Hello again", key="$question-2"))
            await platform.forget(PlatformChatId("chat-1"))
        allowed = [folder.resolve() for folder in self.may_write]
        kept = [path for path in paths if not set(allowed) & set(path.parents)]
        assert not kept, f"wrote {', '.join(map(str, kept))}"
