"""The content of what the bot sends."""

import pytest

from actors.model import EventId, OutboundMessage, RoomId, SharedFile, TokensUsed
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
