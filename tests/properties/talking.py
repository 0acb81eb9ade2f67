"""Rooms in which anything is said, edited, redacted and forgotten, as a homeserver shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from actors.model import (
    EventId,
    InboundMessage,
    OutboundKind,
    OutboundMessage,
    ReplyState,
    RoomId,
    SharedFile,
    TokensUsed,
    UserId,
)
from actors.rules.history import Budget
from actors.said import Redacted, ReplyMark, Said, SaidPage, TimelineEvent

BOT = UserId("@bot:example.org")
PEOPLE = tuple(UserId(f"@{name}:example.org") for name in ("alice", "boris", "carol"))
NAMES: Mapping[UserId, str] = {PEOPLE[0]: "Alice", PEOPLE[1]: "Борис"}
ROOM = RoomId("!room:example.org")
WORDS = frozenset({"help", "retry", "forget"})
FINAL = ".final"


@dataclass
class Log:
    """A room as the homeserver has it: everything that happened, in its order."""

    events: list[TimelineEvent] = field(default_factory=list)

    @property
    def redacted(self) -> set[EventId]:
        return {event.event_id for event in self.events if isinstance(event, Redacted)}

    def page(self, before: int, size: int, upto: int) -> SaidPage:
        """A page of the log of which the first `upto` events have happened."""
        gone = {it.event_id for it in self.events[:upto] if isinstance(it, Redacted)}
        start = max(0, before - size)
        shown: list[TimelineEvent] = [
            redacted(event) if event.event_id in gone else event
            for event in reversed(self.events[start:before])
            if isinstance(event, Said)
        ]
        senders = {event.sender for event in shown if isinstance(event, Said)}
        names = {sender: NAMES[sender] for sender in senders if sender in NAMES}
        return SaidPage(tuple(shown), f"t{start}" if start else None, names)

    def dead_words(self) -> set[str]:
        """The words that were deleted, or that their author has replaced."""
        said = {it.event_id: it for it in self.events if isinstance(it, Said) and not it.edits}
        newest: dict[EventId, Said] = {}
        edits = [it for it in self.events if isinstance(it, Said) and it.edits]
        for edit in sorted(edits, key=lambda it: (it.sent_ts, it.event_id)):
            original = said.get(edit.edits) if edit.edits else None
            is_valid = original is not None and original.sender == edit.sender
            if is_valid and edit.event_id not in self.redacted and edit.edits:
                newest[edit.edits] = edit
        alive = {
            newest.get(event_id, event).event_id
            for event_id, event in said.items()
            if event_id not in self.redacted
        }
        related = [edit for edit in edits if edit.edits in said]
        return {it.text for it in (*said.values(), *related) if it.event_id not in alive}


def redacted(event: TimelineEvent) -> Redacted:
    """A message that is redacted before it is shown."""
    mark = event.mark if isinstance(event, Said) else None
    return Redacted(event.event_id, mark.txn if mark else None)


def inbound(said: Said, quoted: str) -> InboundMessage:
    """A message as the inbox has it, with the text that it replies to."""
    return InboundMessage(
        said.event_id,
        ROOM,
        said.sender,
        said.sent_ts,
        said.msgtype,
        said.text,
        thread=said.thread,
        reply_to=said.reply_to,
        quoted=quoted,
        file=said.file,
        edits=said.edits,
    )


def queued(said: Said) -> OutboundMessage:
    """One of the bot's messages or finals, as its outbox has it."""
    assert said.mark is not None
    anchor = anchor_of(said.mark.txn)
    return OutboundMessage(
        said.mark.txn,
        ROOM,
        said.text,
        notice=said.msgtype == "m.notice",
        thread=said.thread,
        state=said.mark.state,
        tokens=said.tokens,
        forgets=said.forgets,
        more=said.mark.more,
        kind=OutboundKind.MESSAGE if anchor is None else OutboundKind.FINAL,
        edits=anchor,
    )


def anchor_of(txn_id: str) -> str | None:
    """The transaction id of the anchor that a final ends; None for any other message."""
    anchor, is_final, _ = txn_id.partition(FINAL)
    return anchor if is_final else None


@st.composite
def logs(draw: st.DrawFn, largest: int = 30) -> Log:
    """A log in which every text is a word of its own, and relations point anywhere."""
    log = Log()
    ids: list[EventId] = [EventId("$elsewhere")]
    anchors: dict[str, Said] = {}
    for number in range(draw(st.integers(1, largest))):
        if draw(st.integers(0, 3)) == 0:
            said = draw(_streamed(number, ids, anchors, log))
            log.events.append(said)
            ids.append(said.event_id)
            continue
        if len(ids) > 1 and draw(st.integers(0, 6)) == 0:
            log.events.append(Redacted(draw(st.sampled_from(ids[1:]))))
            continue
        said = draw(_said(number, ids))
        log.events.append(said)
        ids.append(said.event_id)
    return log


@st.composite
def _streamed(
    draw: st.DrawFn, number: int, ids: list[EventId], anchors: dict[str, Said], log: Log
) -> Said:
    """An anchor, a live edit of one, or its final; of an anchor that is gone, a message.

    A live edit may be handled late, so that it covers the final. A final is repeated once at most.
    """
    known = [it.mark.txn for it in log.events if isinstance(it, Said) and it.mark is not None]
    to, part = draw(st.sampled_from(ids)), draw(st.integers(0, 2))
    txn = draw(st.sampled_from([*anchors, f"{to}.{part}"]))
    anchor, final = anchors.get(txn), f"{txn}{FINAL}"
    edits = anchor.event_id if anchor is not None else None
    if final in known:
        final += ".2"
    if anchor is None or anchor.mark is None:
        mark = ReplyMark(txn, to, part, ReplyState.LIVE)
    elif final in known or draw(st.booleans()):
        mark = replace(anchor.mark, txn=f"{txn}~boot.{number}", state=ReplyState.LIVE)
    else:
        state = draw(st.sampled_from((ReplyState.DONE, ReplyState.STOPPED, ReplyState.FAILED)))
        mark = replace(anchor.mark, txn=final, state=state, more=draw(st.booleans()))
        edits = None if edits in log.redacted and final not in known else edits
    said = Said(
        event_id=EventId(f"${number}"),
        sender=BOT,
        sent_ts=1_000 + number + draw(st.integers(-5, 5) if edits else st.just(0)),
        msgtype="m.notice" if mark.state is ReplyState.FAILED else "m.text",
        text=f"word{number}.",
        edits=edits,
        mark=mark,
        tokens=TokensUsed("m", 1, number) if mark.txn == final else None,
    )
    if anchor is None:
        anchors[txn] = said
    return said


@st.composite
def _said(draw: st.DrawFn, number: int, ids: list[EventId]) -> Said:
    any_id = st.sampled_from(ids)
    kind = draw(
        st.sampled_from(
            ("text", "text", "text", "command", "notice", "file", "own", "own", "own", "edit")
        )
    )
    own = kind == "own" or (kind in {"edit", "notice"} and draw(st.booleans()))
    sender = BOT if own else draw(st.sampled_from(PEOPLE))
    text = f"word{number}."
    if kind == "command":
        text = draw(st.sampled_from(("!help", "!retry", "!retry", "!forget", "!other")))
    elif draw(st.integers(0, 9)) == 0:
        text += "щ" * draw(st.integers(1, 300)) + "."
    has_thread, has_reply = draw(st.integers(0, 3)) == 0, draw(st.integers(0, 3)) == 0
    notice = kind == "notice" or (kind == "own" and draw(st.integers(0, 3)) == 0)
    to = draw(any_id) if own and draw(st.integers(0, 5)) else None
    part = draw(st.integers(0, 2))
    state = draw(st.sampled_from((*ReplyState, ReplyState.DONE, ReplyState.DONE)))
    mark = ReplyMark(f"{to or 'x'}.{part}.{number}", to, part, state)
    file = SharedFile(f"mxc://x/{number}", f"{number}.png", "image/png", draw(st.integers(0, 99)))
    return Said(
        event_id=EventId(f"${number}"),
        sender=sender,
        sent_ts=1_000 + number,
        msgtype="m.notice" if notice else "m.image" if kind == "file" else "m.text",
        text=text,
        thread=draw(any_id) if has_thread and kind != "edit" else None,
        reply_to=draw(any_id) if has_reply and kind != "edit" else None,
        file=file if kind == "file" else None,
        edits=draw(any_id) if kind == "edit" else None,
        mark=mark if own else None,
        forgets=own and notice and draw(st.booleans()),
        tokens=TokensUsed("m", 1, number) if own and draw(st.booleans()) else None,
    )


budgets = st.builds(
    Budget, st.one_of(st.integers(0, 60), st.just(10_000)), st.sampled_from((0.5, 1.0, 1.7))
)
