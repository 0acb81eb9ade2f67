"""Answers that grow in the history of a conversation: anchors, live edits, finals."""

from dataclasses import dataclass, field, replace

import pytest

from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
    TokensUsed,
    UserId,
)
from actors.rules.exchanges import exchanges_of
from actors.rules.history import Budget, Talk, drafts_for, tokens_in
from actors.rules.queued import said_later
from actors.rules.reply_mark import REPLY_TYPE, mark_in, reply_mark
from actors.rules.timeline import Timeline
from actors.said import Redacted, Said

BOT, ALICE = UserId("@bot:x"), UserId("@alice:x")
ROOM, QUESTION = RoomId("!room"), EventId("$q")
ANCHOR = OutboundMessage("$q.0", ROOM, "half", kind=OutboundKind.ANCHOR)
LIVE = replace(ANCHOR, txn_id="$q.0~b.1", body="more of it", kind=OutboundKind.LIVE, edits="$q.0")
FINAL = replace(LIVE, txn_id="$q.0.final", body="all of it", kind=OutboundKind.FINAL)
SECOND = replace(ANCHOR, txn_id="$q.1", body="a second part")


@dataclass
class Room:
    """A question, and what the bot says to it."""

    timeline: Timeline = field(default_factory=lambda: Timeline(BOT))
    count: int = 0

    def __post_init__(self) -> None:
        self.timeline.begins = True
        self.timeline.apply(Said(QUESTION, ALICE, 0, "m.text", "why?"))

    def shown(
        self, message: OutboundMessage, edits: EventId | None = None, ts: int | None = None
    ) -> Said:
        """What the homeserver shows of a message of the bot's own."""
        self.count += 1
        mark = mark_in({REPLY_TYPE: reply_mark(message), "m.mentions": {}})
        return Said(
            event_id=EventId(f"${self.count}"),
            sender=BOT,
            sent_ts=self.count if ts is None else ts,
            msgtype="m.notice" if message.notice else "m.text",
            text=message.body,
            edits=edits,
            mark=mark,
            tokens=message.tokens,
        )

    def tell(
        self, message: OutboundMessage, edits: EventId | None = None, ts: int | None = None
    ) -> EventId:
        said = self.shown(message, edits, ts)
        self.timeline.apply(said)
        return said.event_id

    def queue(self, *messages: OutboundMessage) -> None:
        for message in messages:
            self.timeline.queue(said_later(message, BOT))

    @property
    def answers(self) -> list[str]:
        """The texts of the answer to the question."""
        exchanges = exchanges_of(self.timeline, None, ()).exchanges
        return [said.text for it in exchanges for said in it.answers]

    @property
    def own(self) -> list[str]:
        return [said.text for said in self.timeline.messages() if said.sender == BOT]


@pytest.fixture
def room() -> Room:
    return Room()


def test_the_final_counts_from_its_commit_on_and_once(room: Room) -> None:
    room.queue(ANCHOR)
    assert room.own == ["half"]
    anchor = room.tell(ANCHOR)
    room.tell(LIVE, anchor)
    assert room.own == ["more of it"]
    room.queue(FINAL)
    shown = room.timeline.message(anchor)
    assert shown is not None
    assert shown.mark is not None
    assert (shown.text, shown.mark.state) == ("all of it", ReplyState.DONE)
    assert room.own == ["all of it"]
    room.tell(replace(FINAL, body="all of it, as shown"), anchor)
    assert room.own == ["all of it, as shown"]
    room.queue(FINAL)
    assert room.own == ["all of it, as shown"]


def test_a_final_changes_an_anchor_that_waits_itself(room: Room) -> None:
    room.queue(ANCHOR, FINAL)
    assert room.own == ["all of it"]
    anchor = room.tell(ANCHOR)
    assert room.own == ["all of it"]
    room.tell(FINAL, anchor)
    assert room.own == ["all of it"]


def test_a_final_of_an_anchor_that_is_gone_or_unread_is_a_message(room: Room) -> None:
    room.queue(FINAL)
    assert room.own == room.answers == ["all of it"]
    anchor = room.tell(ANCHOR)
    assert room.own == ["all of it"]
    room.timeline.apply(Redacted(anchor))
    assert room.own == room.answers == ["all of it"]
    assert all(said.edits is None for said in room.timeline.messages())


def test_a_final_that_is_shown_as_a_message_ends_the_anchor_that_was_refused(room: Room) -> None:
    room.queue(ANCHOR, replace(SECOND, txn_id="$q2.0"), FINAL)
    room.tell(FINAL)
    assert room.own == ["all of it", "a second part"]
    assert room.answers == ["all of it"]


def test_the_newest_edit_counts_and_a_final_that_is_covered_is_repeated(room: Room) -> None:
    anchor = room.tell(ANCHOR)
    room.queue(FINAL)
    room.tell(FINAL, anchor, ts=10)
    room.tell(LIVE, anchor, ts=11)
    assert room.own == ["more of it"]
    room.tell(replace(LIVE, body="too old"), anchor, ts=9)
    assert room.own == ["more of it"]
    room.queue(FINAL)
    assert room.own == ["more of it"]
    repeated = replace(FINAL, txn_id="$q.0.final.2")
    room.queue(repeated)
    assert room.own == ["all of it"]
    room.tell(repeated, anchor, ts=12)
    assert room.own == ["all of it"]


def test_the_tokens_of_a_final_count_once(room: Room) -> None:
    used = TokensUsed("m", 3, 4)
    anchor = room.tell(ANCHOR)
    final = replace(FINAL, tokens=used)
    room.queue(final)
    assert tokens_in(room.timeline) == (used,)
    room.tell(final, anchor)
    assert tokens_in(room.timeline) == (used,)


def test_a_redacted_final_that_was_never_shown_waits_no_more(room: Room) -> None:
    room.tell(ANCHOR)
    room.queue(FINAL)
    room.timeline.apply(Redacted(EventId("$gone"), FINAL.txn_id))
    room.queue(FINAL)
    assert room.own == ["half"]


def test_an_answer_that_grows_is_unfinished_until_its_last_part_ends(room: Room) -> None:
    anchor, retry = room.tell(ANCHOR), EventId("$retry")
    room.timeline.apply(Said(retry, ALICE, 50, "m.text", "!retry"))
    again = replace(ANCHOR, txn_id="$retry.0", body="another")

    def chosen() -> list[str]:
        found = exchanges_of(room.timeline, None, {"retry"}).exchanges
        return [said.text for it in found for said in it.answers]

    assert chosen() == ["half"]
    second = room.tell(again)
    assert chosen() == ["another"]
    room.tell(replace(again, txn_id="$retry.0.final", body="!", kind=OutboundKind.FINAL), second)
    assert chosen() == ["!"]
    room.timeline.apply(Redacted(second))
    assert chosen() == ["half"]
    room.tell(replace(again, txn_id="$retry.1", body=""))
    assert chosen() == []
    room.tell(FINAL, anchor)
    assert chosen() == ["all of it"]


def test_a_part_that_an_earlier_attempt_opened_does_not_count_behind_the_end(room: Room) -> None:
    anchor = room.tell(ANCHOR)
    room.tell(SECOND)
    assert room.answers == ["half", "a second part"]
    room.tell(replace(FINAL, more=True), anchor)
    assert room.answers == ["all of it", "a second part"]
    room.tell(replace(FINAL, txn_id="$q.0.final.2"), anchor)
    assert room.answers == ["all of it"]


@pytest.mark.parametrize("late", [True, False])
def test_what_grew_before_the_answer_failed_does_not_count(room: Room, *, late: bool) -> None:
    failed = replace(FINAL, body="No answer.", notice=True, state=ReplyState.FAILED)
    anchor = room.tell(ANCHOR)
    if not late:
        room.tell(failed, anchor)
    room.tell(SECOND)
    if late:
        room.tell(failed, anchor)
    (exchange,) = exchanges_of(room.timeline, None, ()).exchanges
    assert (exchange.answers, exchange.failed) == ((), True)


def test_a_stopped_answer_counts_as_far_as_it_goes(room: Room) -> None:
    anchor = room.tell(ANCHOR)
    room.tell(replace(FINAL, body="half of", state=ReplyState.STOPPED), anchor)
    talk = Talk(timeline=room.timeline)
    asked = InboundMessage(EventId("$next"), ROOM, ALICE, 99, "m.text", "and?")
    drafts, is_certain = drafts_for(talk, asked, Budget(1_000))
    assert drafts is not None
    assert [turn.text for turn in drafts.turns] == ["why?", "half of", "and?"]
    assert is_certain


def test_only_the_newest_live_edit_takes_memory(room: Room) -> None:
    anchor = room.tell(ANCHOR)
    room.tell(replace(LIVE, body="x" * 1_000), anchor)
    once = room.timeline.size_bytes
    for number in range(2, 30):
        room.tell(replace(LIVE, txn_id=f"$q.0~b.{number}", body="y" * 1_000), anchor)
    assert room.timeline.size_bytes == once
    room.queue(FINAL)
    room.tell(replace(FINAL, body="z" * 1_000), anchor)
    assert room.timeline.size_bytes == once + 200
    room.tell(replace(FINAL, body="z" * 1_000), anchor)
    assert room.timeline.size_bytes == once + 200


def test_pages_give_the_same_as_news_whatever_waits(room: Room) -> None:
    anchor = room.shown(ANCHOR)
    edits = [room.shown(LIVE, anchor.event_id), room.shown(FINAL, anchor.event_id)]
    for event in (anchor, *edits):
        room.timeline.apply(event)
    again = Room()
    again.queue(FINAL)
    again.timeline.add_page(reversed(edits))
    assert again.own == []
    again.timeline.add_page([anchor])
    assert again.timeline.message(anchor.event_id) == room.timeline.message(anchor.event_id)
    assert again.own == room.own == ["all of it"]
