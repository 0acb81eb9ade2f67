"""What was said, in the events of a homeserver."""

from typing import Any, TypeAlias

import msgspec
import pytest

from actors.model import EventId, ReplyState, TokensUsed, UserId
from actors.said import Redacted, ReplyMark, Said, TimelineEvent
from adapter.matrix.events import decoded_events
from adapter.matrix.saying import names_in, said_in

BOT, ALICE = UserId("@bot:example.org"), UserId("@alice:example.org")
Content: TypeAlias = dict[str, Any]


def event(content: object, sender: str = ALICE, **more: object) -> Content:
    fixed = {"type": "m.room.message", "event_id": "$1", "origin_server_ts": 7}
    return {**fixed, "sender": sender, "content": content, **more}


def read(*events: object) -> tuple[TimelineEvent, ...]:
    raw = [msgspec.Raw(msgspec.json.encode(each)) for each in events]
    return said_in(decoded_events(raw)[0], BOT)


def text(body: str, **more: object) -> Content:
    return {"msgtype": "m.text", "body": body, **more}


def test_a_message_is_read_with_its_thread_and_without_what_clients_add() -> None:
    relation = {"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$2"}}
    (said,) = read(event(text("> <@bob:b> two\n\n@bot: one", **{"m.relates_to": relation})))
    assert said == Said(
        event_id=EventId("$1"),
        sender=ALICE,
        sent_ts=7,
        msgtype="m.text",
        text="one",
        thread=EventId("$root"),
        reply_to=EventId("$2"),
        quoted="two",
    )


def test_our_own_message_is_read_as_it_was_written_with_its_mark() -> None:
    mark = {"txn": "$q.1", "to": "$q", "part": 1, "state": "stopped"}
    usage = {"model": "tiny", "prompt_tokens": 3, "completion_tokens": 4}
    content = text("> a quote", **{"io.surfaces.reply": mark, "io.surfaces.usage": usage})
    (said,) = read(event({**content, "io.surfaces.forget": True}, BOT))
    assert isinstance(said, Said)
    assert said.text == "> a quote"
    assert said.mark == ReplyMark("$q.1", EventId("$q"), 1, ReplyState.STOPPED)
    assert (said.tokens, said.forgets) == (TokensUsed("tiny", 3, 4), True)


def test_marks_of_anybody_else_do_not_count() -> None:
    mark = {"txn": "$q.0", "to": "$q", "part": 0, "state": "done"}
    content = text("one", **{"io.surfaces.reply": mark, "io.surfaces.forget": True})
    (said,) = read(event({**content, "io.surfaces.usage": {"model": "m"}}))
    assert isinstance(said, Said)
    assert (said.mark, said.tokens, said.forgets) == (None, None, False)


def test_an_edit_has_its_new_content_and_what_it_changes() -> None:
    relation = {"rel_type": "m.replace", "event_id": "$0"}
    new = {"msgtype": "m.emote", "body": "new"}
    (edit,) = read(event(text("* new", **{"m.new_content": new, "m.relates_to": relation})))
    assert isinstance(edit, Said)
    assert (edit.edits, edit.text, edit.msgtype) == ("$0", "new", "m.emote")
    assert read(event(text("* new", **{"m.relates_to": relation}))) == ()
    bad = {"rel_type": "m.replace", "event_id": 5}
    assert read(event(text("* new", **{"m.new_content": new, "m.relates_to": bad}))) == ()


def test_an_edit_of_ours_carries_the_mark_of_its_new_content() -> None:
    relation = {"rel_type": "m.replace", "event_id": "$0"}
    mark = {"txn": "$q.0.final", "to": "$q", "part": 0, "state": "done"}
    new = text("whole", **{"io.surfaces.reply": mark})
    (edit,) = read(event(text("*", **{"m.new_content": new, "m.relates_to": relation}), BOT))
    assert isinstance(edit, Said)
    assert edit.mark == ReplyMark("$q.0.final", EventId("$q"))


@pytest.mark.parametrize(
    "redaction", [{"redacts": "$0", "content": {}}, {"content": {"redacts": "$0"}}]
)
def test_a_redaction_names_its_event_in_either_place(redaction: Content) -> None:
    assert read(event({}, type="m.room.redaction", event_id="$9") | redaction) == (
        Redacted(EventId("$0")),
    )


@pytest.mark.parametrize("named", [None, 5, "", "no event", {"event_id": "$0"}, ["$0"]])
def test_a_redaction_of_nothing_is_none(named: object) -> None:
    assert read(event({"redacts": named}, type="m.room.redaction")) == ()


def test_a_message_that_was_redacted_before_is_only_that() -> None:
    because: Content = {"unsigned": {"redacted_because": {"type": "m.room.redaction"}}}
    assert (
        read(event({})) == read(event(text("still here"), **because)) == (Redacted(EventId("$1")),)
    )
    own = event({}, BOT, unsigned={"redacted_because": {}, "transaction_id": "$q.0"})
    assert read(own) == (Redacted(EventId("$1"), "$q.0"),)


def test_other_events_say_nothing() -> None:
    assert (
        read(
            event(text("state"), state_key=""),
            event({"algorithm": "x"}, type="m.room.encrypted"),
            event(text("nameless"), event_id=""),
            event({"body": "a sticker"}, type="m.sticker"),
        )
        == ()
    )


@pytest.mark.parametrize(
    "content",
    [
        {"msgtype": 5, "body": ["x"]},
        {"body": None, "msgtype": "m.text", "m.relates_to": "$x"},
        {"io.surfaces.reply": {"to": ["$q"], "txn": 4, "part": -1, "state": []}},
        {"io.surfaces.reply": {"to": "$q", "txn": "t", "part": "0", "state": "dreamt"}},
        {"io.surfaces.usage": {"model": {}, "prompt_tokens": -1}, "io.surfaces.forget": "yes"},
        {"m.relates_to": {"rel_type": "m.thread", "event_id": {}, "m.in_reply_to": 3}},
        {"msgtype": "m.image", "url": 4, "info": "large"},
    ],
)
@pytest.mark.parametrize("sender", [BOT, ALICE])
def test_odd_contents_are_read_as_far_as_they_go(content: Content, sender: str) -> None:
    (said,) = read(event(content, sender))
    assert isinstance(said, Said)
    assert (said.forgets, said.tokens, said.thread) == (False, None, None)
    assert said.mark is None or said.mark.to is None


def test_names_are_those_of_the_last_member_event() -> None:
    raw = [
        msgspec.Raw(msgspec.json.encode(event(content, type=kind, state_key=ALICE)))
        for kind, content in (
            ("m.room.member", {"displayname": "Alice"}),
            ("m.room.member", {"displayname": 5}),
            ("m.room.other", {"displayname": "Other"}),
        )
    ]
    assert names_in(decoded_events(raw[:1])[0]) == {ALICE: "Alice"}
    assert names_in(decoded_events(raw)[0]) == {ALICE: ""}
