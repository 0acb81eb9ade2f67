"""What the bot's messages say about themselves, and how it finds its own again."""

import pytest

from actors.model import OutboundMessage, RoomId, UserId
from actors.rules.reply_mark import PART_LIMIT, REPLY_TYPE, question_answered_by, reply_mark
from adapter.matrix.bodies import Event, Unsigned
from adapter.matrix.events import answered_in
from adapter.matrix.evidence import said_in, transaction_id_of

ME, ALICE = UserId("@bot:x"), UserId("@alice:x")


@pytest.mark.parametrize(
    ("txn_id", "mark"),
    [
        ("$q.0", {"to": "$q", "part": 0, "state": "done"}),
        ("$q:server.org.12", {"to": "$q:server.org", "part": 12, "state": "done"}),
        ("$q.dead", {"to": "$q", "part": 0, "state": "failed"}),
        ("new.$q.done", {"to": "$q", "part": 0, "state": "done"}),
        ("new.$q.queued", {}),
        ("0a1b.done", {}),
        ("encrypted.!room", {}),
        ("encrypted.!room:server.0", {}),
    ],
)
def test_each_message_has_its_transaction_id_and_an_answer_its_question(
    txn_id: str, mark: dict[str, object]
) -> None:
    assert reply_mark(OutboundMessage(txn_id, RoomId("!r"), "text")) == {"txn": txn_id, **mark}


@pytest.mark.parametrize(
    ("content", "txn_id"),
    [
        ({REPLY_TYPE: {"txn": "t"}}, "t"),
        ({REPLY_TYPE: {}}, None),
        ({REPLY_TYPE: 5}, None),
        ({}, None),
    ],
)
def test_a_mark_is_read_carefully(content: dict[str, object], txn_id: str | None) -> None:
    assert transaction_id_of(Event("m.room.message", ME, content)) == txn_id


def test_without_a_mark_the_homeserver_may_say_the_transaction_id() -> None:
    unsigned = Unsigned(transaction_id="t")
    assert transaction_id_of(Event("m.room.message", ME, unsigned=unsigned)) == "t"
    marked: dict[str, object] = {REPLY_TYPE: {"txn": "other"}}
    assert transaction_id_of(Event("m.room.message", ME, marked, unsigned=unsigned)) == "other"


@pytest.mark.parametrize(
    ("mark", "body", "question"),
    [
        ({"to": "$q", "state": "done"}, "answer", "$q"),
        ({"to": "$q", "state": "failed"}, "sorry", "$q"),
        ({"to": "$q", "state": "stopped"}, "half of", "$q"),
        ({"to": "$q", "state": "live"}, "half of", None),
        ({"to": "$q", "state": "done"}, "x" * PART_LIMIT, None),
        ({"to": "$q", "state": ["done"]}, "answer", None),
        ({"to": 5, "state": "done"}, "answer", None),
        ({"txn": "t"}, "note", None),
        (None, "answer", None),
        ({"to": "$q", "state": "done"}, None, None),
    ],
)
def test_only_the_last_part_of_an_ended_answer_answers_a_question(
    mark: object, body: str | None, question: str | None
) -> None:
    content = {REPLY_TYPE: mark, "body": body}
    assert question_answered_by(content) == question
    edited = {"body": "* edited", "m.new_content": content}
    assert question_answered_by(edited) == question


def test_only_the_bots_own_messages_answer() -> None:
    mark = {"to": "$q", "state": "done"}
    content: dict[str, object] = {"body": "answer", REPLY_TYPE: mark}
    ours, theirs = Event("m.room.message", ME, content), Event("m.room.message", ALICE, content)
    assert answered_in([ours], ME) == {"$q"}
    assert answered_in([theirs], ME) == frozenset()


def said(sender: UserId, body: str) -> Event:
    return Event("m.room.message", sender, {"body": body}, event_id=f"${body}")


def test_the_bots_own_messages_are_told_apart_from_others() -> None:
    renamed = Event("m.room.name", ME, {"name": "x"}, state_key="")
    joined = Event("m.room.member", ALICE, {"membership": "join"}, state_key=ALICE)
    events = [said(ALICE, "newer"), renamed, said(ME, "ours"), joined, said(ALICE, "older")]
    bodies = [it and it.body for it in said_in(RoomId("!r"), events, ME)]
    assert bodies == ["newer", None, "older"]
