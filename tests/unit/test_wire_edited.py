"""How the bot reads single messages and their newest edits, over real sockets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from aiohttp import web

from actors.model import EventId, InboundMessage, OutboundKind, OutboundMessage, RoomId, UserId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable
from actors.room_contents import Edited
from adapter.matrix.contents import message_content
from adapter.matrix.gateway import Gateway

pytestmark = pytest.mark.anyio

ME, ALICE = UserId("@bot:x"), UserId("@alice:x")
ROOM, ANCHOR, QUESTION = RoomId("!room"), EventId("$anchor"), EventId("$q")
EVENT: Final = "/_matrix/client/v3/rooms/!room/event/"
EDITS: Final = "/_matrix/client/v1/rooms/!room/relations/$anchor/m.replace/m.room.message"
GONE: Final = 404, {"errcode": "M_NOT_FOUND", "error": "no event"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """A homeserver with an answer for each path."""

    def __init__(self, answers: dict[str, tuple[int, object]]) -> None:
        self.answers = answers
        self.paths: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.path)
        status, body = self.answers.get(request.path, GONE)
        return web.json_response(body, status=status)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[Gateway]:
        runner = web.ServerRunner(web.Server(self.handle))
        await runner.setup()
        try:
            await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
            gateway = Gateway(site.name, ME, access_token="t")
            gateway._http.resume(gateway.me, "SURFACESBOT", "t")
            try:
                yield gateway
            finally:
                await gateway.close()
        finally:
            await runner.cleanup()

    async def edited(self) -> Edited:
        async with self.gateway() as gateway:
            return await gateway.contents.edited(ROOM, ANCHOR)

    async def question(self) -> InboundMessage | None:
        async with self.gateway() as gateway:
            return await gateway.contents.question(ROOM, QUESTION)


def event(
    content: object, event_id: str = ANCHOR, sender: str = ME, ts: int = 1, bundled: object = None
) -> dict[str, object]:
    unsigned = {} if bundled is None else {"m.relations": {"m.replace": bundled}}
    named = {"type": "m.room.message", "event_id": event_id, "sender": sender}
    return {**named, "content": content, "origin_server_ts": ts, "unsigned": unsigned}


def edit(text: str, ts: int, event_id: str = "$edit", sender: str = ME) -> dict[str, object]:
    live = OutboundMessage("$q.0~b.1", ROOM, text, kind=OutboundKind.LIVE, target=ANCHOR)
    return event(message_content(live), event_id, sender, ts)


ORIGINAL: Final = message_content(OutboundMessage("$q.0", ROOM, "A", kind=OutboundKind.ANCHOR))


async def test_the_newest_edit_comes_with_its_message() -> None:
    server = Server({f"{EVENT}$anchor": (200, event(ORIGINAL, bundled=edit("AB", 2)))})
    edited = await server.edited()
    assert edited.newest is not None
    assert (edited.newest.text, edited.newest.edits, edited.bundled) == ("AB", ANCHOR, True)
    assert server.paths == [f"{EVENT}$anchor"]


ODD: Final = [
    None,
    5,
    {"event_id": "$edit", "origin_server_ts": 2, "sender": ME},
    edit("AB", 2, sender=ALICE),
    event({"body": "* AB", "m.relates_to": {"rel_type": "m.replace"}}, "$edit"),
]


@pytest.mark.parametrize("bundled", ODD)
async def test_an_edit_that_did_not_come_is_looked_for_and_the_newest_counts(
    bundled: object,
) -> None:
    edits = [
        edit("AB", 2, "$later"),
        edit("ABC", 3, "$a"),
        edit("ABCD", 3, "$b"),
        edit("forged", 9, "$forged", ALICE),
        event({}, "$redacted", ts=10),
        5,
    ]
    answers = {f"{EVENT}$anchor": (200, event(ORIGINAL, bundled=bundled))}
    edited = await Server({**answers, EDITS: (200, {"chunk": edits})}).edited()
    assert edited.newest is not None
    assert (edited.newest.text, edited.bundled) == ("ABCD", False)
    without = await Server({**answers, EDITS: (200, {"chunk": []})}).edited()
    assert without.original is not None
    assert (without.newest, without.bundled, without.original.text) == (None, True, "A")


async def test_a_redacted_message_has_no_edit_and_a_message_that_is_gone_is_refused() -> None:
    redacted = Server(
        {f"{EVENT}$anchor": (200, event({})), EDITS: (200, {"chunk": [edit("A", 2)]})}
    )
    assert await redacted.edited() == Edited(None, bundled=True)
    with pytest.raises(HomeserverRefused):
        await Server({}).edited()


async def test_a_question_is_read_as_the_inbox_gets_it() -> None:
    content = {"msgtype": "m.text", "body": "why?"}
    server = Server({f"{EVENT}$q": (200, event(content, QUESTION, ALICE, 7))})
    asked = await server.question()
    assert asked == InboundMessage(QUESTION, ROOM, ALICE, 7, "m.text", "why?")


@pytest.mark.parametrize(
    "answer",
    [
        GONE,
        (200, event({}, QUESTION, ALICE)),
        (200, event({"msgtype": "m.text", "body": "ours"}, QUESTION)),
        (200, {"type": "m.room.name", "sender": ALICE, "state_key": "", "content": {"name": "x"}}),
    ],
)
async def test_what_is_no_message_of_a_person_is_no_question(answer: tuple[int, object]) -> None:
    assert await Server({f"{EVENT}$q": answer}).question() is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((403, {"errcode": "M_FORBIDDEN", "error": "not in the room"}), HomeserverRefused),
        ((502, {}), HomeserverUnavailable),
        ((200, {"sender": ALICE}), HomeserverUnavailable),
    ],
)
async def test_an_answer_that_says_nothing_about_the_question_is_an_error(
    answer: tuple[int, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await Server({f"{EVENT}$q": answer}).question()
