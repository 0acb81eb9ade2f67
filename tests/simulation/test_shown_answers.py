"""The check of what people see of an answer at the end."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from actors.bounds import Bounds
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState
from tests.simulation.events import Event
from tests.simulation.shown_answers import wrong_answers
from tests.simulation.stage import BOT, Stage, simulate
from tests.simulation.streaming import Streaming

TEXTS = ("One two three.", "Four five six.")


class Answer:
    """The answer to a question, in two parts, which the platform has said as a whole."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.streaming = Streaming(stage.server, Bounds(), pytest.fail)
        stage.server.on_event = self._seen
        self.question = stage.alice.say(stage.room_id, "why?")
        told = self.streaming.transcript.begin(self.question)
        told.text, told.is_whole = " ".join(TEXTS), True

    def _seen(self, event: Event) -> None:
        if event.sender == BOT and event.type == "m.room.message":
            self.streaming.seen(event)

    def part(self, number: int) -> OutboundMessage:
        """A part that is sent whole."""
        txn_id, more = f"{self.question}.{number}", number < len(TEXTS) - 1
        part = OutboundMessage(txn_id, self.stage.room_id, TEXTS[number], more=more)
        return replace(part, state=ReplyState.DONE)

    async def send(self, part: OutboundMessage) -> EventId:
        """Send a part."""
        return await self.stage.bot.send(part)

    def wrong(self) -> list[str]:
        """What is wrong with the answer, without the names and the texts."""
        room = self.stage.server.room(self.stage.room_id)
        found = wrong_answers(room, BOT, self.streaming, lambda _: False)
        return [each.partition(" answer to ")[0] for each in found]

    def take_down(self, event_id: EventId) -> None:
        """Let the administrator redact a message."""
        self.stage.server.take_down(self.stage.room_id, event_id)


def judged(play: Callable[[Answer], Awaitable[None]]) -> list[str]:
    """What is wrong with an answer after `play`."""

    async def on_stage(stage: Stage) -> list[str]:
        answer = Answer(stage)
        await play(answer)
        return answer.wrong()

    return simulate(on_stage)


def test_a_whole_answer_is_right_and_half_of_it_is_not() -> None:
    async def whole(answer: Answer) -> None:
        for number in range(len(TEXTS)):
            await answer.send(answer.part(number))

    async def half(answer: Answer) -> None:
        await answer.send(answer.part(0))

    assert judged(whole) == []
    assert judged(half) == ["not the whole"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_part_that_was_taken_down_after_its_end_was_shown(number: int) -> None:
    async def play(answer: Answer) -> None:
        sent = [await answer.send(answer.part(each)) for each in range(len(TEXTS))]
        answer.take_down(sent[number])

    assert judged(play) == []


def test_what_was_taken_down_must_have_said_the_answer() -> None:
    async def play(answer: Answer) -> None:
        await answer.send(answer.part(0))
        answer.take_down(await answer.send(replace(answer.part(1), body="Four.")))

    assert judged(play) == ["not the whole"]


@pytest.mark.parametrize("ends", ["never", "before", "after", "anew"])
def test_a_part_that_was_taken_down_while_it_grew_needs_an_end(ends: str) -> None:
    async def play(answer: Answer) -> None:
        await answer.send(answer.part(0))
        part = answer.part(1)
        anchor = replace(part, kind=OutboundKind.ANCHOR, state=None)
        sent = await answer.send(anchor)
        final = replace(
            part, txn_id=f"{part.txn_id}.final", kind=OutboundKind.FINAL, edits=part.txn_id
        )
        if ends == "before":
            await answer.send(replace(final, target=sent))
        answer.take_down(sent)
        if ends == "after":
            await answer.send(replace(final, target=sent))
        if ends == "anew":
            await answer.send(replace(final, target=None, edits=None, kind=OutboundKind.MESSAGE))

    assert judged(play) == ([] if ends in {"before", "anew"} else ["not the whole"])


def test_what_the_bot_takes_back_itself_is_missing() -> None:
    async def play(answer: Answer) -> None:
        await answer.send(answer.part(0))
        part = answer.part(1)
        sent = await answer.send(part)
        taken = replace(part, txn_id=f"{part.txn_id}.redact", kind=OutboundKind.REDACTION)
        await answer.send(replace(taken, body="", edits=part.txn_id, target=sent))

    assert judged(play) == ["not the whole"]


def test_a_part_that_was_taken_down_and_sent_anew_is_there_once() -> None:
    async def play(answer: Answer) -> None:
        await answer.send(answer.part(0))
        answer.take_down(await answer.send(answer.part(1)))
        await answer.send(replace(answer.part(1), txn_id=f"{answer.question}.1.final"))

    assert judged(play) == []


def test_a_part_that_was_taken_down_comes_again_after_the_next_one() -> None:
    async def play(answer: Answer) -> None:
        first = replace(answer.part(0), kind=OutboundKind.ANCHOR, state=None)
        answer.take_down(await answer.send(first))
        await answer.send(answer.part(1))
        await answer.send(replace(answer.part(0), txn_id=f"{first.txn_id}.final"))

    async def out_of_order(answer: Answer) -> None:
        for number in reversed(range(len(TEXTS))):
            await answer.send(answer.part(number))

    assert judged(play) == []
    assert judged(out_of_order) == ["the parts [1, 0] of the", "not the whole"]
