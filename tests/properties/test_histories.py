"""Any timeline gives sound turns, however it was read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import anyio
from hypothesis import given
from hypothesis import strategies as st

from actors.bounds import Bounds
from actors.histories import Histories
from actors.model import InboundMessage, OutboundMessage, RoomId
from actors.platform import Role
from actors.ports import Homeserver, RoomDelta, StateStore
from actors.rules.exchanges import words_of
from actors.rules.history import Budget, Drafts, Limits, Talk, drafts_for, tokens_of
from actors.rules.timeline import Timeline
from actors.said import Redacted, Said, SaidPage
from tests.properties.talking import (
    BOT,
    NAMES,
    ROOM,
    WORDS,
    Log,
    anchor_of,
    budgets,
    inbound,
    logs,
    queued,
    redacted,
)

LIMITS = Limits(pictures=2, file_bytes=120)
BOUNDS = Bounds(history_pictures=2, history_file_bytes=120)
LEAST_TOKENS = 64
"""So many tokens at most remain of a question whatever the budget."""


def questions(log: Log) -> list[InboundMessage]:
    """Everything that a person said, as a question."""
    timeline = kept(log).timeline
    people = [it for it in log.events if isinstance(it, Said) and it.sender != BOT]
    replied = [timeline.message(it.reply_to) if it.reply_to else None for it in people]
    quotes = [words_of(it) if it else "" for it in replied]
    return [inbound(it, quote) for it, quote in zip(people, quotes, strict=True)]


def kept(log: Log) -> Talk:
    """The room as it was followed from its beginning."""
    timeline = Timeline(BOT)
    for event in log.events:
        timeline.apply(event)
    if timeline.is_stale:
        return reread(log, 10**6)
    timeline.begins = True
    return Talk(timeline=timeline, words=WORDS, names=NAMES, limits=LIMITS)


def reread(log: Log, size: int) -> Talk:
    """The room as it is read in pages from its end."""
    timeline, before = Timeline(BOT), len(log.events)
    while before > 0:
        timeline.add_page(log.page(before, size, len(log.events)).said)
        before -= size
    timeline.begins = True
    return Talk(timeline=timeline, words=WORDS, names=NAMES, limits=LIMITS)


def words_in(drafts: Drafts) -> set[str]:
    texts = " ".join(f"{turn.text} {turn.quoted}" for turn in drafts.turns)
    return {f"{word}." for word in texts.replace("\n", " ").replace(" ", "").split(".")}


def check(drafts: Drafts, log: Log, budget: Budget) -> None:
    """What holds for every conversation."""
    roles = [turn.role for turn in drafts.turns]
    assert roles[0] is roles[-1] is Role.PERSON
    assert all(one is not other for one, other in pairwise(roles))
    assert tokens_of(drafts.turns) <= max(budget.estimated, LEAST_TOKENS)
    assert not words_in(drafts) & {word for word in log.dead_words() if word.startswith("word")}
    assert drafts.question is not None
    assert drafts.turns[-1].text.endswith(drafts.question.text)
    pictures = [file for turn in drafts.turns for file in turn.files]
    assert len(pictures) <= LIMITS.pictures


def may_ask_nothing(question: InboundMessage, log: Log) -> bool:
    """Whether a message is a `!retry` or an edit of another sender's message."""
    said = (event for event in log.events if isinstance(event, Said))
    others = {each.event_id for each in said if each.sender != question.sender}
    return question.body == "!retry" or question.edits in others


@given(logs(), budgets)
def test_turns_alternate_fit_and_contain_nothing_that_was_deleted(log: Log, budget: Budget) -> None:
    talk = kept(log)
    for question in questions(log):
        drafts, is_certain = drafts_for(talk, question, budget)
        assert is_certain
        assert drafts is not None or log.redacted or may_ask_nothing(question, log)
        if drafts is not None:
            check(drafts, log, budget)


@given(logs(), budgets, st.integers(1, 7))
def test_pages_of_any_size_give_what_was_kept(log: Log, budget: Budget, size: int) -> None:
    talk, again = kept(log), reread(log, size)
    for question in questions(log):
        assert drafts_for(again, question, budget) == drafts_for(talk, question, budget)


@given(logs(), budgets, st.integers(1, 7))
def test_what_is_certain_stays_when_more_is_read(log: Log, budget: Budget, size: int) -> None:
    followed = kept(log)
    for question in questions(log):
        whole = drafts_for(followed, question, budget)
        timeline, before = Timeline(BOT), len(log.events)
        talk = Talk(timeline=timeline, words=WORDS, names=NAMES, limits=LIMITS)
        while before > 0:
            timeline.add_page(log.page(before, size, len(log.events)).said)
            before -= size
            found = drafts_for(talk, question, budget)
            if found[1]:
                assert found == whole


@dataclass
class World:
    """A homeserver, its log, and what was told of it so far. Implements the ports in part."""

    log: Log
    data: st.DataObject
    size: int = 3
    happened: int = 0
    told: int = 0
    histories: Histories = field(init=False)
    is_quiet: bool = False
    me: Any = BOT

    def __post_init__(self) -> None:
        self.histories = self.other()

    def other(self) -> Histories:
        """Histories that know nothing yet."""
        homeserver, store = cast("Homeserver", self), cast("StateStore", self)
        return Histories(homeserver, store, BOUNDS, WORDS)

    @property
    def contents(self) -> "World":
        return self

    async def unsent(self, room_id: RoomId, limit: int) -> tuple[OutboundMessage, ...]:
        del room_id, limit
        return tuple(self.unsent_messages())

    def unsent_messages(self) -> Iterator[OutboundMessage]:
        """The bot's message or final that happens next waits in the outbox."""
        for event in self.log.events[self.happened : self.happened + 1]:
            if not isinstance(event, Said) or event.mark is None:
                continue
            if event.edits is None or anchor_of(event.mark.txn) is not None:
                yield queued(event)

    async def history(self, room_id: RoomId, token: str | None) -> SaidPage:
        assert room_id == ROOM
        self.go_on()
        before = self.happened if token is None else int(token[1:])
        page = self.log.page(before, self.size, self.happened)
        await anyio.lowlevel.checkpoint()
        self.go_on()
        return page

    def go_on(self) -> None:
        """Let something happen, and tell some of it."""
        if self.is_quiet:
            return
        self.happened = self.data.draw(st.integers(self.happened, len(self.log.events)))
        self.tell(self.data.draw(st.integers(self.told, self.happened)))

    def tell(self, upto: int) -> None:
        """Tell what happened since the last time, as a sync does."""
        gone = {it.event_id for it in self.log.events[: self.happened] if isinstance(it, Redacted)}
        said = tuple(
            redacted(it) if it.event_id in gone else it for it in self.log.events[self.told : upto]
        )
        gap = None
        if said and self.data.draw(st.integers(0, 5)) == 0:
            said, gap = said[len(said) // 2 :], "gap"
        self.told = upto
        self.histories.note(RoomDelta(ROOM, said=said, gap_from=gap))

    def finish(self) -> None:
        """Let everything that happens be told, and what the bot says next be in the outbox."""
        self.happened = self.data.draw(st.integers(self.happened, len(self.log.events)))
        self.tell(self.happened)
        self.is_quiet = True
        for message in self.unsent_messages():
            self.histories.note_queued(message)


@given(logs(20), budgets, st.integers(1, 7), st.data())
def test_what_is_kept_in_memory_is_what_a_new_process_reads(
    log: Log, budget: Budget, size: int, data: st.DataObject
) -> None:
    async def run() -> None:
        world = World(log, data, size)
        asked = questions(log)
        for question in data.draw(st.lists(st.sampled_from(asked), max_size=3)) if asked else ():
            world.go_on()
            for message in world.unsent_messages():
                world.histories.note_queued(message)
            drafts = await world.histories.drafts(question, budget)
            if drafts is not None:
                assert drafts.turns[-1].role is Role.PERSON
        world.finish()
        for question in asked:
            again = await world.other().drafts(question, budget)
            assert await world.histories.drafts(question, budget) == again

    anyio.run(run)
