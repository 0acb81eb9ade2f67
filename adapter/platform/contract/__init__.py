"""What the core relies on, as tests that each platform passes.

The author of a platform derives a class of tests and says how the platform is made:

    from adapter.platform.contract import PlatformContract

    class TestShout(PlatformContract):
        def make(self) -> Platform:
            return Shout(Shout.Settings(mark="!"))

The tests need pytest, and no other module of the bot imports them. They make about 100 asks.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("answers", "asking", "asks", "endings"))
)

from adapter.platform.contract.answers import AnswerContract  # noqa: E402
from adapter.platform.contract.asking import ask, text_of  # noqa: E402
from adapter.platform.contract.asks import AskContract  # noqa: E402
from adapter.platform.contract.endings import EndingContract  # noqa: E402

__all__ = ["PlatformContract", "ask", "text_of"]


class PlatformContract(AnswerContract, AskContract, EndingContract):
    """The promises of `actors.platform.Platform`. A subclass defines `make`, and what it can."""
