"""Answers as a room's timeline has them, for a client that follows edits. Pure; without the bot.

The events are those of `/messages`, oldest first. Of the valid edits of a message the one with the
newest `origin_server_ts` counts, and of equal ones that with the greatest event id.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

REPLY: Final = "io.surfaces.reply"
LIVE: Final = "org.matrix.msc4357.live"
MOST_EDITS: Final = 30
_PLACEHOLDERS: Final = ("", "…", "...")


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the bot with its valid edits, oldest first."""

    event: Json
    edits: tuple[Json, ...]

    @property
    def event_id(self) -> str:
        return str(self.event["event_id"])

    @property
    def first(self) -> Json:
        """The content that it was sent with."""
        content: Json = self.event["content"]
        return content

    @property
    def content(self) -> Json:
        """What a client shows now."""
        content: Json = self.edits[-1]["content"]["m.new_content"] if self.edits else self.first
        return content

    @property
    def mark(self) -> Json:
        mark: Json = self.content.get(REPLY, {})
        return mark

    @property
    def state(self) -> str:
        return str(self.mark.get("state"))

    @property
    def body(self) -> str:
        return str(self.content["body"])

    @property
    def bundled(self) -> str | None:
        """The edit that the server shows with it."""
        relations = self.event.get("unsigned", {}).get("m.relations", {})
        edit = relations.get("m.replace")
        return edit and str(edit["event_id"])


@dataclass(frozen=True, slots=True)
class Question:
    """A question with the messages that answer it, in the order of the room."""

    event_id: str
    text: str
    answers: tuple[Message, ...]

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(it.state for it in self.answers)

    @property
    def parts(self) -> list[int]:
        return [int(it.mark["part"]) for it in self.answers]

    @property
    def body(self) -> str:
        """The whole answer."""
        return "".join(it.body for it in sorted(self.answers, key=lambda it: int(it.mark["part"])))


@dataclass(frozen=True, slots=True)
class Timeline:
    """A room between the bot and people."""

    events: Sequence[Json]
    bot: str

    @property
    def messages(self) -> list[Message]:
        """The bot's messages that are there, each with its edits."""
        originals = [it for it in self._of_bot() if target_of(it) is None]
        return [Message(it, tuple(self._edits_of(it))) for it in originals]

    @property
    def questions(self) -> list[Question]:
        """What people have asked: neither commands nor edits, and not redacted."""
        asked = [
            it
            for it in self.events
            if is_message(it) and it["sender"] != self.bot and target_of(it) is None
        ]
        answers = self.messages
        return [
            Question(
                it["event_id"],
                it["content"]["body"],
                tuple(each for each in answers if each.mark.get("to") == it["event_id"]),
            )
            for it in asked
            if not it["content"]["body"].startswith("!")
        ]

    @property
    def beside(self) -> list[str]:
        """What the bot said that answers no question that is there, notices included."""
        asked = {it.event_id for it in self.questions}
        return [it.body for it in self.messages if it.mark.get("to") not in asked]

    def problems(self, expected: Callable[[str], str]) -> list[str]:
        """What is not as it must be once everything is answered; `expected` is the whole answer.

        Each part of an answer is one message; its newest content ends it and is whole.
        """
        return [
            *self._wrong_edits(),
            *(each for it in self.questions for each in _wrong_with(it, expected(it.text))),
            *(each for it in self.messages for each in _wrong_in(it)),
            *self._out_of_order(),
        ]

    def _wrong_edits(self) -> Iterator[str]:
        originals = {it.event_id for it in self.messages}
        for edit in self._of_bot():
            target = target_of(edit)
            if target is not None and target not in originals and target in self._ids():
                yield f"{edit['event_id']} edits {target}, which is an edit or redacted"

    def _out_of_order(self) -> Iterator[str]:
        asked = [it.event_id for it in self.questions]
        order = [it.mark.get("to") for it in self.messages if it.mark.get("to") in set(asked)]
        known = list(dict.fromkeys(order))
        if known != [it for it in asked if it in set(known)]:
            yield f"answers are not in the order of the questions: {known}"

    def _ids(self) -> set[str]:
        return {it["event_id"] for it in self.events if "redacted_because" not in unsigned(it)}

    def _of_bot(self) -> list[Json]:
        return [it for it in self.events if is_message(it) and it["sender"] == self.bot]

    def _edits_of(self, original: Json) -> list[Json]:
        edits = [
            it
            for it in self._of_bot()
            if target_of(it) == original["event_id"] and "m.new_content" in it["content"]
        ]
        return sorted(edits, key=lambda it: (it["origin_server_ts"], it["event_id"]))

    def table(self) -> str:
        """The room for a reader's eyes, a line for each event."""
        began = self.events[0]["origin_server_ts"] if self.events else 0
        return "\n".join(_line(it, began, self.bot) for it in self.events)


def is_message(event: Json) -> bool:
    """Whether an event is a message that was not redacted."""
    return event["type"] == "m.room.message" and "body" in event["content"]


def unsigned(event: Json) -> Mapping[str, Any]:
    found: Json = event.get("unsigned", {})
    return found


def target_of(event: Json) -> str | None:
    """The event that an edit replaces; None for what is no edit."""
    relation = event["content"].get("m.relates_to", {})
    return str(relation["event_id"]) if relation.get("rel_type") == "m.replace" else None


def same_words(one: str, other: str) -> bool:
    """Whether two texts differ in white space at most."""
    return one.split() == other.split()


def _wrong_with(question: Question, expected: str) -> Iterator[str]:
    asked = f"{question.event_id} ({question.text})"
    if not question.answers:
        yield f"{asked} is not answered"
        return
    if sorted(question.parts) != list(range(len(question.parts))):
        yield f"{asked} is answered by the parts {question.parts}"
    if set(question.states) != {"done"}:
        yield f"{asked} is answered in the states {question.states}"
    if not same_words(question.body, expected):
        yield f"{asked}: the answer has {len(question.body)} of {len(expected)} characters"
    edits = sum(len(it.edits) for it in question.answers)
    if edits > MOST_EDITS:
        yield f"{asked}: the answer has {edits} edits"
    for answer in question.answers:
        begun = str(answer.first["body"]).strip()
        if begun in _PLACEHOLDERS or begun not in expected:
            yield f"{asked}: a message began with {begun[:60]!r}"


def _wrong_in(message: Message) -> Iterator[str]:
    if message.state == "live" or LIVE in message.content:
        yield f"{message.event_id} is left in the state live"
    newest = message.edits[-1]["event_id"] if message.edits else None
    if message.bundled != newest:
        yield f"{message.event_id}: the newest edit is {newest}, the server shows {message.bundled}"
    for content in (message.first, *(it["content"] for it in message.edits)):
        if content.get("m.mentions") != {} or REPLY not in content:
            yield f"{message.event_id} has no mark, or mentions somebody"
        if "m.new_content" in content and content["m.new_content"].get(REPLY) != content.get(REPLY):
            yield f"{message.event_id}: an edit is marked twice, and not alike"


def _line(event: Json, began: int, bot: str) -> str:
    content, content_of_edit = event["content"], event["content"].get("m.new_content")
    said = content_of_edit or content
    mark = said.get(REPLY, {})
    who = "bot" if event["sender"] == bot else event["sender"].partition("-")[0]
    kind = "edit" if content_of_edit else event["type"].removeprefix("m.room.")
    body = str(said.get("body", event.get("redacts", content.get("membership", ""))))
    about = " ".join(str(it) for it in (mark.get("part", ""), mark.get("state", "")))
    return (
        f"{(event['origin_server_ts'] - began) / 1000:8.2f}  {event['event_id'][:7]}  {who:7}"
        f"{kind:10}{(target_of(event) or '')[:7]:9}{about:10}{len(body):6}  "
        f"{str(mark.get('txn', ''))[-18:]:19}{body[:30]!r} … {body[-20:]!r}"
    )
