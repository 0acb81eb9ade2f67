"""From a room's timeline to the turns of a conversation."""

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import pytest

from actors.model import (
    EventId,
    InboundMessage,
    OutboundMessage,
    ReplyState,
    RoomId,
    SharedFile,
    TokensUsed,
    UserId,
)
from actors.platform import Role
from actors.rules.history import (
    CUT,
    Budget,
    Draft,
    Drafts,
    Limits,
    Talk,
    asked_by,
    drafts_for,
    last_question,
    texts_in,
    tokens_in,
    tokens_of,
)
from actors.rules.queued import said_later
from actors.rules.timeline import Timeline
from actors.said import Redacted, ReplyMark, Said

BOT, ALICE, BORIS = (UserId(f"@{name}:example.org") for name in ("bot", "alice", "boris"))
ROOM = RoomId("!room")
WORDS = ("help", "retry", "forget")
PLENTY = Budget(100_000)
More: TypeAlias = Any
"""Any other field of a message."""
CAT = SharedFile("mxc://a/cat", "cat.jpg", "image/jpeg", 1000)


@dataclass
class Room:
    """A room's timeline, with words for what can be said in it."""

    timeline: Timeline = field(default_factory=lambda: Timeline(BOT))
    names: dict[UserId, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    count: int = 0

    def say(self, text: str, sender: UserId = ALICE, **more: More) -> EventId:
        """Let a person say something."""
        self.count += 1
        fields: More = {"msgtype": "m.text"} | more
        said = Said(EventId(f"${self.count}"), sender, self.count, text=text, **fields)
        self.timeline.apply(said)
        return said.event_id

    def reply(
        self, to: EventId | None, text: str, part: int = 0, state: str = "done", **more: More
    ) -> EventId:
        """Let the bot answer."""
        mark = ReplyMark(f"{to}.{part}", to, part, ReplyState(state))
        return self.say(text, BOT, **({"mark": mark} | more))

    def forget(self, command: EventId | None, **more: More) -> EventId:
        """Let the bot say that it has forgotten everything."""
        return self.reply(command, "forgotten", msgtype="m.notice", forgets=True, **more)

    def redact(self, event_id: EventId) -> None:
        self.timeline.apply(Redacted(event_id))

    @property
    def talk(self) -> Talk:
        return Talk(timeline=self.timeline, words=WORDS, names=self.names, limits=self.limits)

    def drafts(
        self,
        question: EventId,
        budget: Budget = PLENTY,
        thread: EventId | None = None,
        quoted: str = "",
    ) -> Drafts | None:
        asked = inbound(question, thread=thread, quoted=quoted)
        return drafts_for(self.talk, asked, budget)[0]

    def turns(self, question: EventId, thread: EventId | None = None) -> list[str]:
        """The turns as `role: text`."""
        drafts = self.drafts(question, thread=thread)
        assert drafts is not None
        assert not drafts.trimmed
        return [f"{turn.role.value}: {turn.text}" for turn in drafts.turns]


def inbound(event_id: EventId, body: str = "?", **more: More) -> InboundMessage:
    return InboundMessage(event_id, ROOM, ALICE, 10**6, "m.text", body, **more)


def whole(drafts: Drafts | None) -> Drafts:
    assert drafts is not None
    return drafts


@pytest.fixture
def room() -> Room:
    room = Room()
    room.timeline.begins = True
    return room


def test_questions_and_answers_alternate(room: Room) -> None:
    room.reply(room.say("one"), "1")
    assert room.turns(room.say("two")) == ["user: one", "assistant: 1", "user: two"]


def test_an_answer_stands_behind_its_question_and_not_where_it_was_sent(room: Room) -> None:
    one, two = room.say("one"), room.say("two")
    room.reply(one, "1")
    room.say("three")
    assert room.turns(two) == ["user: one", "assistant: 1", "user: two"]


def test_what_is_said_after_a_question_is_not_part_of_it(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "an earlier attempt")
    room.say("two")
    assert room.turns(one) == ["user: one"]


def test_messages_without_an_answer_are_one_turn_and_the_question_is_known(room: Room) -> None:
    room.say("one")
    drafts = whole(room.drafts(room.say("two")))
    assert [turn.text for turn in drafts.turns] == ["one\n\ntwo"]
    assert drafts.question == Draft(Role.PERSON, "two")


def test_the_newest_edit_by_the_author_counts(room: Room) -> None:
    one = room.say("one")
    room.say("new", edits=one)
    room.timeline.apply(Said(EventId("$old"), ALICE, 0, "m.text", "old", edits=one))
    room.say("forged", BORIS, edits=one)
    assert room.turns(one) == ["user: new"]


def test_an_edit_may_be_the_question(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "1")
    edit = room.say("uno", edits=one)
    asked = drafts_for(room.talk, inbound(edit, edits=one), PLENTY)[0]
    assert [turn.text for turn in whole(asked).turns] == ["uno"]


def test_the_answer_to_an_edit_replaces_the_answer_to_the_question(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "1")
    edit = room.say("uno", edits=one)
    room.reply(edit, "I")
    assert room.turns(room.say("two")) == ["user: uno", "assistant: I", "user: two"]
    room.redact(edit)
    assert room.timeline.is_stale


def test_an_answer_to_a_forged_edit_is_no_answer(room: Room) -> None:
    one = room.say("one")
    room.reply(room.say("forged", BORIS, edits=one), "I")
    assert room.turns(room.say("two")) == ["user: one\n\ntwo"]


def test_a_redacted_question_goes_with_all_parts_of_its_answer(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "1")
    answer = room.reply(one, "2", part=1)
    room.say("two", BOT, edits=answer)
    room.redact(one)
    assert room.turns(room.say("two")) == ["user: two"]


def test_a_redacted_question_is_not_asked(room: Room) -> None:
    one = room.say("one")
    edit = room.say("uno", edits=one)
    room.redact(one)
    assert room.drafts(one) is None
    assert drafts_for(room.talk, inbound(edit, edits=one), PLENTY) == (None, True)


def test_a_redacted_answer_leaves_its_question(room: Room) -> None:
    room.redact(room.reply(room.say("one"), "1"))
    assert room.turns(room.say("two")) == ["user: one\n\ntwo"]


def test_an_edit_of_a_redacted_message_changes_nothing(room: Room) -> None:
    one = room.say("one")
    room.redact(one)
    room.redact(one)
    room.say("again", edits=one)
    assert room.turns(room.say("two")) == ["user: two"]


def test_notices_and_commands_are_out_whoever_sends_them(room: Room) -> None:
    room.say("a bot says so", BORIS, msgtype="m.notice")
    room.reply(room.say("!help"), "You can say …", msgtype="m.notice")
    room.say("!unknown")
    room.say("a map", msgtype="m.location")
    room.say("  ")
    room.say("! waves", msgtype="m.emote")
    assert room.turns(room.say("one")) == ["user: ! waves\n\none"]


def test_parts_are_one_answer_in_their_order(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "b", part=1)
    room.reply(one, "a")
    room.reply(one, " ", part=2)
    assert room.turns(room.say("two")) == ["user: one", "assistant: a\nb", "user: two"]


def test_a_question_that_failed_is_out_until_it_is_answered_after_all(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "half")
    room.reply(one, "No answer came.", state="failed", msgtype="m.notice")
    assert room.turns(room.say("two")) == ["user: two"]
    retry = room.say("!retry")
    assert room.turns(retry)[-1] == "user: two"
    room.reply(one, "whole")
    assert room.turns(room.say("three"))[:2] == ["user: one", "assistant: whole"]


def test_a_stopped_answer_counts_as_far_as_it_goes(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "1, 2, 3", state="stopped")
    room.reply(one, "Stopped.", part=1, state="stopped", msgtype="m.notice")
    assert room.turns(room.say("two"))[1] == "assistant: 1, 2, 3"


def test_an_unfinished_answer_counts_unless_a_newer_one_came(room: Room) -> None:
    one = room.say("one")
    room.reply(one, "1, 2", state="live")
    two = room.say("two")
    assert room.turns(two)[1] == "assistant: 1, 2"
    room.reply(room.say("!retry", BORIS), "Only the owner may.", state="failed")
    assert room.turns(two) == ["user: one\n\ntwo"]


def test_what_the_bot_says_on_its_own_follows_what_was_said(room: Room) -> None:
    room.reply(None, "Hello!")
    one = room.say("one")
    room.reply(None, "By the way")
    room.say("unmarked", BOT)
    room.reply(None, " ")
    room.reply(None, "note", msgtype="m.notice")
    assert room.turns(one) == ["user: one"]
    assert room.turns(room.say("two")) == ["user: one", "assistant: By the way", "user: two"]


@pytest.mark.parametrize("word", ["refused", "given_up"])
def test_what_says_why_an_answer_failed_is_no_part_of_another(room: Room, word: str) -> None:
    one = room.say("one")
    two = room.say("two")
    room.reply(one, "half", state="failed")
    room.reply(None, "Not about gardens.", mark=ReplyMark(f"{one}.{word}"))
    room.reply(two, "2")
    assert room.turns(room.say("three")) == ["user: two", "assistant: 2", "user: three"]


def test_a_retry_asks_the_last_question_again_and_replaces_its_answer(room: Room) -> None:
    room.reply(room.say("zero"), "0")
    one = room.say("one")
    room.reply(one, "1")
    retry = room.say("!retry")
    assert room.turns(retry) == ["user: zero", "assistant: 0", "user: one"]
    assert asked_by(room.talk, inbound(retry))[0] == room.timeline.message(one)
    room.reply(retry, "I")
    two = room.say("two")
    assert room.turns(two)[-3:] == ["user: one", "assistant: I", "user: two"]
    room.reply(room.say("!retry"), "", state="failed")
    assert room.turns(two)[-3:] == ["user: one", "assistant: I", "user: two"]


def test_a_retry_asks_for_a_guests_question_only_if_it_was_answered(room: Room) -> None:
    one = room.say("one")
    room.say("chatter", BORIS)
    retry = room.say("!retry")
    assert asked_by(room.talk, inbound(retry))[0] == room.timeline.message(one)
    two = room.say("bot, two", BORIS)
    room.reply(two, "2")
    assert asked_by(room.talk, inbound(room.say("!retry")))[0] == room.timeline.message(two)


def test_a_retry_of_nothing_asks_nothing(room: Room) -> None:
    retry = room.say("!retry")
    assert room.drafts(retry) is None
    assert asked_by(room.talk, inbound(retry)) == (None, True)
    one = room.say("one")
    room.redact(one)
    assert room.drafts(room.say("!retry")) is None


def test_forgetting_ends_the_conversation_at_the_command(room: Room) -> None:
    room.reply(room.say("one"), "1")
    forget = room.say("!forget")
    two = room.say("two")
    room.forget(forget)
    room.reply(two, "2")
    room.reply(None, "By the way")
    assert room.turns(room.say("three"))[0] == "user: two"
    assert room.turns(two) == ["user: two"]


def test_forgetting_without_a_known_command_ends_it_at_the_notice(room: Room) -> None:
    room.reply(room.say("one"), "1")
    room.forget(EventId("$unknown"))
    room.say("two")
    notice = room.forget(None)
    room.say("unmarked", BOT, forgets=True)
    assert room.turns(room.say("three")) == ["user: three"]
    assert last_question(room.talk, None)[1]
    room.redact(notice)
    assert room.timeline.is_stale


def test_a_forgotten_question_can_still_be_asked(room: Room) -> None:
    one = room.say("one")
    room.forget(room.say("!forget"))
    assert room.turns(one) == ["user: one"]
    assert last_question(room.talk, None) == (None, True)


def test_a_thread_is_a_conversation_of_its_own(room: Room) -> None:
    root = room.say("root")
    room.reply(root, "1")
    room.say("elsewhere")
    inside = room.say("inside", thread=root)
    room.reply(inside, "2", thread=root)
    more = room.say("more", thread=root)
    assert room.turns(more) == [
        *("user: root", "assistant: 1", "user: inside", "assistant: 2", "user: more")
    ]
    assert room.turns(room.say("outside")) == [
        *("user: root", "assistant: 1", "user: elsewhere\n\noutside")
    ]


def test_a_thread_that_begins_with_an_answer_begins_with_its_question(room: Room) -> None:
    one = room.say("one")
    root = room.reply(one, "1")
    assert room.turns(room.say("why?", thread=root), root)[:2] == ["user: one", "assistant: 1"]
    again = room.reply(room.say("!retry"), "I")
    assert room.turns(room.say("why?", thread=again), again)[:2] == ["user: one", "assistant: I"]


def test_a_thread_at_a_message_that_says_nothing_begins_with_its_replies(room: Room) -> None:
    for root in (room.reply(None, "Hello!"), room.say("a bot", BORIS, msgtype="m.notice")):
        assert room.turns(room.say("why?", thread=root), root) == ["user: why?"]
    root = room.say("root")
    room.redact(root)
    assert room.turns(room.say("why?", thread=root), root) == ["user: why?"]


def test_forgetting_in_a_thread_leaves_the_room_and_the_other_way_round(room: Room) -> None:
    root = room.say("root")
    room.say("inside", thread=root)
    room.forget(room.say("!forget", thread=root))
    assert room.turns(room.say("room")) == ["user: root\n\nroom"]
    inside = room.say("inside again", thread=root)
    assert room.turns(inside, root) == ["user: inside again"]
    room.forget(room.say("!forget"))
    assert room.turns(room.say("new")) == ["user: new"]
    assert room.turns(inside, root) == ["user: inside again"]


def test_a_retry_in_a_thread_asks_what_was_asked_there(room: Room) -> None:
    root = room.say("root")
    retry = room.say("!retry", thread=root)
    room.say("elsewhere")
    assert room.turns(retry, root) == ["user: root"]
    room.say("inside", thread=root)
    assert room.turns(room.say("!retry", thread=root), root) == ["user: root\n\ninside"]


def test_speakers_are_named_if_there_are_several(room: Room) -> None:
    room.names[ALICE] = "Alice \n in Chains"
    room.say("hi")
    room.reply(room.say("hello", BORIS), "Hello!")
    drafts = whole(room.drafts(room.say("one")))
    assert drafts.turns == (
        Draft(Role.PERSON, "Alice in Chains: hi\n\nboris: hello"),
        Draft(Role.ASSISTANT, "Hello!"),
        Draft(Role.PERSON, "one", "Alice in Chains"),
    )


def test_speakers_of_one_name_are_told_apart(room: Room) -> None:
    room.names |= {ALICE: "Sam", BORIS: "sam"}
    room.reply(room.say("hi", BORIS), "Hello!")
    drafts = whole(room.drafts(room.say("one")))
    assert [turn.speaker for turn in drafts.turns] == [f"sam ({BORIS})", "", f"Sam ({ALICE})"]


def test_one_turn_of_one_speaker_is_named_once(room: Room) -> None:
    room.reply(room.say("hi", BORIS), "Hello!")
    room.say("one")
    drafts = whole(room.drafts(room.say("two")))
    assert drafts.turns[-1] == Draft(Role.PERSON, "one\n\ntwo", "alice")


def test_a_reply_to_something_earlier_quotes_it_as_it_is_now(room: Room) -> None:
    one = room.say("one")
    answer = room.reply(one, "1")
    room.reply(room.say("two", reply_to=one), "2")
    room.reply(room.say("three", reply_to=answer), "3")
    room.say("uno", edits=one)
    drafts = whole(room.drafts(room.say("four", reply_to=one), quoted="one"))
    assert [turn.quoted for turn in drafts.turns] == ["", "", "uno", "", "1", "", "uno"]


def test_a_reply_to_what_was_said_just_before_quotes_nothing(room: Room) -> None:
    room.reply(room.say("two", reply_to=room.reply(room.say("one"), "1")), "2")
    drafts = whole(room.drafts(room.say("three")))
    assert {turn.quoted for turn in drafts.turns} == {""}


def test_a_question_quotes_what_it_replies_to_unless_that_was_redacted(room: Room) -> None:
    room.limits = Limits(quote_chars=3)
    old = EventId("$old")
    quoted = inbound(EventId("$new"), reply_to=old, quoted="long ago")
    assert whole(drafts_for(room.talk, quoted, PLENTY)[0]).turns[-1].quoted == "lon"
    room.redact(old)
    assert whole(drafts_for(room.talk, quoted, PLENTY)[0]).turns[-1].quoted == ""
    noted = inbound(EventId("$new"), quoted="noted")
    assert whole(drafts_for(room.talk, noted, PLENTY)[0]).turns[-1].quoted == "not"


def test_a_quote_in_a_merged_turn_is_marked_in_its_text(room: Room) -> None:
    one = room.say("one\nand a half")
    room.reply(one, "1")
    room.say("two", reply_to=one)
    drafts = whole(room.drafts(room.say("three")))
    assert drafts.turns[-1].text == "> one\n> and a half\n\ntwo\n\nthree"


def test_a_question_that_the_timeline_does_not_show_yet_is_last(room: Room) -> None:
    room.reply(room.say("one"), "1")
    asked, certain = drafts_for(room.talk, inbound(EventId("$new"), "two"), PLENTY)
    assert [turn.text for turn in whole(asked).turns] == ["one", "1", "two"]
    assert certain
    old = replace(inbound(EventId("$old"), "zero"), sent_ts=0)
    assert [turn.text for turn in whole(drafts_for(room.talk, old, PLENTY)[0]).turns] == ["zero"]


def test_a_question_without_words_is_asked_all_the_same(room: Room) -> None:
    room.reply(room.say("one"), "1")
    empty = room.say(" ")
    assert room.turns(empty) == ["user: one", "assistant: 1", "user: "]


def test_pictures_are_shown_the_newest_first_and_older_ones_are_named(room: Room) -> None:
    room.limits = Limits(pictures=1)
    room.reply(room.say("", msgtype="m.image", file=CAT), "A cat.")
    room.reply(room.say("my dog", msgtype="m.image", file=replace(CAT, name="dog.jpg")), "Nice!")
    drafts = whole(room.drafts(room.say("and?")))
    assert drafts.turns[0] == Draft(Role.PERSON, "[image: cat.jpg]")
    assert drafts.turns[2].text == "my dog"
    assert [file.name for file in drafts.turns[2].files] == ["dog.jpg"]


def test_files_that_are_too_large_together_or_unreadable_are_named(room: Room) -> None:
    room.limits = Limits(file_bytes=1500)
    for file in (replace(CAT, mime_type="text/plain", name="a.txt"), replace(CAT, mxc="")):
        room.reply(room.say("", msgtype="m.file", file=file), "Yes.")
    drafts = whole(room.drafts(room.say("this?", msgtype="m.image", file=CAT)))
    assert [turn.text for turn in drafts.turns if turn.role is Role.PERSON] == [
        *("[file: a.txt]", "[image: cat.jpg]", "this?")
    ]
    assert drafts.turns[-1].files == (CAT,)


def test_a_file_of_the_bot_is_named_in_its_answer(room: Room) -> None:
    one = room.say("paint a cat")
    room.reply(one, "Here:")
    room.reply(one, "", part=1, msgtype="m.image", file=CAT)
    assert room.turns(room.say("two"))[1] == "assistant: Here:\n[image: cat.jpg]"


def test_whole_exchanges_fall_out_from_the_front(room: Room) -> None:
    for number in range(10):
        room.reply(room.say(f"question {number}"), f"answer {number}")
    drafts = whole(room.drafts(room.say("last"), Budget(40)))
    assert drafts.trimmed
    assert tokens_of(drafts.turns) <= 40
    assert [turn.text for turn in drafts.turns][-3:] == ["question 9", "answer 9", "last"]
    assert len(drafts.turns) % 2 == 1
    assert len(whole(room.drafts(room.say("last"), Budget(80, factor=2.0))).turns) == len(
        drafts.turns
    )
    assert whole(room.drafts(room.say("last"), Budget(0, factor=0.0))).trimmed


def test_names_and_quotes_count_as_well(room: Room) -> None:
    room.names |= {ALICE: "Alice " * 10, BORIS: "Boris " * 10}
    for number in range(6):
        room.reply(room.say(f"{number}", (ALICE, BORIS)[number % 2]), "yes")
    last = room.say("last")
    cut = [whole(room.drafts(last, Budget(tokens))) for tokens in range(5, 200)]
    assert all(tokens_of(drafts.turns) <= tokens for tokens, drafts in enumerate(cut, 5))
    assert len(cut[-1].turns) > 1


def test_a_question_that_is_too_long_is_cut_at_its_end(room: Room) -> None:
    one = room.say("word " * 1000, reply_to=EventId("$old"))
    drafts = whole(room.drafts(one, Budget(200), quoted="quote " * 100))
    assert drafts.trimmed
    assert drafts.turns[-1].quoted == ""
    assert drafts.turns[-1].text.endswith(CUT)
    assert 190 < tokens_of(drafts.turns) <= 200
    assert len(whole(room.drafts(one, Budget(0))).turns[-1].text) == 64 + len(CUT)


def test_a_long_quote_is_cut_before_the_question(room: Room) -> None:
    one = room.say("word " * 100, reply_to=EventId("$old"))
    drafts = whole(room.drafts(one, Budget(300), quoted="quote " * 300))
    assert drafts.turns[-1].text == "word " * 100
    assert drafts.turns[-1].quoted.endswith(CUT)
    assert 290 < tokens_of(drafts.turns) <= 300


def test_redactions_and_edits_that_are_remembered_take_memory(room: Room) -> None:
    one, before = room.say("one"), room.timeline.size_bytes
    for number in range(100):
        room.timeline.apply(Redacted(EventId(f"$reaction{number % 50}")))
    assert room.timeline.size_bytes == before + 50 * 200
    room.say("two", edits=one)
    once = room.timeline.size_bytes
    room.say("six", edits=one)
    assert room.timeline.size_bytes == once + 200


def test_a_message_in_the_outbox_counts_until_its_echo_comes(room: Room) -> None:
    one = room.say("one")
    message = OutboundMessage(f"{one}.0", ROOM, "1", tokens=TokensUsed("m", 3, 4))
    before = room.timeline.size_bytes
    for _ in range(2):
        room.timeline.queue(said_later(message, BOT))
    assert room.turns(room.say("two")) == ["user: one", "assistant: 1", "user: two"]
    room.say("1", BOT, mark=ReplyMark(f"{one}.0", one), tokens=message.tokens)
    room.timeline.queue(said_later(message, BOT))
    assert room.turns(room.say("two"))[:2] == ["user: one", "assistant: 1"]
    assert tokens_in(room.timeline) == (TokensUsed("m", 3, 4),)
    assert room.timeline.size_bytes > before


def test_a_queued_notice_and_a_queued_file_read_as_they_will_be() -> None:
    notice = OutboundMessage("$q.0", ROOM, "forgotten", notice=True, forgets=True)
    assert said_later(notice, BOT).forgets
    picture = OutboundMessage("$q.1", ROOM, "", file=CAT)
    assert said_later(picture, BOT).file == CAT


def test_the_tokens_of_each_answer_are_found_in_order(room: Room) -> None:
    used = tuple(TokensUsed(model, 1, 2) for model in ("a", "b", "a"))
    for tokens in used:
        room.reply(room.say("one"), "1", tokens=tokens)
    assert tokens_in(room.timeline) == used


def test_the_last_question_is_the_last_one_in_the_thread(room: Room) -> None:
    root = room.say("root")
    room.say("inside", thread=root)
    room.say("!help")
    assert last_question(room.talk, None)[0] == room.timeline.message(root)
    inside = last_question(room.talk, root)[0]
    assert inside is not None
    assert inside.text == "inside"


def test_more_of_the_room_is_needed_until_nothing_in_it_could_change_the_turns() -> None:
    room = Room()
    one = room.say("one")
    assert not drafts_for(room.talk, inbound(one), PLENTY)[1]
    assert not drafts_for(room.talk, inbound(EventId("$unknown")), Budget(1))[1]
    assert not asked_by(room.talk, replace(inbound(room.say("!retry", BORIS)), sender=BORIS))[1]
    room.reply(room.say("two"), "2")
    two = room.say("three")
    assert drafts_for(room.talk, inbound(two), Budget(5))[1]
    root = room.say("root")
    assert drafts_for(room.talk, inbound(room.say("inside", thread=root), thread=root), PLENTY)[1]
    assert last_question(room.talk, None)[1]
    room.forget(EventId("$unread"))
    assert last_question(room.talk, None)[0] is not None
    assert not last_question(room.talk, None)[1]
    assert not drafts_for(room.talk, inbound(two), Budget(5))[1]


def test_pages_and_news_give_the_same_in_any_order() -> None:
    said = [Said(EventId(f"${n}"), ALICE, n, "m.text", f"{n}") for n in range(4)]
    edit = Said(EventId("$e"), ALICE, 9, "m.text", "new", edits=said[1].event_id)
    timeline = Timeline(BOT)
    timeline.apply(said[3])
    timeline.apply(Redacted(said[0].event_id))
    timeline.apply(Redacted(EventId("$e2")))
    timeline.apply(replace(edit, event_id=EventId("$e2"), text="never"))
    timeline.add_page([said[3], edit, Redacted(said[2].event_id), Redacted(said[2].event_id)])
    timeline.apply(said[1])
    timeline.apply(said[1])
    timeline.add_page([said[1], said[0]])
    assert [it.text for it in timeline.messages()] == ["3", "new"]
    assert timeline.is_redacted(said[0].event_id)
    assert not timeline.is_stale


def test_a_page_follows_on_what_it_overlaps_with_or_what_came_later() -> None:
    said = [Said(EventId(f"${n}"), ALICE, n, "m.text", f"{n}") for n in range(4)]
    timeline = Timeline(BOT)
    assert timeline.follows(said)
    timeline.apply(said[2])
    timeline.apply(Redacted(said[2].event_id))
    timeline.apply(said[1])
    assert timeline.follows([said[1], said[3]])
    assert timeline.follows([said[0], Redacted(said[3].event_id)])
    assert not timeline.follows([said[3]])


def test_a_queued_message_that_is_redacted_before_it_is_shown_is_gone(room: Room) -> None:
    one = room.say("one")
    room.timeline.queue(said_later(OutboundMessage(f"{one}.0", ROOM, "1"), BOT))
    room.timeline.apply(Redacted(EventId("$answer"), f"{one}.0"))
    assert room.turns(room.say("two")) == ["user: one\n\ntwo"]


def test_a_retried_question_quotes_what_it_quoted_itself(room: Room) -> None:
    room.say("one", reply_to=EventId("$old"), quoted="long ago")
    retry = inbound(room.say("!retry"))
    drafts, is_certain = drafts_for(room.talk, retry, PLENTY)
    assert whole(drafts).turns == (Draft(Role.PERSON, "one", quoted="long ago"),)
    assert is_certain
    room.timeline.begins = False
    assert not drafts_for(room.talk, retry, PLENTY)[1]


def grown(*parts: tuple[str, int]) -> tuple[Room, list[EventId]]:
    """An answer whose parts have grown: the state of each, and when it was edited; 0 for never."""
    room = Room()
    question = room.say("why?")
    told = [room.reply(question, f"old {number}", number, "live") for number in range(len(parts))]
    for number, (state, at) in enumerate(parts):
        if at:
            mark = ReplyMark(f"{question}.{number}", question, number, ReplyState(state))
            edit = Said(
                *(EventId(f"$edit{number}"), BOT, at, "m.text", f"new {number}"),
                edits=told[number],
                mark=mark,
            )
            room.timeline.apply(edit)
    return room, told


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        ([("live", 0), ("live", 0)], ["old 0", "old 1"]),
        ([("live", 10), ("live", 20), ("live", 0)], ["new 0", "new 1"]),
        ([("live", 10), ("live", 0), ("live", 20)], ["new 0"]),
        ([("live", 20), ("live", 10)], ["new 0"]),
        ([("live", 20), ("done", 10)], ["new 0"]),
        ([("done", 20), ("live", 10)], ["new 0", "new 1"]),
        ([("live", 10), ("live", 10)], ["new 0", "new 1"]),
    ],
)
def test_the_texts_of_an_answer_are_those_of_its_newest_attempt(
    parts: list[tuple[str, int]], shown: list[str]
) -> None:
    room, told = grown(*parts)
    assert texts_in(room.timeline, told) == (tuple(shown), True)


def test_a_redacted_part_has_no_text_and_a_part_that_was_not_read_is_not_certain() -> None:
    room, told = grown(("live", 0), ("live", 0))
    room.timeline.apply(Redacted(told[0]))
    assert texts_in(room.timeline, told) == (("old 1",), True)
    assert texts_in(room.timeline, [*told, EventId("$unread")]) == (("old 1",), False)
