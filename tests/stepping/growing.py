"""Answers that grow in a room, as the tests of streaming tell and read them."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import anyio

from actors.bounds import Bounds
from actors.model import EventId, HomeserverTraits, RoomId
from actors.platform import Ask, Delta, Done, Reason, Text
from actors.rules.bucket import EditLimits
from actors.rules.reply_mark import REPLY_TYPE
from tests.simulation.edits import edited_by, shown
from tests.simulation.events import Content
from tests.stepping.harness import BOT, World

Script: TypeAlias = Callable[[Ask], AsyncGenerator[Delta, None]]

LIVE: str = "org.matrix.msc4357.live"


def story(sentences: int) -> str:
    """A text of so many sentences with 50 characters each, the blank behind them included."""
    return " ".join(
        f"Sentence {number:4} tells one more thing about the sea." for number in range(sentences)
    )


def telling(text: str, *, chars_per_s: float = 25.0, error: Exception | None = None) -> Script:
    """A platform that tells a text a few characters at a time, and may fail at its end."""
    size = max(5, int(chars_per_s / 20))

    async def answer(_: Ask) -> AsyncGenerator[Delta, None]:
        for at in range(0, len(text), size):
            await anyio.sleep(size / chars_per_s)
            yield Text(text[at : at + size])
        if error is not None:
            raise error
        yield Done(Reason.STOP)

    return answer


@dataclass(frozen=True, slots=True)
class Step:
    """One event that shows something of an answer: `edits` is None for a message of its own.

    `at_s` is in seconds since the question.
    """

    at_s: float
    txn: str
    event_id: EventId
    edits: EventId | None
    content: Content

    @property
    def text(self) -> str:
        """The text that it shows."""
        return str(self.content["body"])

    @property
    def state(self) -> object:
        """The state in its reply mark."""
        mark = self.content[REPLY_TYPE]
        return mark["state"] if isinstance(mark, dict) else None


def steps(world: World, room_id: RoomId, question: EventId) -> list[Step]:
    """What the bot has sent to answer a question, redacted messages left out."""
    timeline = world.server.room(room_id).timeline
    (asked,) = (event for event in timeline if event.event_id == question)
    found = []
    for event in timeline:
        is_ours = event.sender == BOT and (event.txn_id or "").startswith(f"{question}.")
        if not is_ours or event.redacted or event.type != "m.room.message":
            continue
        new = event.content.get("m.new_content", event.content)
        assert isinstance(new, dict)
        at_s = (event.origin_server_ts - asked.origin_server_ts) / 1000
        txn = str(event.txn_id).removeprefix(f"{question}.")
        found.append(Step(at_s, txn, event.event_id, edited_by(event.content), new))
    return found


def answer(world: World, room_id: RoomId, question: EventId) -> list[tuple[str, str]]:
    """The state and the text of each message that answers a question, as a client shows them."""
    said = []
    for it in shown(world.server.room(room_id).timeline):
        mark = it.content.get(REPLY_TYPE)
        if it.original.sender == BOT and isinstance(mark, dict) and mark.get("to") == question:
            said.append((str(mark["state"]), str(it.content["body"])))
    return said


def free() -> World:
    """A world whose homeserver is known to do what others do, and limits no edits."""
    world = World()
    limits = EditLimits(per_s=100.0, per_s_most=100.0, burst=100, pause_s=0.0)
    world.bounds = replace(Bounds(), live_edits=limits)
    world.server.traits[BOT] = HomeserverTraits(deduplicates=True, bundles=True)
    return world


def assert_grown(told: list[Step], whole: str) -> None:
    """An anchor, live edits that show more and more whole words of a text, and a final."""
    anchor, *edits, final = told
    assert anchor.edits is None
    assert {step.edits for step in (*edits, final)} == {anchor.event_id}
    texts = [step.text for step in told]
    for shorter, longer in pairwise(texts):
        assert longer.startswith(shorter)
    for step in (anchor, *edits):
        assert step.state == "live"
        assert step.content[LIVE] == {}
        assert whole.startswith(step.text)
        assert whole[len(step.text)].isspace()
    assert (final.state, final.text) == ("done", whole)
    assert LIVE not in final.content
