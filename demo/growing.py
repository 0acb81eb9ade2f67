"""An answer that grows in one message, as a client that follows edits reads it."""

from dataclasses import dataclass
from typing import Final

from demo.client import Json, part_of_path
from demo.person import Event, Person

_REPLY: Final = "io.surfaces.reply"


@dataclass(frozen=True, slots=True)
class Growing:
    """The message that shows an answer while it grows, as it was when it came."""

    room_id: str
    question: str
    event_id: str
    text: str


async def ask_and_watch(person: Person, room_id: str, text: str, *, timeout_s: float) -> Growing:
    """Ask something, and return the message in which the answer begins to grow.

    Raises NothingHappened if none comes, or if the answer comes as a whole.
    """
    question = await person.say(room_id, text)
    message = await person.wait_for(
        lambda event: _state_of(event, question) == "live",
        timeout_s=timeout_s,
        what="a message that begins to grow",
    )
    return Growing(room_id, question, message.event_id, message.body)


async def end_of(person: Person, growing: Growing, *, timeout_s: float) -> str:
    """Wait for the edit that ends the answer in its message, and return the whole text.

    Raises NothingHappened.
    """
    edit = await person.wait_for(
        lambda event: (
            _state_of(event, growing.question) == "done" and _edited_by(event) == growing.event_id
        ),
        timeout_s=timeout_s,
        what=f"the end of the answer in the message {growing.event_id}",
    )
    return str(edit.content["m.new_content"]["body"])


async def messages_of(person: Person, growing: Growing) -> list[str]:
    """The ids of all messages in the room that answer the question; edits are none."""
    path = f"/rooms/{part_of_path(growing.room_id)}/messages?dir=b&limit=100"
    return [
        event["event_id"]
        for event in (await person.request("GET", path))["chunk"]
        if event["content"].get(_REPLY, {}).get("to") == growing.question
        and "m.new_content" not in event["content"]
    ]


def _state_of(event: Event, question: str) -> str:
    """The state of an answer to the question, if the event is one or edits one."""
    said: Json = event.content.get("m.new_content", event.content)
    mark = said.get(_REPLY, {})
    return str(mark["state"]) if mark.get("to") == question else ""


def _edited_by(event: Event) -> str:
    relation: Json = event.content.get("m.relates_to", {})
    return str(relation.get("event_id", "")) if relation.get("rel_type") == "m.replace" else ""
