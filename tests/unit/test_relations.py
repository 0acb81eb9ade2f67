"""How a message relates to others, and what of that is kept with it."""

import msgspec
import pytest

from actors.model import EventId, InboundMessage, RoomId, UserId
from adapter.matrix.bodies import Event
from adapter.matrix.relations import Relation, relation_of
from adapter.matrix.timeline import inbound_messages

ME, ALICE, ROOM = UserId("@bot:x"), UserId("@alice:x"), RoomId("!room:x")
BEFORE, ROOT = EventId("$before"), EventId("$root")
REPLY = {"m.in_reply_to": {"event_id": "$before"}}
THREAD = {"rel_type": "m.thread", "event_id": "$root"}


@pytest.mark.parametrize(
    ("relates_to", "relation"),
    [
        (REPLY, Relation(reply_to=BEFORE, has_fallback=True)),
        (THREAD, Relation(thread=ROOT)),
        (
            {**THREAD, **REPLY, "is_falling_back": True},
            Relation(thread=ROOT, has_fallback=True),
        ),
        (
            {**THREAD, **REPLY, "is_falling_back": False},
            Relation(thread=ROOT, reply_to=BEFORE, has_fallback=True),
        ),
        (
            {**THREAD, **REPLY},
            Relation(thread=ROOT, reply_to=BEFORE, has_fallback=True),
        ),
        ({"rel_type": "m.replace", "event_id": "$before"}, Relation(is_edit=True, edits=BEFORE)),
        ({**REPLY, "is_falling_back": True}, Relation(reply_to=BEFORE, has_fallback=True)),
        ({"rel_type": "m.reference", "event_id": "$before"}, Relation()),
    ],
)
def test_threads_replies_and_edits_are_told_apart(relates_to: object, relation: Relation) -> None:
    assert relation_of({"m.relates_to": relates_to}) == relation


@pytest.mark.parametrize("event_id", [None, 7, "", "$", "root", "!room:x", ["$a"], "$" + "x" * 255])
def test_what_is_no_event_id_is_no_relation(event_id: object) -> None:
    thread = {**THREAD, "event_id": event_id}
    reply = {"m.in_reply_to": {"event_id": event_id}}
    assert relation_of({"m.relates_to": {**thread, **reply}}) == Relation()


@pytest.mark.parametrize("relates_to", [None, [], "$a", 7, {"m.in_reply_to": None}, {}])
def test_a_malformed_relation_is_none(relates_to: object) -> None:
    assert relation_of({"m.relates_to": relates_to}) == Relation()
    assert relation_of({}) == Relation()


def read(content: object) -> InboundMessage:
    raw = {"type": "m.room.message", "sender": ALICE, "content": content, "event_id": "$e"}
    (message,) = inbound_messages(ROOM, [msgspec.convert(raw, Event)], ME)
    return message


def test_the_quote_of_a_reply_is_kept_and_that_of_a_thread_is_not() -> None:
    text = {"msgtype": "m.text", "body": "> <@bot:x> one\n\n@bot:x: two"}
    replied = read({**text, "m.relates_to": REPLY})
    assert (replied.body, replied.quoted, replied.reply_to) == ("two", "one", "$before")
    threaded = read({**text, "m.relates_to": {**THREAD, **REPLY, "is_falling_back": True}})
    assert (threaded.body, threaded.quoted, threaded.reply_to) == ("two", "", None)
    assert threaded.thread == "$root"


def test_a_captioned_file_is_a_text_and_any_other_file_is_not() -> None:
    picture = {"msgtype": "m.image", "body": "what is it?", "filename": "cat.png"}
    assert (read(picture).msgtype, read(picture).body) == ("m.text", "what is it?")
    picture["body"] = "cat.png"
    assert (read(picture).msgtype, read(picture).body) == ("m.image", "")
