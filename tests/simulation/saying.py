"""Reads what was said in a room by the product's rules, in an implementation of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from actors.model import EventId, ReplyState, TokensUsed, UserId
from actors.said import Redacted, ReplyMark, Said, SaidPage, TimelineEvent
from tests.simulation.events import MALFORMED, Content, Event
from tests.simulation.reading import read_message

PAGE_SIZE: Final = 7


def read_said(events: Iterable[Event], me: UserId) -> Iterator[TimelineEvent]:
    """Messages, edits and redactions, in the order of the events."""
    for event in events:
        if event.type == "m.room.redaction":
            yield Redacted(EventId(str(event.content["redacts"])))
        elif event.type == "m.room.message" and not event.content:
            own_txn = event.txn_id if event.redacted and event.sender == me else None
            yield Redacted(event.event_id, own_txn)
        elif event.type == "m.room.message":
            yield from _read(event, me)


def read_history(events: list[Event], me: UserId, token: str | None) -> SaidPage:
    """A page of the messages before a token, newest first. `events` begin with the bot's join."""
    end = len(events) if token is None else int(token.removeprefix("h"))
    start = max(0, end - PAGE_SIZE)
    said = tuple(read_said((it for it in events[start:end] if not _redacts(it)), me))
    people = {it.sender for it in said if isinstance(it, Said)}
    names = {user: user[1:].partition(":")[0].title() for user in people}
    return SaidPage(tuple(reversed(said)), f"h{start}" if start else None, names)


def _redacts(event: Event) -> bool:
    return event.type == "m.room.redaction"


def _read(event: Event, me: UserId) -> Iterator[Said]:
    """One message or edit; nothing for an edit without a new content."""
    message, new = read_message(event), event.content.get("m.new_content")
    relation = event.content.get("m.relates_to")
    edits = None
    if message is not None and message.is_edit and isinstance(relation, dict):
        edits = EventId(str(relation["event_id"]))
        message = read_message(replace(event, content=new)) if isinstance(new, dict) else None
    if message is None or event.content is MALFORMED:
        return
    content = new if edits and isinstance(new, dict) else event.content
    own = event.sender == me
    yield Said(
        event_id=event.event_id,
        sender=event.sender,
        sent_ts=event.origin_server_ts,
        msgtype=str(content.get("msgtype", "")),
        text=message.body,
        thread=message.thread,
        reply_to=message.reply_to,
        quoted=message.quoted,
        file=message.file,
        edits=edits,
        mark=_mark(content) if own else None,
        forgets=own and content.get("io.surfaces.forget") is True,
        tokens=_tokens(content) if own else None,
    )


def _mark(content: Content) -> ReplyMark | None:
    mark = content.get("io.surfaces.reply")
    if not isinstance(mark, dict):
        return None
    if "to" not in mark:
        return ReplyMark(mark["txn"])
    more = mark.get("more", False)
    return ReplyMark(mark["txn"], mark["to"], mark["part"], ReplyState(mark["state"]), more)


def _tokens(content: Content) -> TokensUsed | None:
    used = content.get("io.surfaces.usage")
    if not isinstance(used, dict):
        return None
    return TokensUsed(used["model"], used["prompt_tokens"], used["completion_tokens"])
