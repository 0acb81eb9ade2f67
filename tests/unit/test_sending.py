"""What becomes of a message that the homeserver does not take as it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.model import EventId, OutboundKind, OutboundMessage, RoomId
from actors.port_errors import HomeserverRefused
from adapter.matrix.sending import send_somewhere, send_what_fits, smaller_forms

pytestmark = pytest.mark.anyio

ROOM, SENT = RoomId("!room:x"), EventId("$sent")
LONG = OutboundMessage("t", ROOM, "word " * 2_000, html="<p>word</p>")


class Server:
    """Takes the messages that a test lets it, and refuses the others."""

    def __init__(self, takes: Callable[[OutboundMessage], bool], status: int, code: str) -> None:
        self.takes, self.status, self.code = takes, status, code
        self.asked: list[OutboundMessage] = []
        self.shows: set[EventId] = set()
        """The events that it has."""

    async def has_event(self, room_id: RoomId, event_id: EventId) -> bool:
        assert room_id == ROOM
        return event_id in self.shows

    async def send(self, message: OutboundMessage) -> EventId:
        self.asked.append(message)
        if not self.takes(message):
            raise HomeserverRefused(self.status, self.code, "refused")
        return SENT


def too_large(takes: Callable[[OutboundMessage], bool]) -> Server:
    return Server(takes, 413, "M_TOO_LARGE")


async def test_a_message_that_fits_is_sent_as_it_is() -> None:
    server = too_large(lambda _: True)
    assert await send_what_fits(LONG, server.send) == SENT
    assert server.asked == [LONG]


async def test_a_message_that_is_too_large_is_sent_without_html_first() -> None:
    server = too_large(lambda message: not message.html)
    assert await send_what_fits(LONG, server.send) == SENT
    assert [(it.body, it.html) for it in server.asked] == [
        (LONG.body, LONG.html),
        (LONG.body, ""),
    ]


async def test_a_message_that_is_still_too_large_is_cut_and_says_so() -> None:
    server = too_large(lambda message: len(message.body) < 5_000)
    assert await send_what_fits(LONG, server.send) == SENT
    sent = server.asked[-1]
    assert (sent.txn_id, sent.html) == ("t", "")
    assert sent.body.startswith("word word")
    assert sent.body.endswith("word\n\n[…]")


async def test_a_message_that_is_never_small_enough_is_refused() -> None:
    server = too_large(lambda _: False)
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await send_what_fits(LONG, server.send)
    assert len(server.asked) == 3


async def test_another_refusal_is_about_the_message_and_not_its_size() -> None:
    server = Server(lambda _: False, 403, "M_FORBIDDEN")
    with pytest.raises(HomeserverRefused, match="M_FORBIDDEN"):
        await send_what_fits(LONG, server.send)
    assert server.asked == [LONG]


def test_a_short_plain_message_has_no_smaller_form() -> None:
    assert smaller_forms(OutboundMessage("t", ROOM, "hi")) == ()


async def test_a_thread_that_takes_no_message_is_left_and_a_large_message_stays_in_it() -> None:
    threaded = OutboundMessage("t", ROOM, "hi", thread=EventId("$root"))
    server = Server(lambda message: message.thread is None, 400, "M_UNKNOWN")
    assert await send_somewhere(threaded, server.send, server.has_event) == SENT
    assert [message.thread for message in server.asked] == ["$root", None]
    with pytest.raises(HomeserverRefused):
        await send_somewhere(threaded, too_large(lambda _: False).send, server.has_event)


FINAL = OutboundMessage(
    "$q.0.final",
    ROOM,
    "the end",
    thread=EventId("$root"),
    kind=OutboundKind.FINAL,
    target=EventId("$anchor"),
)


@pytest.mark.parametrize("status", [400, 404])
async def test_a_final_whose_anchor_is_gone_becomes_a_message_in_the_thread(status: int) -> None:
    server = Server(lambda message: message.target is None, status, "M_UNKNOWN")
    assert await send_somewhere(FINAL, server.send, server.has_event) == SENT
    assert server.asked == [FINAL, replace(FINAL, target=None)]


async def test_a_final_whose_anchor_and_thread_are_gone_becomes_a_message_outside() -> None:
    server = Server(lambda message: message.thread is None, 404, "M_NOT_FOUND")
    assert await send_somewhere(FINAL, server.send, server.has_event) == SENT
    assert server.asked[-1] == replace(FINAL, target=None, thread=None)


@pytest.mark.parametrize(("status", "code"), [(403, "M_FORBIDDEN"), (400, "M_TOO_LARGE")])
async def test_another_refusal_of_a_final_is_not_about_its_anchor(status: int, code: str) -> None:
    server = Server(lambda _: False, status, code)
    with pytest.raises(HomeserverRefused, match=code):
        await send_somewhere(FINAL, server.send, server.has_event)
    assert server.asked == [FINAL]


async def test_a_final_is_refused_as_long_as_its_anchor_is_there() -> None:
    server = Server(lambda message: message.target is None, 400, "M_UNKNOWN")
    server.shows.add(EventId("$anchor"))
    with pytest.raises(HomeserverRefused, match="M_UNKNOWN"):
        await send_somewhere(FINAL, server.send, server.has_event)
    assert server.asked == [FINAL]
