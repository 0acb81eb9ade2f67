"""The content of what the bot sends."""

from actors.model import EventId, OutboundMessage, RoomId
from actors.rules.reply_mark import REPLY_TYPE
from adapter.matrix.contents import message_content

ROOM, ROOT, QUESTION = RoomId("!room:x"), EventId("$root"), EventId("$question")


def test_an_answer_is_text_and_a_notice_a_notice() -> None:
    answer = message_content(OutboundMessage("t", ROOM, "hi"))
    assert answer == {"msgtype": "m.text", "body": "hi", REPLY_TYPE: {"txn": "t"}}
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
