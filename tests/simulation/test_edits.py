"""Edits, redactions and transaction ids of the simulated server."""

import pytest

from actors.anchors import LiveAnchor
from actors.model import EventId, OutboundKind, OutboundMessage, ReplyState, RoomId
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RateLimited,
    RefusedUnclearly,
    SessionRevoked,
)
from tests.simulation.edits import shown
from tests.simulation.faults import Fault
from tests.simulation.limits import RateLimit
from tests.simulation.stage import ALICE, BOT, Stage, simulate
from tests.simulation.transactions import REMEMBERED_S


def texts(stage: Stage) -> list[str]:
    """The texts that a client shows in the stage's room."""
    room = stage.server.room(stage.room_id)
    return [str(each.content["body"]) for each in shown(room.timeline)]


def edit_by(stage: Stage, sender: str, target: EventId, text: str) -> EventId:
    relation = {"rel_type": "m.replace", "event_id": target}
    new = {"msgtype": "m.text", "body": text}
    content = {**new, "m.new_content": new, "m.relates_to": relation}
    return stage.server.send(ALICE if sender == "alice" else BOT, stage.room_id, content)


def message(room_id: RoomId, txn_id: str, text: str = "hello") -> OutboundMessage:
    return OutboundMessage(txn_id, room_id, text)


def test_a_client_shows_the_newest_edit_of_the_same_sender() -> None:
    async def play(stage: Stage) -> None:
        said = stage.alice.say(stage.room_id, "first")
        edit_by(stage, "alice", said, "second")
        newest = edit_by(stage, "alice", said, "third")
        edit_by(stage, "bot", said, "forged")
        edit_by(stage, "alice", newest, "edit of an edit")
        assert texts(stage) == ["third"]
        assert await stage.bot.text_of(stage.room_id, said) == "third"
        assert len([it for it in stage.server.events if it.type == "m.room.message"]) == 5

    simulate(play)


def test_an_edit_of_an_unknown_event_is_refused() -> None:
    async def play(stage: Stage) -> None:
        with pytest.raises(RefusedUnclearly):
            edit_by(stage, "alice", EventId("$unknown"), "second")
        assert texts(stage) == []

    simulate(play)


@pytest.mark.parametrize("bundles", [True, False])
def test_the_newest_edit_is_read_with_the_message_or_apart(*, bundles: bool) -> None:
    async def play(stage: Stage) -> None:
        stage.server.bundles = bundles
        sent = await stage.bot.send(message(stage.room_id, "$q.0"))
        assert (await stage.bot.contents.edited(stage.room_id, sent)).newest is None
        edit_by(stage, "bot", sent, "second")
        edit = edit_by(stage, "bot", sent, "third")
        edited = await stage.bot.contents.edited(stage.room_id, sent)
        assert edited.bundled is bundles
        assert edited.newest is not None
        assert (edited.newest.event_id, edited.newest.text) == (edit, "third")
        with pytest.raises(HomeserverRefused):
            await stage.bot.contents.edited(stage.room_id, EventId("$unknown"))

    simulate(play)


def test_the_bot_redacts_a_message_of_its_own_once() -> None:
    async def play(stage: Stage) -> None:
        sent = await stage.bot.send(message(stage.room_id, "$q.0"))
        theirs = stage.alice.say(stage.room_id, "mine")
        redaction = OutboundMessage(
            "$q.0.redact", stage.room_id, "", kind=OutboundKind.REDACTION, target=sent
        )
        assert await stage.bot.send(redaction) == await stage.bot.send(redaction)
        assert await stage.bot.find_sent(redaction) is not None
        assert texts(stage) == ["mine"]
        for target in (theirs, EventId("$unknown")):
            refused = OutboundMessage(
                f"{target}.redact", stage.room_id, "", kind=OutboundKind.REDACTION, target=target
            )
            with pytest.raises(HomeserverRefused):
                await stage.bot.send(refused)
        assert texts(stage) == ["mine"]

    simulate(play)


def test_an_administrator_takes_any_message_down() -> None:
    async def play(stage: Stage) -> None:
        sent = await stage.bot.send(message(stage.room_id, "$q.0"))
        edit_by(stage, "bot", sent, "second")
        stage.server.take_down(stage.room_id, sent)
        assert texts(stage) == []
        assert (await stage.bot.contents.edited(stage.room_id, sent)).newest is None

    simulate(play)


def test_a_message_of_a_person_is_read_by_its_id() -> None:
    async def play(stage: Stage) -> None:
        said = stage.alice.say(stage.room_id, "question")
        own = await stage.bot.send(message(stage.room_id, "$q.0"))
        found = await stage.bot.contents.question(stage.room_id, said)
        assert found is not None
        assert (found.event_id, found.sender, found.body) == (said, ALICE, "question")
        assert await stage.bot.contents.question(stage.room_id, own) is None
        stage.alice.redact(stage.room_id, said)
        assert await stage.bot.contents.question(stage.room_id, said) is None
        assert await stage.bot.contents.question(stage.room_id, EventId("$unknown")) is None

    simulate(play)


def test_a_transaction_id_ends_after_a_day() -> None:
    async def play(stage: Stage) -> None:
        first = await stage.bot.send(message(stage.room_id, "$q.0"))
        stage.server.skip(REMEMBERED_S - 60)
        assert await stage.bot.send(message(stage.room_id, "$q.0")) == first
        stage.server.skip(120)
        assert await stage.bot.send(message(stage.room_id, "$q.0")) != first

    simulate(play)


@pytest.mark.parametrize("removed", [True, False])
def test_a_transaction_id_ends_with_its_device_but_not_with_its_token(*, removed: bool) -> None:
    async def play(stage: Stage) -> None:
        first = await stage.bot.send(message(stage.room_id, "$q.0"))
        session = stage.bot.session
        (stage.server.log_out if removed else stage.server.revoke_tokens)(BOT)
        with pytest.raises(SessionRevoked):
            await stage.bot.send(message(stage.room_id, "$q.0"))
        await stage.bot.log_in()
        assert stage.bot.session != session
        assert (await stage.bot.send(message(stage.room_id, "$q.0")) == first) is not removed

    simulate(play)


def test_a_late_request_of_an_ended_session_does_nothing() -> None:
    async def play(stage: Stage) -> None:
        stage.faults.next("send", Fault.LATE)
        with pytest.raises(HomeserverUnavailable):
            await stage.bot.send(message(stage.room_id, "$q.0"))
        stage.server.log_out(BOT)
        await stage.bot.log_in()
        stage.server.run_postponed_until(float("inf"))
        assert texts(stage) == []

    simulate(play)


def test_a_late_edit_covers_one_that_was_sent_after_it() -> None:
    async def play(stage: Stage) -> None:
        sent = await stage.bot.send(message(stage.room_id, "$q.0"))
        stage.faults.next("send", Fault.LATE)
        live = OutboundMessage(
            "$q.0~boot.1", stage.room_id, "late", kind=OutboundKind.LIVE, target=sent
        )
        with pytest.raises(HomeserverUnavailable):
            await stage.bot.send(live)
        final = OutboundMessage(
            "$q.0.final", stage.room_id, "whole", kind=OutboundKind.FINAL, target=sent
        )
        await stage.bot.send(final)
        assert texts(stage) == ["whole"]
        stage.server.run_postponed_until(float("inf"))
        assert texts(stage) == ["late"]

    simulate(play)


def test_a_server_that_does_not_deduplicate_sends_a_repeated_message_again() -> None:
    async def play(stage: Stage) -> None:
        stage.server.deduplicates = False
        for _ in range(2):
            await stage.bot.send(message(stage.room_id, "$q.0"))
        assert texts(stage) == ["hello", "hello"]

    simulate(play)


def test_edits_are_limited_but_repeated_ones_and_typing_are_not() -> None:
    async def play(stage: Stage) -> None:
        stage.server.write_limit = RateLimit(burst=2, per_s=0.2)
        sent = await stage.bot.send(message(stage.room_id, "$q.0"))
        lives = [
            OutboundMessage(
                f"$q.0~boot.{n}", stage.room_id, f"{n}", kind=OutboundKind.LIVE, target=sent
            )
            for n in (1, 2)
        ]
        first = await stage.bot.send(lives[0])
        with pytest.raises(RateLimited):
            await stage.bot.send(lives[1])
        assert await stage.bot.send(lives[0]) == first
        await stage.bot.set_typing(stage.room_id, typing=True)

    simulate(play)


def test_the_beginnings_of_answers_are_told_as_live() -> None:
    async def play(stage: Stage) -> None:
        question = stage.alice.say(stage.room_id, "question")
        since = stage.server.token(1)
        anchor = OutboundMessage(
            f"{question}.0", stage.room_id, "The beginning", kind=OutboundKind.ANCHOR
        )
        sent = await stage.bot.send(anchor)
        final = OutboundMessage(
            f"{question}.0.final", stage.room_id, "Whole", kind=OutboundKind.FINAL, target=sent
        )

        async def told() -> list[LiveAnchor]:
            token = stage.server.token()
            found = await stage.bot.messages_before(stage.room_id, token, stop_at=since, limit=10)
            return list(found.live)

        growing = LiveAnchor(question, 0, f"{question}.0", sent)
        assert await told() == [growing]
        await stage.bot.send(final)
        page = await stage.bot.recent(stage.room_id, stage.server.token())
        assert await told() == []
        stage.server.bundles = False
        assert await told() == [growing]
        marks = {(it.edits, it.mark.to, it.mark.state) for it in page.own if it.mark is not None}
        assert marks == {(None, question, ReplyState.LIVE), (sent, question, ReplyState.DONE)}
        assert question in page.answered

    simulate(play)
