"""A chat platform that does at random what platforms do, and always fails on certain texts."""

import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from enum import Enum, auto
from typing import Final

import anyio
from anyio.lowlevel import checkpoint

from actors.bounds import Bounds
from actors.model import EventId, PlatformChatId
from actors.platform import Ask, Capabilities, Delta, Done, Reason, Text, Thinking, Usage
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    Unsupported,
)
from tests.simulation.connection import Gate
from tests.simulation.transcript import Transcript

LIMITS: Final = Bounds()
"""No plan has other limits of time for the platform."""

POISON: Final = "poison"
"""A text with this word makes the platform raise an error outside its contract, every time."""


MOST_SENTENCES: Final = 40
HELD_UP_S: Final = 5.0
"""The bot takes a part of an answer within this time, whatever the homeserver does."""


class PlatformFault(Enum):
    """What an answer may come to."""

    FAIL = auto()
    CUT = auto()
    """It ends in the middle, without a sign of its end."""
    BREAK = auto()
    """It breaks off in the middle with an error."""
    HANG = auto()
    """It never begins."""
    STALL = auto()
    """It begins, and never ends."""
    BUSY = auto()
    REFUSE = auto()
    TOO_LONG = auto()
    UNSUPPORTED = auto()
    LOST = auto()
    """The platform has not the history that it kept."""
    TRUNCATE = auto()
    """It ends at the limit of its length."""
    GO_ON = auto()
    """It goes on after its end."""
    BUG = auto()
    """It raises an error outside its contract."""


class Outage(Enum):
    """What the platform says to everyone."""

    NONE = auto()
    UNREACHABLE = auto()
    FAILING = auto()
    MISCONFIGURED = auto()


OUTAGES: Final[dict[Outage, Callable[[], Exception]]] = {
    Outage.UNREACHABLE: lambda: PlatformUnreachable("Connection refused."),
    Outage.FAILING: lambda: PlatformFailed("502: Bad Gateway"),
    Outage.MISCONFIGURED: lambda: PlatformMisconfigured("The key is refused."),
}


class SimulatedPlatform:
    """A platform that outlives the bot's process.

    `rates` are the probabilities of faults; `slow_s` is the longest delay before an answer, and
    after its first words.
    `on_asked` receives every call, and `on_violation` what the port forbids the bot.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rates: dict[PlatformFault, float] = {}
        self.outage = Outage.NONE
        self.slow_s = 0.0
        self.on_asked: Callable[[PlatformChatId, EventId], None] = lambda _chat, _key: None
        self.on_violation: Callable[[str], None] = lambda _: None
        self.room_of: Callable[[EventId], object] = lambda key: key
        self.transcript = Transcript()
        self.long_answers = 0.0
        """The probability that an answer is long, and comes bit by bit."""
        self.bit_s = 0.0
        """The longest pause after each bit of a long answer. It is no fault, and stays."""
        self.held_up_s = HELD_UP_S
        self._in_work: set[tuple[Gate, object]] = set()
        self._rng = rng

    def healed(self) -> None:
        """End all faults, except those of texts with `POISON`."""
        self.rates, self.outage, self.slow_s = {}, Outage.NONE, 0.0

    def check(self) -> None:
        """Raise the present outage."""
        if self.outage in OUTAGES:
            error = OUTAGES[self.outage]()
            raise error

    async def answer(self, ask: Ask, gate: Gate) -> AsyncGenerator[Delta, None]:
        """Say the text itself, and at times much more, unless a fault is drawn."""
        await gate.before("answer")
        self.on_asked(ask.chat, ask.key)
        # A room that replaces another one goes on with its conversation, so the room counts.
        work = gate, self.room_of(ask.key)
        if work in self._in_work:
            self.on_violation(f"two questions at once in {work[1]}")
        self._in_work.add(work)
        try:
            async with aclosing(self._answer(ask)) as answer:
                async for delta in answer:
                    await gate.after("answer")
                    before = anyio.current_time()
                    yield delta
                    if anyio.current_time() - before > self.held_up_s:
                        self.on_violation(f"the answer to {ask.key} is held up")
        finally:
            self._in_work.discard(work)

    async def _answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        await checkpoint()
        self.check()
        fault, text = self._drawn(), ask.question.text
        _raise(fault, fresh=ask.fresh)
        if fault is PlatformFault.HANG:
            await self._say_nothing(LIMITS.platform_first_s)
        yield Thinking()
        await self._pause()
        if POISON in text or fault is PlatformFault.BUG:
            raise ValueError(text)
        told, texts = self.transcript.begin(ask.key), self._texts(ask)
        for number, said in enumerate(texts):
            if number == (len(texts) + 1) // 2:
                await self._break_off(fault)
                if fault is PlatformFault.CUT:
                    return
            told.text += said
            told.is_whole = number == len(texts) - 1
            yield Text(said)
            await (self._pause() if number == 0 else self._wait_a_bit())
        yield Usage(10, 5)
        yield Done(Reason.LENGTH if fault is PlatformFault.TRUNCATE else Reason.STOP)
        if fault is PlatformFault.GO_ON:
            yield Text("And more.")

    def _texts(self, ask: Ask) -> list[str]:
        """The deltas of an answer: two, or many. Each attempt says something else."""
        texts = ["You said ", f"{ask.question.text}."]
        if self._rng.random() < self.long_answers:
            attempt = self.transcript.attempts(ask.key)
            texts += [
                f" Sentence {number} of attempt {attempt} says {self._rng.randrange(1000)}."
                for number in range(1, self._rng.randint(4, MOST_SENTENCES))
            ]
        return texts

    async def _break_off(self, fault: PlatformFault | None) -> None:
        """What happens in the middle of an answer."""
        if fault is PlatformFault.BREAK:
            raise PlatformFailed("The connection broke.")
        if fault is PlatformFault.STALL:
            await self._say_nothing(LIMITS.platform_idle_s)

    async def _say_nothing(self, within_s: float) -> None:
        """Say nothing more. The bot leaves an answer that says nothing for so long."""
        await anyio.sleep(within_s + 1)
        self.on_violation(f"waits for a platform that says nothing for {within_s:g} s")
        await anyio.sleep_forever()

    async def _pause(self) -> None:
        if self.slow_s:
            await anyio.sleep(self._rng.uniform(0, self.slow_s))

    async def _wait_a_bit(self) -> None:
        if self.bit_s:
            await anyio.sleep(self._rng.uniform(0, self.bit_s))

    def _drawn(self) -> PlatformFault | None:
        draw = self._rng.random()
        for fault, rate in self.rates.items():
            draw -= rate
            if draw < 0:
                return fault
        return None


def _raise(fault: PlatformFault | None, *, fresh: bool) -> None:
    match fault:
        case PlatformFault.FAIL:
            raise PlatformFailed("The platform has no time.")
        case PlatformFault.BUSY:
            raise PlatformBusy(12.0)
        case PlatformFault.REFUSE:
            raise PlatformRefused("I don't talk about that.")
        case PlatformFault.TOO_LONG:
            raise ContextTooLong(100, 200)
        case PlatformFault.UNSUPPORTED:
            raise Unsupported
        case PlatformFault.LOST if not fresh:
            raise ConversationLost
        case _:
            pass


class PlatformLine:
    """The platform for one run of the process. Implements `actors.platform.Platform`."""

    def __init__(self, platform: SimulatedPlatform, gate: Gate) -> None:
        self._platform = platform
        self._gate = gate

    @property
    def capabilities(self) -> Capabilities:
        """It keeps the history."""
        return Capabilities(keeps_history=True)

    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        """Answer one question."""
        async with aclosing(self._platform.answer(ask, self._gate)) as answer:
            async for delta in answer:
                yield delta

    async def check(self) -> None:
        """Raise the present outage."""
        await self._gate.before("check")
        await checkpoint()
        self._platform.check()
        await self._gate.after("check")

    async def forget(self, chat: PlatformChatId) -> None:
        """It remembers nothing."""

    async def close(self) -> None:
        """It has no connections."""
