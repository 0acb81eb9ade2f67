"""The checker of streamed answers sees what it is there for, in events made by hand."""

from typing import Any

import pytest

from tests.storyteller import Order, order_in, story_for
from tests.streamed import MOST_EDITS, REPLY, Json, Timeline

BOT, ALICE = "@bot:x", "@alice:x"
ORDER = Order("one", 6, 3)
STORY = ORDER.story
HALF = STORY[: len(STORY) // 2]


def event(number: int, sender: str, content: Json, **more: object) -> Json:
    fields: Json = {"event_id": f"${number}", "sender": sender, "type": "m.room.message"}
    return fields | {"origin_server_ts": number, "content": content} | more


def said(body: str, state: str, part: int = 0, txn: str = "") -> Json:
    mark = {"to": "$1", "part": part, "state": state, "txn": txn or f"$1.{part}"}
    return {"msgtype": "m.text", "body": body, "m.mentions": {}, REPLY: mark}


def edit(target: str, body: str, state: str, part: int = 0) -> Json:
    new = said(body, state, part)
    relation = {"rel_type": "m.replace", "event_id": target}
    outer: Json = {**new, "body": "* …", "m.new_content": new, "m.relates_to": relation}
    return outer


def bundled(event_id: str) -> Json:
    return {"m.relations": {"m.replace": {"event_id": event_id}}}


QUESTION = event(1, ALICE, {"msgtype": "m.text", "body": ORDER.question})


def whole(**changes: Any) -> list[Json]:  # noqa: ANN401  events by their names
    """A room with one answer that grew."""
    events = {
        "question": QUESTION,
        "anchor": event(2, BOT, said(HALF, "live"), unsigned=bundled("$4")),
        "live": event(3, BOT, edit("$2", HALF + "…", "live")),
        "final": event(4, BOT, edit("$2", STORY, "done")),
    } | changes
    return [it for it in events.values() if it]


def problems(*events: Json) -> list[str]:
    return Timeline(events, BOT).problems(story_for)


def test_a_story_is_what_its_question_says() -> None:
    assert order_in(f"Hello. {ORDER.question}\n{ORDER.question}!") == ORDER
    assert "".join(ORDER.pieces) == STORY
    assert len(list(ORDER.pieces)) == 60
    assert STORY.count("\n") == 6


def test_an_answer_that_grew_to_its_end_is_right() -> None:
    assert problems(*whole()) == []
    (question,) = Timeline(whole(), BOT).questions
    assert question.states == ("done",)
    assert question.body == STORY


def test_a_plain_answer_and_one_in_two_parts_are_right() -> None:
    assert problems(QUESTION, event(2, BOT, said(STORY, "done"))) == []
    rest = STORY[len(HALF) :]
    parts = [event(2, BOT, said(HALF, "done")), event(3, BOT, said(rest, "done", 1))]
    assert problems(QUESTION, *parts) == []


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        pytest.param([QUESTION], "is not answered", id="no answer"),
        pytest.param(whole(final=None), "in the states ('live',)", id="left live"),
        pytest.param(
            whole(late=event(5, BOT, edit("$2", HALF, "live"))), "of 2", id="a late live edit"
        ),
        pytest.param(whole(second=event(5, BOT, said(STORY, "done"))), "parts [0, 0]", id="twice"),
        pytest.param(
            whole(second=event(5, BOT, said("more", "done", 2))), "parts [0, 2]", id="a part lost"
        ),
        pytest.param(
            whole(final=event(4, BOT, edit("$2", HALF, "done"))), "characters", id="not whole"
        ),
        pytest.param(
            whole(final=event(4, BOT, edit("$3", STORY, "done"))),
            "$4 edits $3, which is an edit",
            id="an edit of an edit",
        ),
        pytest.param(
            whole(anchor=event(2, BOT, said("…", "live"), unsigned=bundled("$4"))),
            "began with '…'",
            id="a placeholder",
        ),
        pytest.param(
            whole(anchor=event(2, BOT, said("Thinking.", "live"), unsigned=bundled("$4"))),
            "began with 'Thinking.'",
            id="other words",
        ),
        pytest.param(
            whole(anchor=event(2, BOT, said(HALF, "live"), unsigned=bundled("$3"))),
            "the server shows $3",
            id="the server shows another edit",
        ),
        pytest.param(
            whole(final=event(4, BOT, {**edit("$2", STORY, "done"), "m.mentions": None})),
            "mentions somebody",
            id="a mention",
        ),
        pytest.param(
            whole(
                **{
                    f"live{n}": event(4 - n / 100, BOT, edit("$2", HALF, "live"))  # type: ignore[arg-type]
                    for n in range(1, MOST_EDITS)
                }
            ),
            "has 31 edits",
            id="many edits",
        ),
    ],
)
def test_what_is_wrong_is_told(events: list[Json], problem: str) -> None:
    assert any(problem in it for it in problems(*events)), problems(*events)


def test_answers_out_of_order_are_told() -> None:
    second = Order("two", 1, 0)
    asked = event(2, ALICE, {"body": second.question})
    early = said(second.story, "done")
    early[REPLY] |= {"to": "$2"}
    answers = [event(3, BOT, early), event(4, BOT, said(STORY, "done"))]
    (problem,) = problems(QUESTION, asked, *answers)
    assert "not in the order" in problem


def test_what_is_redacted_is_not_there() -> None:
    gone = event(2, BOT, {}, unsigned={"redacted_because": {}})
    now = Timeline([QUESTION, gone, event(3, BOT, said(STORY, "done"))], BOT)
    assert now.problems(story_for) == []
    assert Timeline([event(1, ALICE, {}), event(3, BOT, said(STORY, "done"))], BOT).beside == [
        STORY
    ]


def test_a_table_has_a_line_for_each_event() -> None:
    lines = Timeline(whole(), BOT).table().splitlines()
    assert len(lines) == 4
    assert "$2" in lines[3]
    assert "0 done" in lines[3]
