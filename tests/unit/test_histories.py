"""Which rooms' histories are in memory, and what becomes of them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from actors.bounds import Bounds
from actors.histories import Histories
from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    RoomId,
    TokensUsed,
    UserId,
)
from actors.port_errors import HomeserverUnavailable
from actors.ports import Homeserver, RoomDelta, StateStore
from actors.rules.history import Budget, Drafts
from actors.said import Redacted, ReplyMark, Said, SaidPage, TimelineEvent

BOT, ALICE, BORIS = (UserId(f"@{name}:example.org") for name in ("bot", "alice", "boris"))
ROOM, OTHER = RoomId("!room"), RoomId("!other")
PLENTY = Budget(10_000)
PAGE = 3

pytestmark = pytest.mark.anyio


def nothing() -> None:
    pass


class Server:
    """A homeserver with a few rooms, and the outbox. Implements the ports in part."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self.me = BOT
        self.events: defaultdict[RoomId, list[TimelineEvent]] = defaultdict(list)
        self.outbox: list[OutboundMessage] = []
        self.pages = 0
        self.error: Exception | None = None
        self.meanwhile: Callable[[], object] = nothing
        self.histories = self.started_again(bounds)

    def started_again(self, bounds: Bounds = Bounds()) -> Histories:
        homeserver, store = cast("Homeserver", self), cast("StateStore", self)
        return Histories(homeserver, store, bounds, {"retry", "help"})

    @property
    def contents(self) -> "Server":
        return self

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        return tuple(it for it in self.outbox if it.room_id == room_id)[:limit]

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        self.pages += 1
        if self.error is not None:
            raise self.error
        events = self.events[room_id]
        end = len(events) if token is None else int(token)
        start = max(0, end - PAGE)
        self.meanwhile()
        page = tuple(reversed(events[start:end]))
        return SaidPage(page, str(start) if start else None, {ALICE: "Alice"})

    def happen(self, event: TimelineEvent, room_id: RoomId = ROOM, **more: Any) -> None:  # noqa: ANN401
        """Let something happen, and tell it."""
        self.events[room_id].append(event)
        self.histories.note(RoomDelta(room_id, said=(event,), **more))

    def say(
        self,
        text: str,
        sender: UserId = ALICE,
        room_id: RoomId = ROOM,
        **more: Any,  # noqa: ANN401
    ) -> InboundMessage:
        number = len(self.events[room_id])
        said = Said(EventId(f"${number}"), sender, number, "m.text", text, **more)
        self.happen(said, room_id)
        return InboundMessage(said.event_id, room_id, sender, number, "m.text", text)

    def reply(self, to: InboundMessage, text: str) -> None:
        mark = ReplyMark(f"{to.event_id}.0", to.event_id)
        self.say(text, BOT, to.room_id, mark=mark, tokens=TokensUsed("m", 2, 3))


@pytest.fixture
def server() -> Server:
    return Server()


def texts(drafts: Drafts | None) -> list[str]:
    assert drafts is not None
    return [turn.text for turn in drafts.turns]


async def test_a_room_is_read_once_and_followed(server: Server) -> None:
    for number in range(5):
        server.reply(server.say(f"{number}"), "yes")
    last = server.say("last")
    assert len(texts(await server.histories.drafts(last, PLENTY))) == 11
    read = server.pages
    server.reply(last, "no")
    assert texts(await server.histories.drafts(server.say("new"), PLENTY))[-2:] == ["no", "new"]
    assert server.pages == read


async def test_only_as_much_is_read_as_the_budget_needs() -> None:
    server = Server(Bounds(history_pages=100))
    for number in range(50):
        server.reply(server.say(f"question {number}"), "yes")
    drafts = await server.histories.drafts(server.say("last"), Budget(30))
    assert drafts is not None
    assert drafts.trimmed
    assert server.pages < 10
    assert len(texts(await server.histories.drafts(server.say("new"), PLENTY))) == 101


async def test_a_homeserver_that_is_away_is_asked_again(server: Server) -> None:
    server.reply(server.say("one"), "1")
    two = server.say("two")
    server.error = HomeserverUnavailable("away")
    with pytest.raises(HomeserverUnavailable):
        await server.histories.drafts(two, PLENTY)
    server.error = None
    assert texts(await server.histories.drafts(two, PLENTY)) == ["one", "1", "two"]


async def test_a_gap_makes_the_room_be_read_again(server: Server) -> None:
    one = server.say("one")
    await server.histories.drafts(one, PLENTY)
    server.events[ROOM].append(Said(EventId("$lost"), ALICE, 5, "m.text", "lost"))
    server.happen(Redacted(EventId("$unknown")), gap_from="t1")
    assert server.histories.rooms == 0
    assert texts(await server.histories.drafts(server.say("two"), PLENTY)) == ["one\n\nlost\n\ntwo"]


async def test_a_redacted_edit_makes_the_room_be_read_again(server: Server) -> None:
    one = server.say("one")
    await server.histories.drafts(one, PLENTY)
    server.say("uno", edits=one.event_id)
    edit = server.say("eins", edits=one.event_id)
    assert texts(await server.histories.drafts(one, PLENTY)) == ["eins"]
    server.events[ROOM] = [it for it in server.events[ROOM] if it.event_id != edit.event_id]
    server.histories.note(RoomDelta(ROOM, said=(Redacted(edit.event_id),)))
    assert texts(await server.histories.drafts(one, PLENTY)) == ["uno"]


async def test_a_redacted_question_has_no_conversation(server: Server) -> None:
    one = server.say("one")
    await server.histories.drafts(one, PLENTY)
    server.histories.note(RoomDelta(ROOM, said=(Redacted(one.event_id),)))
    assert await server.histories.drafts(one, PLENTY) is None


async def test_a_new_speaker_is_named_as_soon_as_the_room_was_read_again(server: Server) -> None:
    await server.histories.drafts(server.say("one"), PLENTY)
    two = server.say("two", BORIS)
    assert server.histories.rooms == 0
    assert texts(await server.histories.drafts(two, PLENTY)) == ["Alice: one\n\nboris: two"]
    server.happen(Redacted(EventId("$unknown")), names={BORIS: "Борис"})
    assert texts(await server.histories.drafts(two, PLENTY)) == ["Alice: one\n\nБорис: two"]


async def test_what_waits_in_the_outbox_counts_after_a_restart(server: Server) -> None:
    one = server.say("one")
    await server.histories.drafts(one, PLENTY)
    message = OutboundMessage(f"{one.event_id}.0", ROOM, "1")
    server.histories.note_queued(message)
    server.histories.note_queued(replace(message, room_id=OTHER))
    server.outbox.append(message)
    two = server.say("two")
    for histories in (server.histories, server.started_again()):
        assert texts(await histories.drafts(two, PLENTY)) == ["one", "1", "two"]
    server.reply(one, "1")
    assert texts(await server.histories.drafts(two, PLENTY)) == ["one", "1", "two"]


async def test_a_final_in_the_outbox_counts_after_a_restart_and_a_redaction_says_nothing(
    server: Server,
) -> None:
    one = server.say("one")
    await server.histories.drafts(one, PLENTY)
    anchor = OutboundMessage(f"{one.event_id}.0", ROOM, "half", kind=OutboundKind.ANCHOR)
    final = replace(
        anchor, txn_id=f"{anchor.txn_id}.final", body="1", kind=OutboundKind.FINAL, edits="$0.0"
    )
    redaction = replace(
        anchor, txn_id=f"{one.event_id}.1.redact", body="", kind=OutboundKind.REDACTION
    )
    for message in (anchor, final, redaction):
        server.histories.note_queued(message)
        server.outbox.append(message)
    two = server.say("two")
    for histories in (server.histories, server.started_again()):
        assert texts(await histories.drafts(two, PLENTY)) == ["one", "1", "two"]


async def test_news_that_come_while_a_room_is_read_are_neither_lost_nor_doubled(
    server: Server,
) -> None:
    for number in range(5):
        server.reply(server.say(f"{number}"), "yes")
    last = server.say("last")
    before = await server.histories.drafts(last, PLENTY)
    server.histories.drop(ROOM)

    def news() -> None:
        server.meanwhile = nothing
        server.reply(last, "meanwhile")

    server.meanwhile = news
    assert await server.histories.drafts(last, PLENTY) == before
    assert texts(await server.histories.drafts(server.say("new"), PLENTY))[-3:] == [
        *("last", "meanwhile", "new")
    ]


async def test_a_page_that_does_not_follow_on_the_news_is_read_again(server: Server) -> None:
    for number in range(6):
        server.say(f"{number}")
    last = server.say("last")

    def news() -> None:
        server.meanwhile = nothing
        server.histories.note(RoomDelta(ROOM, said=tuple(server.events[ROOM][:2])))

    server.meanwhile = news
    assert texts(await server.histories.drafts(last, PLENTY)) == [
        "0\n\n1\n\n2\n\n3\n\n4\n\n5\n\nlast"
    ]


async def test_news_that_are_older_than_what_was_read_make_the_room_be_read_again(
    server: Server,
) -> None:
    said = [Said(EventId(f"${n}"), ALICE, n, "m.text", f"{n}") for n in range(9)]
    server.events[ROOM] += said
    last = InboundMessage(said[-1].event_id, ROOM, ALICE, 8, "m.text", "8")

    def late() -> None:
        if server.pages == 2:
            server.histories.note(RoomDelta(ROOM, said=(said[1], said[7])))

    server.meanwhile = late
    drafts = await server.histories.drafts(last, PLENTY)
    assert texts(drafts) == ["\n\n".join(f"{n}" for n in range(9))]
    assert server.pages == 5
    server.histories.note(RoomDelta(ROOM, said=(said[1], said[7])))
    assert server.histories.rooms == 1


async def test_a_room_that_is_dropped_again_and_again_can_not_be_read(server: Server) -> None:
    one = server.say("one")
    server.meanwhile = lambda: server.histories.drop(ROOM)
    with pytest.raises(HomeserverUnavailable):
        await server.histories.drafts(one, PLENTY)


async def test_no_more_pages_are_read_than_allowed() -> None:
    server = Server(Bounds(history_pages=2))
    for number in range(20):
        server.reply(server.say(f"{number}"), "yes")
    drafts = await server.histories.drafts(server.say("last"), PLENTY)
    assert texts(drafts)[-1] == "last"
    assert drafts is not None
    assert drafts.trimmed
    assert server.pages == 2
    old = InboundMessage(EventId("$0"), ROOM, ALICE, 0, "m.text", "0")
    assert texts(await server.histories.drafts(old, PLENTY)) == ["0"]


async def test_the_room_that_was_not_used_for_the_longest_time_goes_first() -> None:
    server = Server(Bounds(history_rooms=2))
    for room_id in (ROOM, OTHER, RoomId("!third")):
        await server.histories.drafts(server.say("one", room_id=room_id), PLENTY)
        await server.histories.drafts(server.say("one"), PLENTY)
    assert server.histories.rooms == 2
    read = server.pages
    await server.histories.drafts(server.say("two"), PLENTY)
    assert server.pages == read
    server.histories.drop(RoomId("!unknown"))
    server.histories.drop_all()
    assert (server.histories.rooms, server.histories.size_bytes) == (0, 0)


async def test_the_memory_is_bounded() -> None:
    server = Server(Bounds(history_bytes=15_000))
    for number in range(5):
        room_id = RoomId(f"!{number}")
        await server.histories.drafts(server.say("x" * 4_000, room_id=room_id), PLENTY)
    assert 1 < server.histories.rooms < 5
    assert server.histories.size_bytes <= 15_000


async def test_a_room_that_has_grown_much_is_read_again() -> None:
    server = Server(Bounds(history_room_bytes=15_000))
    await server.histories.drafts(server.say("x" * 100_000), Budget(10))
    assert server.histories.rooms == 1
    server.say("x" * 10_000)
    assert server.histories.rooms == 1
    server.say("x" * 10_000)
    assert server.histories.rooms == 0


async def test_commands_learn_the_last_question_and_the_tokens(server: Server) -> None:
    one = server.say("one")
    server.reply(one, "1")
    retry = server.say("!retry")
    foreign = replace(server.say("uno", BORIS, edits=one.event_id), edits=one.event_id)
    histories = server.histories
    for asked in (
        await histories.question_of(retry),
        await histories.last_question(ROOM, None),
        await histories.question_of(one),
    ):
        assert asked is not None
        assert (asked.event_id, asked.body) == (one.event_id, "one")
    assert await histories.question_of(foreign) is None
    assert await histories.last_question(OTHER, None) is None
    assert await histories.usage(ROOM) == (TokensUsed("m", 2, 3),)
