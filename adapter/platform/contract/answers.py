"""What an answer is, and when a platform gives one."""

import time
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import anyio
import pytest

from actors.platform import Attachment, Capabilities, Delta, Done, Platform
from actors.port_errors import PlatformFailed
from adapter.platform.contract.asking import Asking, ask, assert_whole, text_of

_AT_ONCE: Final = 8


class AnswerContract(Asking):
    """An answer is whole or an error, again and again, and side by side with others."""

    async def test_an_answer_ends_with_one_done(self, platform: Platform) -> None:
        """The core takes what has no Done for an answer that broke off."""
        assert_whole(await self.answered(platform, ask("Hello")))

    async def test_an_answer_says_something(self, platform: Platform) -> None:
        """An answer has text, or a file."""
        deltas = await self.answered(platform, ask("Hello"))
        files = [delta for delta in deltas if isinstance(delta, Attachment)]
        assert text_of(deltas).strip() or files, "the answer to `Hello` is empty"

    async def test_an_answer_that_breaks_off_has_no_done(self, platform: Platform) -> None:
        """Half an answer must not look like a whole one."""
        if not self.cut_text:
            pytest.skip("no answer of this platform breaks off: `cut_text` is not set")
        seen: list[Delta] = []

        async def read() -> None:
            async with aclosing(platform.answer(ask(self.cut_text))) as answer:
                async for delta in answer:
                    seen.append(delta)  # noqa: PERF401 - the parts before the error count

        with anyio.fail_after(self.answers_within_s), pytest.raises(PlatformFailed):
            await read()
        assert not [delta for delta in seen if isinstance(delta, Done)], "Done without an end"

    async def test_its_capabilities_are_known_at_once(self, platform: Platform) -> None:
        """They are read for each ask: before, during and after it."""
        found = platform.capabilities
        began = time.perf_counter()
        for _ in range(1_000):
            assert platform.capabilities == found
        assert time.perf_counter() - began < 1.0, "reading `capabilities` is slow"
        assert isinstance(found, Capabilities)
        assert found.context_tokens > 0, "no question fits into the context"
        await self.answered(platform, ask("Hello"))
        assert isinstance(platform.capabilities, Capabilities)

    async def test_it_says_that_it_is_well(self, platform: Platform) -> None:
        """`check` returns on a platform that answers, and changes nothing."""
        with anyio.fail_after(self.answers_within_s):
            await platform.check()
            await platform.check()
        assert_whole(await self.answered(platform, ask("Hello")))

    async def test_it_may_be_asked_again_for_a_key(self, platform: Platform) -> None:
        """After a kill, the same question comes again, from another process."""
        first = ask("Hello", key="$again")
        assert_whole(await self.answered(platform, first))
        assert_whole(await self.answered(platform, replace(first, attempt=2)))
        other = self.make()
        try:
            assert_whole(await self.answered(other, replace(first, attempt=3)))
        finally:
            await other.close()

    async def test_it_answers_one_key_twice_at_once(self, platform: Platform) -> None:
        """Another process may still be at work on the same question."""
        asked = ask("Hello", key="$twice")
        for deltas in await self.at_once(platform, [asked, replace(asked, attempt=2)]):
            assert_whole(deltas)

    async def test_it_answers_several_chats_at_once(self, platform: Platform) -> None:
        """Rooms do not wait for each other."""
        asks = [ask("Hello", chat=f"chat-{n}", key=f"$q{n}") for n in range(_AT_ONCE)]
        for deltas in await self.at_once(platform, asks):
            assert_whole(deltas)
