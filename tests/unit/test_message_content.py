"""The content of what the bot sends."""

from dataclasses import replace

import pytest

from actors.model import (
    EventId,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
    SharedFile,
    TokensUsed,
)
from actors.rules.reply_mark import REPLY_TYPE
from adapter.matrix.contents import message_content

ROOM, ROOT, QUESTION = RoomId("!room:x"), EventId("$root"), EventId("$question")


def test_an_answer_is_text_and_a_notice_a_notice() -> None:
    answer = message_content(OutboundMessage("t", ROOM, "hi"))
    assert answer == {
        "msgtype": "m.text",
        "body": "hi",
        "m.mentions": {},
        REPLY_TYPE: {"txn": "t"},
    }
    notice = message_content(OutboundMessage("t", ROOM, "hi", notice=True))
    assert notice == {**answer, "msgtype": "m.notice"}


def test_an_answer_in_a_thread_names_the_question_for_clients_without_threads() -> None:
    content = message_content(OutboundMessage("t", ROOM, "hi", thread=ROOT, reply_to=QUESTION))
    assert content["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$question"},
    }


def test_a_message_in_a_thread_that_answers_no_single_message_names_the_root() -> None:
    content = message_content(OutboundMessage("t", ROOM, "hi", thread=ROOT))
    assert content["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": "$root",
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": "$root"},
    }


def test_a_reply_outside_of_threads_has_no_type() -> None:
    content = message_content(OutboundMessage("t", ROOM, "hi", reply_to=QUESTION))
    assert content["m.relates_to"] == {"m.in_reply_to": {"event_id": "$question"}}


def test_a_formatted_answer_has_its_html_beside_its_text() -> None:
    content = message_content(OutboundMessage("t", ROOM, "*hi*", html="<em>hi</em>"))
    assert content["body"] == "*hi*"
    assert content["format"] == "org.matrix.custom.html"
    assert content["formatted_body"] == "<em>hi</em>"


def test_whoever_an_answer_names_is_not_notified() -> None:
    body = "@room @alice:x [Alice](https://matrix.to/#/@alice:x)"
    assert message_content(OutboundMessage("t", ROOM, body))["m.mentions"] == {}


@pytest.mark.parametrize(
    ("mime_type", "msgtype"),
    [
        ("image/png", "m.image"),
        ("audio/ogg", "m.audio"),
        ("video/mp4", "m.video"),
        ("text/csv", "m.file"),
        ("", "m.file"),
    ],
)
def test_a_file_is_shown_by_its_kind(mime_type: str, msgtype: str) -> None:
    file = SharedFile("mxc://x/1", "name", mime_type, 5)
    content = message_content(OutboundMessage("$q.1", ROOM, "", file=file))
    assert content == {
        "msgtype": msgtype,
        "body": "name",
        "filename": "name",
        "url": "mxc://x/1",
        "info": {"mimetype": mime_type, "size": 5},
        "m.mentions": {},
        REPLY_TYPE: {"to": "$q", "part": 1, "state": "done", "txn": "$q.1"},
    }


def test_the_text_of_a_file_is_its_caption_and_an_unknown_size_is_left_out() -> None:
    file = SharedFile("mxc://x/1", "a.png", "image/png")
    content = message_content(OutboundMessage("t", ROOM, "*A*", file=file, html="<em>A</em>"))
    assert (content["body"], content["filename"]) == ("*A*", "a.png")
    assert content["info"] == {"mimetype": "image/png"}
    assert content["formatted_body"] == "<em>A</em>"


def test_the_tokens_of_an_answer_stand_beside_its_mark() -> None:
    tokens = TokensUsed("a-model", 12, 34)
    content = message_content(OutboundMessage("$q.0", ROOM, "hi", tokens=tokens))
    usage = {"model": "a-model", "prompt_tokens": 12, "completion_tokens": 34}
    assert content["io.surfaces.usage"] == usage


ANCHOR = OutboundMessage(
    "$q.1", ROOM, "A *beginning*", thread=ROOT, html="A <em>b</em>", kind=OutboundKind.ANCHOR
)
LIVE = replace(
    ANCHOR, txn_id="$q.1~boot.7", kind=OutboundKind.LIVE, edits="$q.1", target=EventId("$anchor")
)
FINAL = replace(
    LIVE,
    txn_id="$q.1.final",
    kind=OutboundKind.FINAL,
    body="A *beginning* and its end",
    tokens=TokensUsed("a-model", 12, 34),
)


def test_an_anchor_is_a_message_that_says_that_it_grows() -> None:
    content = message_content(ANCHOR)
    assert content["org.matrix.msc4357.live"] == {}
    assert content[REPLY_TYPE] == {"to": "$q", "part": 1, "state": "live", "txn": "$q.1"}
    del content["org.matrix.msc4357.live"], content[REPLY_TYPE]
    plain = message_content(replace(ANCHOR, kind=OutboundKind.MESSAGE))
    del plain[REPLY_TYPE]
    assert content == plain


def test_a_live_edit_has_the_whole_text_inside_and_the_mark_twice() -> None:
    mark = {"to": "$q", "part": 1, "state": "live", "txn": "$q.1~boot.7"}
    inside = {
        "msgtype": "m.text",
        "body": "A *beginning*",
        "format": "org.matrix.custom.html",
        "formatted_body": "A <em>b</em>",
        "m.mentions": {},
        "org.matrix.msc4357.live": {},
        REPLY_TYPE: mark,
    }
    assert message_content(LIVE) == {
        "msgtype": "m.text",
        "body": "* A *beginning*",
        "m.mentions": {},
        "org.matrix.msc4357.live": {},
        REPLY_TYPE: mark,
        "m.new_content": inside,
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$anchor"},
    }


def test_a_final_does_not_grow_any_more_and_has_the_tokens() -> None:
    content = message_content(FINAL)
    inside = content["m.new_content"]
    assert isinstance(inside, dict)
    mark = {"to": "$q", "part": 1, "state": "done", "txn": "$q.1.final"}
    assert content[REPLY_TYPE] == inside[REPLY_TYPE] == mark
    assert inside["body"] == FINAL.body
    assert inside["io.surfaces.usage"]["completion_tokens"] == 34
    assert "org.matrix.msc4357.live" not in {*content, *inside}
    assert "io.surfaces.usage" not in content


def test_a_final_that_reports_a_failure_is_a_notice_inside_and_outside() -> None:
    failed = replace(FINAL, body="No answer.", notice=True, state=ReplyState.FAILED)
    content = message_content(failed)
    inside = content["m.new_content"]
    assert isinstance(inside, dict)
    assert (content["msgtype"], inside["msgtype"]) == ("m.notice", "m.notice")
    assert inside[REPLY_TYPE]["state"] == "failed"


def test_an_edit_shows_only_a_beginning_outside() -> None:
    content = message_content(replace(FINAL, body="word " * 5_000, html="<p>word</p>" * 2_000))
    assert content["body"] == "* " + "word " * 20 + "…"
    assert "formatted_body" not in content


def test_a_final_without_a_target_is_a_message_of_its_own() -> None:
    content = message_content(replace(FINAL, target=None))
    assert "m.new_content" not in content
    assert content["body"] == FINAL.body
    assert content[REPLY_TYPE] == {"to": "$q", "part": 1, "state": "done", "txn": "$q.1.final"}
    assert content["m.relates_to"] == message_content(ANCHOR)["m.relates_to"]
