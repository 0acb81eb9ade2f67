import json
from base64 import b64encode

import pytest

from actors.platform import Attachment, Delta, Done, File, Reason, Text, Thinking, Usage
from actors.port_errors import PlatformFailed, PortError
from adapter.platform.openai.reading import AnswerReader
from adapter.platform.openai.thoughts import Thoughts
from adapter.platform.sse import Comment, Event, Sign


class JudgedError(PortError):
    pass


def chunk(content: object = None, reason: object = None, **more: object) -> Event:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    return Event(json.dumps({"choices": [choice], **more}))


def delta(**fields: object) -> Event:
    return Event(json.dumps({"choices": [{"delta": fields}]}))


DONE = Event("[DONE]")
STOP = chunk(reason="stop")


def read(*signs: Sign) -> list[Delta]:
    """The answer in a stream, without signs of life."""
    reader = AnswerReader(JudgedError)
    found = [part for sign in signs for part in reader.take(sign)]
    return [part for part in (*found, *reader.finish()) if part != Thinking()]


HELLO = [Text("Hello"), Done()]


@pytest.mark.parametrize(
    ("signs", "parts"),
    [
        ([chunk("Hello"), STOP, DONE], HELLO),
        ([chunk("Hello"), STOP], HELLO),
        ([chunk("Hello"), DONE], HELLO),
        ([chunk("Hello", "stop")], HELLO),
        ([chunk(None), chunk("Hello", None), STOP], HELLO),
        ([chunk("Hello", ""), STOP], HELLO),
        ([Comment(), Event(""), Event(" "), chunk("Hello"), STOP], HELLO),
        ([chunk("Hello"), STOP, Event('{"choices": []}')], HELLO),
        ([chunk("Hello"), STOP, Event("{}")], HELLO),
        ([chunk("Hello", service_tier=7, usage=None, model=None), STOP], HELLO),
        ([Event('{"choices": [{"delta": null}]}'), chunk("Hello"), STOP], HELLO),
        ([Event('{"choices": null}'), chunk("Hello"), STOP], HELLO),
        (
            [
                Event('{"choices": [{"index": 1, "delta": {"content": "x"}}]}'),
                chunk("Hello", "stop"),
            ],
            HELLO,
        ),
        ([delta(reasoning_content="hm"), delta(reasoning="hm"), chunk("Hello", "stop")], HELLO),
        ([chunk("<think>Let me"), chunk(" see</thi"), chunk("nk>\nHello"), STOP], HELLO),
        ([chunk([{"type": "text", "text": "Hello"}, {"type": "x"}, 7]), STOP], HELLO),
        ([chunk(["Hello"]), STOP], HELLO),
        ([chunk("<thi"), STOP], [Text("<thi"), Done()]),
        ([delta(refusal="Hello"), STOP], HELLO),
        ([chunk("Hello"), chunk(reason="length")], [Text("Hello"), Done(Reason.LENGTH)]),
        ([chunk("Hello"), chunk(reason="content_filter")], [Text("Hello"), Done(Reason.FILTER)]),
        ([chunk("Hello"), chunk(reason="tool_calls")], HELLO),
        ([STOP], [Done()]),
        ([chunk("a\ud83d"), STOP], [Text("a\ufffd"), Done()]),
        (
            [Event('{"choices": [{"delta": {"content": "a"}, "logprobs": NaN}]}'), STOP],
            [Text("a"), Done()],
        ),
    ],
)
def test_an_answer_has_these_parts(signs: list[Sign], parts: list[Delta]) -> None:
    assert read(*signs) == parts


def test_the_last_usage_comes_before_the_end() -> None:
    used = [{"prompt_tokens": 5, "completion_tokens": each} for each in (1, 2)]
    signs = [chunk("Hello", usage=used[0]), STOP, Event(json.dumps({"usage": used[1]}))]
    assert read(*signs) == [Text("Hello"), Usage(5, 2), Done()]


@pytest.mark.parametrize("usage", ["no", {}, {"prompt_tokens": "5"}, {"prompt_tokens": 0}, [1]])
def test_a_careless_usage_is_no_usage(usage: object) -> None:
    assert read(chunk("Hello", "stop", usage=usage)) == HELLO


@pytest.mark.parametrize("field", ["images", "content"])
def test_a_picture_is_an_attachment(field: str) -> None:
    url = f"data:image/png;base64,{b64encode(b'PNG').decode()}"
    signs = delta(**{field: [{"type": "image_url", "image_url": {"url": url}}]})
    assert read(signs, STOP) == [Attachment(File("picture.png", "image/png", b"PNG")), Done()]


def test_a_picture_elsewhere_is_a_link() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    assert "https://example.org/cat.png" in str(read(delta(images=[part]), STOP)[0])


def test_a_sign_without_text_is_a_sign_of_life() -> None:
    reader = AnswerReader(JudgedError)
    signs: list[Sign] = [Comment(), Event(""), chunk(None), delta(reasoning="hm"), chunk("<think>")]
    assert [list(reader.take(sign)) for sign in signs] == [[Thinking()]] * len(signs)


@pytest.mark.parametrize(
    "signs",
    [
        [],
        [Comment()],
        [DONE],
        [chunk("Hello")],
        [chunk("Hello"), Event('{"choices": []}')],
        [chunk("Hello"), chunk(reason="error")],
        [chunk("Hello"), Event("{broken"), STOP],
        [chunk("Hello"), Event('"text"'), STOP],
        [chunk("Hello"), Event('{"choices": 7}'), STOP],
        [delta(images=[{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}])],
    ],
)
def test_an_answer_that_is_not_whole_has_failed(signs: list[Sign]) -> None:
    with pytest.raises(PlatformFailed):
        read(*signs)


@pytest.mark.parametrize(
    "sign",
    [
        Event('{"error": {"message": "no"}}'),
        Event('{"error": "no"}'),
        Event('{"object": "error", "message": "no"}'),
        Event('{"message": "no"}', "error"),
    ],
)
def test_an_error_within_an_answer_is_judged(sign: Event) -> None:
    with pytest.raises(JudgedError, match="no"):
        read(chunk("Hello"), sign)


def test_a_completion_in_one_piece_is_an_answer() -> None:
    choice = {"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 5, "completion_tokens": 2}
    body = json.dumps({"model": "m", "choices": [choice], "usage": usage})
    reader = AnswerReader(JudgedError)
    assert list(reader.take_whole(body)) == [Text("Hello"), Usage(5, 2), Done()]
    assert reader.model == "m"


def test_a_whole_message_at_the_end_of_a_stream_repeats_nothing() -> None:
    last = {"message": {"content": "Hello"}, "finish_reason": "stop"}
    assert read(chunk("Hello"), Event(json.dumps({"choices": [last]}))) == HELLO


@pytest.mark.parametrize(
    ("pieces", "answer"),
    [
        (["Hello"], "Hello"),
        (["<think>a</think>Hello"], "Hello"),
        (["\n", "<th", "ink", ">a", "</th", "ink>", "\n\nHello", "!"], "Hello!"),
        (["<thin", "g>"], "<thing>"),
        (["<thi"], "<thi"),
        (["a <think>b</think>"], "a <think>b</think>"),
        (["<think>without end"], ""),
        (["", " "], " "),
    ],
)
def test_thoughts_in_front_of_an_answer_are_taken_out(pieces: list[str], answer: str) -> None:
    thoughts = Thoughts()
    assert "".join(map(thoughts.feed, pieces)) + thoughts.end() == answer
