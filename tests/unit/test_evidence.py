"""What the bot's messages say about themselves, and how it finds its own again."""

import json
from dataclasses import replace

import msgspec
import pytest

from actors.anchors import LiveAnchor
from actors.model import (
    EventId,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
    TokensUsed,
    UserId,
)
from actors.rules.reply_mark import (
    REPLY_TYPE,
    forgets,
    live_anchor_of,
    mark_in,
    question_answered_by,
    reply_mark,
    tokens_in,
)
from actors.said import ReplyMark
from adapter.matrix.bodies import Event, Unsigned
from adapter.matrix.contents import message_content
from adapter.matrix.events import answered_in, bundled_edit, live_in
from adapter.matrix.evidence import said_in, transaction_id_of

ME, ALICE = UserId("@bot:x"), UserId("@alice:x")


@pytest.mark.parametrize(
    ("txn_id", "mark"),
    [
        ("$q.0", {"to": "$q", "part": 0, "state": "done"}),
        ("$q:server.org.12", {"to": "$q:server.org", "part": 12, "state": "done"}),
        ("$q:1.2.3.4.5", {"to": "$q:1.2.3.4", "part": 5, "state": "done"}),
        ("$q.12.final", {"to": "$q", "part": 12, "state": "done"}),
        ("$q:x.org.0.final.2", {"to": "$q:x.org", "part": 0, "state": "done"}),
        ("$q:x.org.0.final.13", {"to": "$q:x.org", "part": 0, "state": "done"}),
        ("$q:x.org.dead.2", {"to": "$q:x.org", "part": 0, "state": "failed"}),
        ("$q.1~0a1b.23", {"to": "$q", "part": 1, "state": "done"}),
        ("$q.busy", {}),
        ("$q.0.redact", {}),
        ("$q.1~0a1b", {}),
        (".0", {}),
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


def test_a_growing_answer_is_live_whatever_else_is_said() -> None:
    anchor = OutboundMessage("$q.0", RoomId("!r"), "text", kind=OutboundKind.ANCHOR)
    live = replace(anchor, txn_id="$q.0~b.1", kind=OutboundKind.LIVE, state=ReplyState.DONE)
    assert [reply_mark(it)["state"] for it in (anchor, live)] == ["live", "live"]


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
        ({"to": "$q", "state": "done", "txn": "t"}, "answer", "$q"),
        ({"to": "$q", "state": "failed", "txn": "t"}, "sorry", "$q"),
        ({"to": "$q", "state": "stopped", "txn": "t"}, "half of", "$q"),
        ({"to": "$q", "state": "live", "txn": "t"}, "half of", None),
        ({"to": "$q", "state": "done", "txn": "t", "more": True}, "half of", None),
        ({"to": "$q", "state": "done", "txn": "t", "more": False}, "answer", "$q"),
        ({"to": "$q", "state": "done", "txn": "t"}, "x" * 10_000, None),
        ({"to": "$q", "state": ["done"], "txn": "t"}, "answer", None),
        ({"to": "$q", "state": "later", "txn": "t"}, "answer", None),
        ({"to": 5, "state": "done", "txn": "t"}, "answer", None),
        ({"txn": "t"}, "note", None),
        ({"to": "$q", "state": "done"}, "no transaction", None),
        (None, "answer", None),
    ],
)
def test_only_the_last_part_of_an_ended_answer_answers_a_question(
    mark: object, body: str | None, question: str | None
) -> None:
    content = {REPLY_TYPE: mark, "body": body}
    assert question_answered_by(content) == question
    edited = {"body": "* edited", "m.new_content": content}
    assert question_answered_by(edited) == question


def test_the_final_of_an_anchor_answers_its_question_and_a_live_edit_does_not() -> None:
    live = OutboundMessage(
        "$q.0~b.1", RoomId("!r"), "half", kind=OutboundKind.LIVE, target=EventId("$anchor")
    )
    final = replace(live, txn_id="$q.0.final", kind=OutboundKind.FINAL)
    assert question_answered_by(message_content(live)) is None
    assert question_answered_by(message_content(replace(final, more=True))) is None
    for state in (None, ReplyState.STOPPED, ReplyState.FAILED):
        assert question_answered_by(message_content(replace(final, state=state))) == "$q"


def test_a_long_last_part_ends_the_answer_since_parts_say_that_more_follows() -> None:
    last = OutboundMessage("$q.3", RoomId("!r"), "x" * 10_000)
    assert question_answered_by(message_content(last)) == "$q"
    assert question_answered_by(message_content(replace(last, more=True))) is None


@pytest.mark.parametrize(
    "message",
    [
        OutboundMessage("$q.0", RoomId("!r"), "a"),
        OutboundMessage("$q.3", RoomId("!r"), "a", state=ReplyState.STOPPED, more=True),
        OutboundMessage("$q.dead", RoomId("!r"), "a"),
        OutboundMessage("$q.1.dead", RoomId("!r"), "a", state=ReplyState.FAILED),
        OutboundMessage("$q.0", RoomId("!r"), "a", state=ReplyState.FAILED),
        OutboundMessage("told.!r", RoomId("!r"), "a"),
    ],
)
def test_a_mark_is_read_back_as_it_was_written(message: OutboundMessage) -> None:
    content = message_content(message)
    mark = mark_in(content)
    assert mark is not None
    assert content[REPLY_TYPE] == reply_mark(message)
    assert reply_mark(message)["txn"] == mark.txn
    assert reply_mark(message).get("to") == mark.to
    assert reply_mark(message).get("state", "done") == mark.state
    assert reply_mark(message).get("more", False) == mark.more
    assert mark_in({"body": "* a", "m.new_content": content}) == mark


@pytest.mark.parametrize(
    ("mark", "read"),
    [
        (5, None),
        ({"txn": 5}, None),
        ({"txn": "t", "to": "q", "state": "done"}, ReplyMark("t")),
        ({"txn": "t", "to": "$q", "part": -1, "state": "done"}, ReplyMark("t")),
        ({"txn": "t", "to": "$q", "part": "1", "state": "done"}, ReplyMark("t")),
        ({"txn": "t", "to": "$q", "part": None, "state": "done"}, ReplyMark("t")),
        ({"txn": "t", "to": "$q", "state": "done"}, ReplyMark("t", EventId("$q"))),
    ],
)
def test_a_mark_that_the_bot_did_not_write_names_no_question(
    mark: object, read: ReplyMark | None
) -> None:
    assert mark_in({REPLY_TYPE: mark, "m.mentions": {}, "body": 5}) == read


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {"model": "m", "prompt_tokens": 1},
        {"model": "m", "prompt_tokens": "1", "completion_tokens": 2},
        {"model": 5, "prompt_tokens": 1, "completion_tokens": 2},
        {"model": "m", "prompt_tokens": -1, "completion_tokens": 2},
    ],
)
def test_odd_numbers_of_tokens_are_none(usage: object) -> None:
    assert tokens_in({"io.surfaces.usage": usage}) is None


def test_tokens_and_forgetting_are_read_back() -> None:
    tokens = TokensUsed("a-model", 12, 34)
    content = message_content(OutboundMessage("$q.0", RoomId("!r"), "a", tokens=tokens))
    assert (tokens_in(content), forgets(content)) == (tokens, False)
    assert tokens_in({"m.new_content": content}) == tokens
    notice = message_content(OutboundMessage("$q.0", RoomId("!r"), "a", forgets=True))
    assert (tokens_in(notice), forgets(notice)) == (None, True)


def test_only_the_bots_own_messages_answer() -> None:
    mark = {"to": "$q", "state": "done", "txn": "t"}
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


ROOM, QUESTION, ANCHOR = RoomId("!r"), EventId("$q"), EventId("$anchor")
LIVE_ANCHOR = LiveAnchor(QUESTION, 1, "$q.1", ANCHOR)


def anchor(bundled: object = None, **changes: object) -> Event:
    """An own anchor of a second part, as a homeserver shows it with an edit."""
    content = message_content(OutboundMessage("$q.1", ROOM, "half", kind=OutboundKind.ANCHOR))
    relations = {} if bundled is None else {"m.replace": bundled}
    unsigned = Unsigned(relations=msgspec.Raw(json.dumps(relations).encode()))
    event = Event("m.room.message", ME, content, event_id=ANCHOR, unsigned=unsigned)
    return msgspec.structs.replace(event, **changes)


def edit(kind: OutboundKind, sender: UserId = ME) -> dict[str, object]:
    """An own edit of the anchor as a whole event."""
    txn_id = "$q.1.final" if kind is OutboundKind.FINAL else "$q.1~boot.1"
    content = message_content(OutboundMessage(txn_id, ROOM, "more", kind=kind, target=ANCHOR))
    found = {"type": "m.room.message", "sender": sender, "event_id": "$edit"}
    return {**found, "content": content, "origin_server_ts": 5}


@pytest.mark.parametrize(
    "bundled", [None, edit(OutboundKind.LIVE), edit(OutboundKind.FINAL, ALICE)]
)
def test_an_anchor_is_live_until_the_bot_itself_ends_it(bundled: object) -> None:
    assert live_in([anchor(bundled)], ME) == (LIVE_ANCHOR,)
    assert answered_in([anchor(bundled)], ME) == frozenset()
    assert live_in([anchor(edit(OutboundKind.FINAL))], ME) == ()
    assert answered_in([anchor(edit(OutboundKind.FINAL))], ME) == {QUESTION}


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ALICE},
        {"type": "m.sticker"},
        {"state_key": ""},
        {"event_id": ""},
        {"content": {}},
        {"content": message_content(OutboundMessage("$q.1", ROOM, "whole"))},
        {"content": edit(OutboundKind.LIVE)["content"]},
    ],
)
def test_any_other_event_is_no_anchor(changes: dict[str, object]) -> None:
    assert live_in([anchor(**changes)], ME) == ()


@pytest.mark.parametrize(
    "bundled", [5, "text", [], {"event_id": "$edit", "origin_server_ts": 5, "sender": ME}]
)
def test_an_odd_bundled_edit_counts_as_absent(bundled: object) -> None:
    assert bundled_edit(anchor(bundled)) is None
    assert live_in([anchor(bundled)], ME) == (LIVE_ANCHOR,)
    whole = Unsigned(relations=msgspec.Raw(json.dumps(bundled).encode()))
    assert bundled_edit(anchor(unsigned=whole)) is None
    assert bundled_edit(anchor(unsigned=None)) is None


@pytest.mark.parametrize(
    ("mark", "is_anchor"),
    [
        (ReplyMark("$q.1", QUESTION, 1, ReplyState.LIVE), True),
        (ReplyMark("$q.1~boot.3", QUESTION, 1, ReplyState.LIVE), False),
        (ReplyMark("$q.1", QUESTION, 1, ReplyState.DONE), False),
        (ReplyMark("$q.1", QUESTION, 0, ReplyState.LIVE), False),
        (ReplyMark("$q.1"), False),
        (None, False),
    ],
)
def test_an_anchor_has_the_mark_of_a_live_part(mark: ReplyMark | None, *, is_anchor: bool) -> None:
    assert live_anchor_of(ANCHOR, mark) == (LIVE_ANCHOR if is_anchor else None)


def test_a_growing_answer_is_not_among_the_messages_of_a_page() -> None:
    growing = Event("m.room.message", ME, edit(OutboundKind.LIVE)["content"])  # type: ignore[arg-type]
    ended = Event("m.room.message", ME, edit(OutboundKind.FINAL)["content"])  # type: ignore[arg-type]
    events = [growing, anchor(), said(ALICE, "a question"), ended]
    bodies = [it and it.body for it in said_in(ROOM, events, ME)]
    assert bodies == ["a question", None]
