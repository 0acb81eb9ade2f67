"""What a platform is asked: conversations, settings, files and any text."""

from dataclasses import replace

import pytest

from actors.platform import File, Platform, Role, Turn
from actors.port_errors import ConversationLost, PlatformMisconfigured, PlatformRefused, Unsupported
from adapter.platform.contract.asking import Asking, ask, assert_whole
from adapter.platform.contract.texts import HOSTILE_TEXTS


class AskContract(Asking):
    """Each ask is answered, or refused with the error that says why."""

    async def test_it_takes_a_conversation(self, platform: Platform) -> None:
        """Turns have speakers and quotes, and the turns of a thread are those of its chat."""
        before = (
            Turn(Role.PERSON, "The word is plum.", speaker="Alice"),
            Turn(Role.ASSISTANT, "I shall remember it."),
            Turn(Role.PERSON, "So shall I.", speaker="Bob", quoted="The word is plum."),
            Turn(Role.ASSISTANT, "Good."),
        )
        in_thread = ask("Which word?", key="$in-thread", before=before[:2])
        for asked in (ask("Which word?", before=before), in_thread):
            assert_whole(await self.answered(platform, asked))

    async def test_it_can_be_told_all_anew(self, platform: Platform) -> None:
        """With `fresh`, the turns are all there is, also for a new process."""
        before = (Turn(Role.PERSON, "The word is plum."), Turn(Role.ASSISTANT, "Noted."))
        assert_whole(await self.answered(platform, ask("Hello", chat="told")))
        assert_whole(await self.answered(platform, ask("Which?", chat="told", before=before)))

    async def test_it_says_that_it_lost_a_conversation(self, platform: Platform) -> None:
        """Without `fresh`, a platform that keeps the history answers or raises ConversationLost."""
        asked = replace(ask("Hello", chat="never seen"), fresh=False)
        outcome = await self.outcome(platform, asked)
        if isinstance(outcome, ConversationLost):
            assert platform.capabilities.keeps_history, "lost what it does not keep"
            return
        assert_whole(outcome)

    async def test_it_takes_the_settings_of_a_chat(self, platform: Platform) -> None:
        """A system prompt and a temperature go with an ask, and an unknown model is a refusal."""
        asked = replace(ask("Hello"), system="Be brief.", temperature=0.0)
        assert_whole(await self.answered(platform, asked))
        outcome = await self.outcome(platform, replace(asked, model="no such model"))
        if not isinstance(outcome, PlatformRefused | PlatformMisconfigured):
            assert_whole(outcome)

    async def test_it_takes_files_or_says_that_it_does_not(self, platform: Platform) -> None:
        """A file that it can't take is left out, and it is asked again."""
        files = (
            File("a.png", "image/png", b"\x89PNG\r\n\x1a\n"),
            File("../b\n.bin", "application/octet-stream", b""),
        )
        turn = Turn(Role.PERSON, "What is that?", attachments=files)
        outcome = await self.outcome(platform, replace(ask("x"), turns=(turn,)))
        if not isinstance(outcome, Unsupported | PlatformRefused):
            assert_whole(outcome)

    @pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
    async def test_a_hostile_text_is_answered_or_refused(
        self, platform: Platform, text: str
    ) -> None:
        """No text harms the platform: the next question is answered."""
        outcome = await self.outcome(platform, ask(text, chat="chat\n\0/../é", key="$odd\r\n:é"))
        if not isinstance(outcome, Exception):
            assert_whole(outcome)
        assert_whole(await self.answered(platform, ask("Hello")))
