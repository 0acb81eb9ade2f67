"""Rules that must hold at every moment of a simulation. The simulation reports events to them."""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio

from actors.bounds import Bounds
from actors.model import MARKER_TYPE, ChatId, EventId, PlatformChatId, RoomId, UserId
from actors.port_errors import PositionLost
from actors.rules.room_states import ROOM_LIFECYCLE, RoomState, RoomTrigger
from actors.runtime.letters import Address
from actors.runtime.table import Outcome, Table, Transition
from supervisor.current import Stopped
from supervisor.lifecycle import LIFECYCLE, MACHINE, State, Trigger
from tests.simulation.edits import edited_by
from tests.simulation.events import Event
from tests.simulation.own_messages import ONCE, answered_by, is_note, part_of, thread_of
from tests.simulation.server import SimulatedServer
from tests.simulation.settling import Settling
from tests.simulation.story import Story
from tests.simulation.streaming import Streaming
from tests.simulation.talk import Talk

WRITES: Final = frozenset({
    "create_room", "write_marker", "set_name", "link", "unlink", "join", "leave", "forget",
    "invite", "let_in", "send",
})  # fmt: skip
"""Requests that change something visible and lasting on the homeserver."""

ENDING_COMMANDS: Final = ("!stop", "!retry", "!forget")
"""What ends a question that is in work."""

SESSION: Final = frozenset({"log_in", "probe", "hydrate", "sync"})
"""Requests that a bot with refused credentials must not send."""

LOGINS: Final = 20
LOGINS_WITHIN_S: Final = 60.0
"""One run of the process makes at most so many logins by password in this time."""


class Checkers:
    """Collects violations; the first one sets `broken`."""

    def __init__(
        self, server: SimulatedServer, me: UserId, story: Story, bounds: Bounds = Bounds()
    ) -> None:
        self._bounds = bounds
        self.violations: list[str] = []
        self.broken = anyio.Event()
        self.state: Callable[[], State | None] = lambda: None
        """Returns the supervisor's state; None while no supervisor runs."""
        self.creating: Callable[[], int] = lambda: 0
        """Returns how many rooms the bot is asking the homeserver to create."""
        self.answers: defaultdict[EventId, list[Event]] = defaultdict(list)
        """The bot's replies in the timelines, by the message that they answer."""
        self.lost_until = self.old_until = 0
        """Messages up to the first position may be lost with the database. Those that are also up
        to the second one are older than an hour: they may be asked about instead of answered."""
        self.unknown_before = 0.0
        """Messages from before this time, in seconds since the epoch, may be older than what the
        inbox remembered when the bot lost its position."""
        self.mended: dict[RoomId, int] = {}
        """Spaces with a marker of another version, and the position at which it was restored."""
        self.journal: dict[str, str] = {}
        """The state of every machine in this run, replayed from the journal."""
        self._server, self._me, self._story = server, me, story
        self.streaming = Streaming(server, bounds, self.violated)
        self.settling = Settling(bounds, self.violated)
        self._boot = ""
        self._why: Trigger | None = None
        """The trigger that led to the current state of the lifecycle."""
        self._busy: set[Address] = set()
        self._said: dict[str, EventId] = {}
        self._positions: dict[EventId, int] = {}
        self._chat_ids: dict[tuple[str, str], RoomId] = {}
        self._intents: dict[str, RoomId] = {}
        self._talk = Talk()
        self.waiting: Callable[[], dict[RoomId, int]] = dict
        """Returns the number of messages that wait in the inbox, by room."""
        self.is_well: Callable[[RoomId], bool] = lambda _: True
        """Returns whether the messages of a room count towards the limit of all rooms."""
        self._syncs_while_full = 0
        self._expected: dict[RoomId, ChatId] = {}
        self._loss_expected = self._forgotten = self._credentials_refused = self._may_read = False
        """After a change to `live`, the bot may sync once, however many messages wait."""
        self._logins: deque[float] = deque()
        self._next_index: dict[str, int] = {}
        """The latest `next_chat_index` of each owner's row in this run of the process."""

    def violated(self, what: str) -> None:
        """Record a violation."""
        self._story.tell("VIOLATION", what)
        self.violations.append(what)
        self.broken.set()

    # ------------------------------------------------------------ the process

    def booted(self, boot: str) -> None:
        """Note that another run of the process begins."""
        self._boot = boot
        self._why = None
        self._credentials_refused = False
        self._logins.clear()
        self._next_index.clear()
        self._busy.clear()
        self.journal.clear()
        self.settling.booted()

    @contextmanager
    def handling(self, boot: str, address: Address) -> Iterator[None]:
        """Check that an actor runs one handler at a time; the context is the time of a handler."""
        if boot == self._boot and address in self._busy:
            self.violated(f"two handlers at once in {address}")
        self._busy.add(address)
        try:
            yield
        finally:
            if boot == self._boot:
                self._busy.discard(address)

    def request_started(self, method: str) -> None:
        """Check that the bot may send this request now."""
        if method in SESSION and self._credentials_refused:
            self.violated(f"{method} after the credentials were refused")
        if method == "sync" and self.state() is State.LIVE:
            self._check_backlog()
            self._may_read = False
        if method == "create_room" and self.creating() > 1:
            self.violated(f"{self.creating()} rooms are created at once")
        if method in WRITES and not self._may_write(method):
            self.violated(f"{method} while {self.state()} ({self._why})")

    def _check_backlog(self) -> None:
        """Check that the bot reads on only while it has space, and that no room has too much.

        A room may become well just before a sync, so one sync alone proves nothing.
        """
        waiting = self.waiting()
        most = max(waiting.values(), default=0)
        if most > self._bounds.inbox_room_limit:
            self.violated(f"{most} messages of one room wait")
        count = sum(each for room_id, each in waiting.items() if self.is_well(room_id))
        is_full = not self._may_read and count > self._bounds.inbox_limit
        self._syncs_while_full = self._syncs_while_full + 1 if is_full else 0
        if self._syncs_while_full > 1:
            self.violated(f"syncs while {count} messages wait")

    def refused(self) -> None:
        """Note that the homeserver has refused the credentials."""
        self._credentials_refused = True

    def logged_in(self, how: str) -> None:
        """Check the rate of logins. `how` is `password` or `resumed`."""
        now = anyio.current_time()
        if how == "password":
            self._logins.append(now)
        while self._logins and now - self._logins[0] > LOGINS_WITHIN_S:
            self._logins.popleft()
        if len(self._logins) > LOGINS:
            self.violated(f"{len(self._logins)} logins within {LOGINS_WITHIN_S:g} s")

    def stopped(self, last: Stopped, *, asked: bool) -> None:
        """Check the end of the supervisor: on request, or because of refused credentials."""
        self._story.tell("process", f"stops: {last.cause} ({last.reason})")
        self.settling.stopped()
        refused = last.cause is Trigger.CREDENTIALS_REFUSED
        if not (self._credentials_refused if refused else asked):
            self.violated(f"the process ended by itself: {last.cause} ({last.reason})")

    def _may_write(self, method: str) -> bool:
        """Only a live bot may write; while rooms fail, it may write but not create rooms.

        An account that was refused and has no room finds out by a join whether it still is.
        """
        state = self.state()
        served = state is State.DEGRADED and self._why is Trigger.ROOMS_FAILING
        if method == "join" and state is State.DEGRADED:
            return served or not any(self._server.rooms_of(self._me, "join"))
        return state is State.LIVE or (served and method != "create_room")

    def asked(self, chat: PlatformChatId, key: EventId) -> None:
        """Check that a room, and each thread in it, always uses one conversation of its own."""
        self._check(self._talk.asked(self.room_of(key), chat, key))

    def room_of(self, key: EventId) -> RoomId:
        """The room of a message."""
        return self._server.events[self._positions[key] - 1].room_id

    def _check(self, violation: str | None) -> None:
        if violation is not None:
            self.violated(violation)

    def journaled(self, record: Transition, *, lost: bool) -> None:
        """Check that a transition continues the last one of its machine, as the table says.

        `lost` is true for a transition that could not be written.
        """
        self._story.tell(
            "lost row" if lost else "journal",
            f"{record.machine}: {record.src} --{record.trigger}--> {record.dst}"
            f" {record.outcome} ({record.reason})",
        )
        is_room = record.machine != MACHINE
        before = self.journal.get(
            record.machine, RoomState.UNCHECKED if is_room else LIFECYCLE.initial
        )
        self.journal[record.machine] = record.dst
        if not is_room:
            self._why = Trigger(record.trigger)
            self._may_read = record.dst == State.LIVE
        if record.src != before:
            self.violated(f"journal: {record.machine} was {before}, not {record.src}")
        follows = (
            _next(ROOM_LIFECYCLE, RoomState(record.src), RoomTrigger(record.trigger))
            if is_room
            else _next(LIFECYCLE, State(record.src), Trigger(record.trigger))
        )
        if record.dst == State.LIVE and record.src != State.RECONCILE:
            self.violated(f"journal: {record.src} straight to live")
        denied = record.outcome is Outcome.DENIED
        if (denied, record.dst) != (follows is None, follows or record.src):
            self.violated(f"journal: no such transition: {record}")

    # ------------------------------------------------------------ losses

    def expect_loss(self) -> None:
        """Expect that messages are lost up to the next sync position that is saved."""
        self._loss_expected = True

    def days_pass(self) -> None:
        """Note that whatever was said so far will be old."""
        self.old_until = self._server.position

    @property
    def excused_until(self) -> int:
        """Messages up to this position of the stream need no answer."""
        return min(self.lost_until, self.old_until)

    def expect_chat_id(self, room_id: RoomId, chat_id: ChatId) -> None:
        """Expect this chat id for a room without a marker: its rows or its name imply it."""
        self._expected[room_id] = chat_id

    def expect_any_chat_id(self) -> None:
        """Drop these expectations: the rows that imply them are damaged or lost."""
        self._expected.clear()

    def owner_row_written(self, key: str, value: str = "") -> None:
        """Check that the index in an owner's row never falls while live. No value: it is gone."""
        if not value:
            return
        index, before = int(json.loads(value)["next_chat_index"]), self._next_index.get(key, 1)
        if self.state() is State.LIVE and index < before:
            self.violated(f"next_chat_index of {key} falls from {before} to {index}")
        self._next_index[key] = index

    def positions_forgotten(self) -> None:
        """Expect that the bot reads its rooms again, up to the next position that it saves."""
        self._forgotten = True

    def position_saved(self, token: str) -> None:
        """Note the sync position that the bot has saved."""
        try:
            position = self._server.position_of(token)
        except PositionLost:
            return
        if self._loss_expected:
            self.lost_until, self._loss_expected = position, False
        if self._forgotten:
            self.unknown_before = self._server.now() - self._bounds.keep_s + self._bounds.skew_s
            self._forgotten = False

    # ------------------------------------------------------------ the rooms

    def seen(self, event: Event) -> None:
        """Check an event of a room."""
        self._positions[event.event_id] = event.position
        if event.sender != self._me:
            self._talk.threads[event.event_id] = thread_of(event)
            if str(event.content.get("body")).startswith(ENDING_COMMANDS):
                self._talk.ending.add(event.event_id)
            if self._is_command(event):
                self._talk.commands.add(event.event_id)
            return
        if event.type == "m.room.message":
            self._sent(event)
        elif event.type == MARKER_TYPE:
            self._marked(event)

    def may_have_ended(self, event: Event) -> bool:
        """Whether an event is, or was when the bot handled it, a command that ends a question."""
        if event.event_id not in self._talk.ending:
            return False
        return not event.redacted or bool(self.answers[event.event_id])

    def _is_command(self, event: Event) -> bool:
        """Whether a message is a command of the room's owner, which a new room may not name yet."""
        owner = self._server.room(event.room_id).content(MARKER_TYPE, self._me).get("owner")
        is_owner = owner is None or event.sender == owner
        return is_owner and str(event.content.get("body")).startswith("!")

    def _sent(self, event: Event) -> None:
        self.streaming.seen(event)
        if edited_by(event.content) is not None:
            return  # the place of an answer is that of its first message
        body = str(event.content.get("body"))
        if any(once.fullmatch(body) for once in ONCE):
            earlier = self._server.room(event.room_id).find(self._said.get(body, EventId("")))
            if earlier is not None and not earlier.redacted:
                self.violated(f"said twice: {body}")
            self._said[body] = event.event_id
        message = answered_by(event)
        if message is None:
            return
        self.answers[message].append(event)
        if thread_of(event) != self._talk.threads[message]:
            self.violated(f"answered outside of its thread: {message}")
        if (event.txn_id or "").startswith("new."):
            return
        if is_note(event):
            self._check(self._talk.noted(event.txn_id or "", self._boot))
            return
        self._check_answered_once(message, event)
        if all(it is event or is_note(it) for it in self.answers[message]):
            self._check(self._talk.answered(event.room_id, message, self._positions[message]))

    def _check_answered_once(self, message: EventId, event: Event) -> None:
        """Check that no part of an answer is there already. A redacted message does not count.

        An end whose edit was refused comes before the redaction of its anchor. That the anchor does
        not stay is checked at the end.
        """
        part = part_of(event)
        room = self._server.room(event.room_id)
        earlier = [room.find(it.event_id) for it in self.answers[message] if it is not event]
        same = (it for it in earlier if it and not it.redacted and not is_note(it))
        anchor, is_end, _ = (event.txn_id or "").partition(".final")
        if any(part_of(it) == part for it in same if not is_end or it.txn_id != anchor):
            self.violated(f"answered twice: {message}")

    def _marked(self, event: Event) -> None:
        owner, chat_id = str(event.content.get("owner")), event.content.get("chat_id")
        if chat_id is not None:
            self._claim((owner, str(chat_id)), event.room_id)
            expected = self._expected.pop(event.room_id, chat_id)
            if chat_id != expected:
                self.violated(f"{event.room_id} was {expected} and is {chat_id} now")
        intent = event.content.get("intent")
        before = self._server.room(event.room_id).content("m.room.create").get("predecessor")
        if intent is None or before is not None:
            return
        if chat_id is not None and event.prev_content == {}:
            self._check_high_water(event, str(chat_id))
        made = self._intents.setdefault(str(intent), event.room_id)
        if made != event.room_id and self._server.room(made).membership(self._me) == "join":
            self.violated(f"two rooms for the intent {intent}")

    def _check_high_water(self, event: Event, chat_id: str) -> None:
        """Check that the Space's marker reserves a number before a chat uses it."""
        space = self._server.room(RoomId(str(event.content.get("space_id"))))
        mark = space.content(MARKER_TYPE, self._me).get("next_chat_index")
        if not isinstance(mark, int) or mark <= int(chat_id.removeprefix("C")):
            self.violated(f"{chat_id} is used in {event.room_id}, the Space says {mark} is next")

    def _claim(self, key: tuple[str, str], room_id: RoomId) -> None:
        holder = self._chat_ids.setdefault(key, room_id)
        replaces = self._replaces(room_id, holder) or self._replaces(holder, room_id)
        if holder != room_id and not replaces:
            self.violated(f"{key[1]} of {key[0]} given out twice: {holder}, {room_id}")
        self._chat_ids[key] = room_id

    def _replaces(self, room_id: RoomId, earlier: RoomId) -> bool:
        """Whether a room replaces an earlier one, directly or through other rooms."""
        before = self._server.room(room_id).content("m.room.create").get("predecessor")
        if not isinstance(before, dict):
            return False
        predecessor = RoomId(before["room_id"])
        return predecessor == earlier or self._replaces(predecessor, earlier)


def _next(
    table: Table[RoomState, RoomTrigger] | Table[State, Trigger],
    state: RoomState | State,
    trigger: RoomTrigger | Trigger,
) -> str | None:
    return next((row.dst for row in table.rows if (row.src, row.trigger) == (state, trigger)), None)
