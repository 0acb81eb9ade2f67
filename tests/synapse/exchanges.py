"""Which question of a room was answered by which messages, as the server tells it now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import anyio

from demo.bot import BotProcess
from demo.model_server import LlamaServer
from demo.person import Event, Person
from tests.synapse.home import history

REPLY: Final = "io.surfaces.reply"
_LOOK_AGAIN_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that is no command, and the messages that are marked as its answer."""

    question: str
    event_id: str
    answers: tuple[Event, ...]

    @property
    def states(self) -> tuple[str, ...]:
        """The states in the marks of the answer's messages."""
        return tuple(answer.content[REPLY]["state"] for answer in self.answers)

    @property
    def text(self) -> str:
        """The answer's text."""
        return "\n".join(answer.body for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a room, oldest first."""

    events: Sequence[Event]
    bot: str

    @property
    def exchanges(self) -> list[Exchange]:
        """The questions in the order of the room."""
        answers = [it for it in self.events if it.sender == self.bot and _to(it)]
        return [
            Exchange(it.body, it.event_id, tuple(a for a in answers if _to(a) == it.event_id))
            for it in self.events
            if it.sender != self.bot and it.body and not it.body.startswith("!")
        ]

    @property
    def notices(self) -> list[str]:
        """What the bot said beside its answers."""
        return [
            it.body
            for it in self.events
            if it.sender == self.bot and it.content.get("msgtype") == "m.notice"
        ]

    def assert_answered_once_in_order(self, state: str = "done") -> None:
        """Each question has one answer, and the answers have the order of the questions."""
        assert [(it.question, it.states) for it in self.exchanges] == [
            (it.question, (state,)) for it in self.exchanges
        ]
        order = [_to(it) for it in self.events if it.sender == self.bot and _to(it)]
        asked = [it.event_id for it in self.exchanges]
        assert [it for it in order if it in set(asked)] == asked


def _to(event: Event) -> str:
    return str(event.content.get(REPLY, {}).get("to", ""))


async def heard(person: Person, room_id: str, bot: BotProcess) -> Heard:
    """Look at a room."""
    events = [it for it in await history(person, room_id) if it.type == "m.room.message"]
    return Heard(events, bot.user_id)


async def until_answered(
    person: Person, room_id: str, bot: BotProcess, *, timeout_s: float = 60
) -> Heard:
    """Wait until every question of a room has an answer. What came then is what counts."""
    with anyio.move_on_after(timeout_s):
        while True:
            now = await heard(person, room_id, bot)
            if all(it.answers for it in now.exchanges):
                return now
            await anyio.sleep(_LOOK_AGAIN_S)
    open_ones = [it.question for it in now.exchanges if not it.answers]
    raise AssertionError(f"not answered within {timeout_s:g} s: {open_ones}{bot.last_lines()}")


def settings_of(llama: LlamaServer, **more: str) -> dict[str, str]:
    """The environment of a bot that asks a real model, which always answers the same.

    An answer comes in one piece, however slow the machine is.
    """
    prompt = "You are a friendly assistant. You answer in one short sentence."
    usual = {"OPENAI_TEMPERATURE": "0", "OPENAI_MAX_TOKENS": "40", "OPENAI_SYSTEM_PROMPT": prompt}
    return {**llama.environment, "BOT_STREAM": "off", **usual, **more}
