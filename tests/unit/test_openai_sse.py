from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.port_errors import PlatformFailed
from adapter.platform import sse
from adapter.platform.sse import Comment, Event, EventParser, Sign


def parsed(*chunks: bytes) -> list[Sign]:
    parser = EventParser()
    return [sign for chunk in chunks for sign in parser.feed(chunk)] + parser.end()


@pytest.mark.parametrize(
    ("stream", "signs"),
    [
        (b"data: a\n\n", [Event("a")]),
        (b"data: a\r\n\r\n", [Event("a")]),
        (b"data: a\r\r", [Event("a")]),
        (b"data: a\r\n\ndata: b\n\r", [Event("a"), Event("b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"data:a\n\n", [Event("a")]),
        (b"data:  a\n\n", [Event(" a")]),
        (b"data: a\ndata: b\n\n", [Event("a\nb")]),
        (b"data\n\n", [Event("")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [Event("a", "error"), Event("b")]),
        (b"event: ping\n\ndata: a\n\n", [Event("a")]),
        (b": OPENROUTER PROCESSING\n\n", [Comment()]),
        (b":\n", [Comment()]),
        (b"id: 7\nretry: 10\ndata: a\nunknown: b\n\n", [Event("a")]),
        (b"data: a\n\ndata: b", [Event("a"), Event("b")]),
        (b"data: a\n", [Event("a")]),
        (b"data: \xd0\n\n", [Event("\ufffd")]),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_a_stream_has_these_events(stream: bytes, signs: list[Sign]) -> None:
    assert parsed(stream) == signs


LINES = st.sampled_from(
    [
        b"data: a",
        b"data:",
        b"data",
        b"event: e",
        b": c",
        b"",
        b"",
        b"\xd0\x9f: x",
        b"data: \xd0\x9f",
    ]
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.lists(st.tuples(LINES, ENDS)).map(lambda it: b"".join(map(b"".join, it)))


@given(stream=STREAMS, marked=st.booleans(), cuts=st.lists(st.integers(0, 200)))
def test_a_stream_has_the_same_events_however_it_is_cut(
    stream: bytes, *, marked: bool, cuts: list[int]
) -> None:
    stream = b"\xef\xbb\xbf" + stream if marked else stream
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert parsed(*pieces) == parsed(stream)
    assert parsed(*(bytes([byte]) for byte in stream)) == parsed(stream)


@pytest.mark.parametrize("stream", [b"data: " + b"a" * 50, b"data: 23456789\n" * 9])
def test_an_event_without_end_is_not_kept_in_memory(
    stream: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "EVENT_BYTES", 40)
    with pytest.raises(PlatformFailed, match="an event of more than 40 bytes"):
        parsed(stream)
    assert parsed(b"data: 1\n\n" * 50)
