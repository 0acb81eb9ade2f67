"""Rules that must hold at the end, after all faults are over and the bot has caught up."""

from collections import Counter
from typing import Protocol

from actors.bounds import Bounds
from actors.model import MARKER_TYPE, EventId, RoomId, UserId
from adapter.sql.pruning import PRUNINGS
from adapter.sql.values import Query
from supervisor.lifecycle import MACHINE, State
from supervisor.serving.assembly import Bot
from supervisor.supervisor import Supervisor
from tests.simulation.cast import Cast
from tests.simulation.checkers import Checkers
from tests.simulation.disk import Disk
from tests.simulation.events import MALFORMED, Event
from tests.simulation.process import BOT
from tests.simulation.rebuilding import wrong_rows
from tests.simulation.room import SimulatedRoom
from tests.simulation.server import SimulatedServer
from tests.simulation.shown_answers import wrong_answers

FAMILIES = ("matrix_user:", "matrix_room:", "chat:")


class Running(Protocol):
    """The bot, as one process or several. `supervisor` and `bot` are those of the leader."""

    @property
    def disk(self) -> Disk:
        """Its files."""
        ...

    @property
    def supervisor(self) -> Supervisor | None:
        """What drives it; None if it does not run."""
        ...

    @property
    def bot(self) -> Bot | None:
        """The bot; None if it does not run."""
        ...


class Ending:
    """Checks the server, the disk and the process from outside."""

    def __init__(
        self, server: SimulatedServer, process: Running, cast: Cast, checkers: Checkers
    ) -> None:
        self._server = server
        self._process = process
        self._cast = cast
        self._checkers = checkers

    async def unfinished(self) -> list[str]:
        """The work that the bot has left, in words; empty when it is at rest."""
        supervisor, bot = self._process.supervisor, self._process.bot
        if supervisor is None or bot is None or supervisor.state is not State.LIVE:
            return [f"the bot is {supervisor.state if supervisor else 'not running'}"]
        store = self._process.disk.store()
        left = [f"inbox of {room_id}" for room_id in await store.waiting_counts()]
        left += [f"outbox of {room_id}" for room_id in await store.unsent_counts()]
        left += [f"intents of {owner}" for owner in await store.intent_owners()]
        left += [f"gap of {gap.room_id}" for gap in await store.gaps()]
        left += [
            f"{room_id} is {bot.services.states.of(room_id)}"
            for room_id in bot.services.states
            if bot.services.states.of(room_id) in {"quarantined", "repairing"}
        ]
        left += [f"mail of {cell.address.name}" for cell in bot.system.cells if cell.mailbox]
        left += [f"upkeep of {room_id}" for room_id in bot.services.upkeep._due]
        if await store.position() != self._server.token():
            left.append("the stream")
        return left

    async def check(self) -> None:
        """Check the rules that hold only at the end."""
        self._check_answers()
        self._check_spaces()
        self._check_invites()
        self._check_journal()
        await self._check_intents()
        await self._check_rows()

    def _check_answers(self) -> None:
        for event in self._server.events:
            if not self._is_for_us(event):
                continue
            answers = self._checkers.answers[event.event_id]
            if not answers and not self._was_stopped(event) and not self._was_asked_about(event):
                self._violated(f"never answered: {event.event_id} {event.content} {event.room_id}")
        for room in self._server.rooms_of(BOT, "join"):
            self._check_shown(room)

    def _check_shown(self, room: SimulatedRoom) -> None:
        """Check what people see of the answers in a room that the bot serves."""
        since = self._served_since(room)
        if since is None:
            return

        def is_excused(question: EventId) -> bool:
            asked = room.find(question)
            return asked is None or asked.position <= since

        for wrong in wrong_answers(room, BOT, self._checkers.streaming, is_excused):
            self._violated(wrong)

    def _was_stopped(self, asked: Event) -> bool:
        """Whether a command after a question may have ended it before anything was said."""
        return any(
            event.position > asked.position and self._checkers.may_have_ended(event)
            for event in self._server.room(asked.room_id).timeline
        )

    def _was_asked_about(self, asked: Event) -> bool:
        """Whether the bot has said that it does not answer messages of this age any more."""
        old_ts = asked.origin_server_ts + Bounds().unanswered_s * 1000
        return any(
            (event.txn_id or "").endswith(".unanswered") and event.origin_server_ts > old_ts
            for event in self._server.room(asked.room_id).timeline
            if event.sender == BOT
        )

    def _is_for_us(self, event: Event) -> bool:
        """Whether the bot must have answered this event."""
        if event.type != "m.room.message" or event.state_key is not None or event.sender == BOT:
            return False
        if event.content is MALFORMED or not _expects_an_answer(event):
            return False
        if event.origin_server_ts / 1000 < self._checkers.unknown_before:
            return False
        room = self._server.rooms[event.room_id]
        since = self._served_since(room)
        return since is not None and event.position > max(since, self._checkers.excused_until)

    def _served_since(self, room: SimulatedRoom) -> int | None:
        """The position since which the bot serves a room: it is in the chat and in its Space.

        None for a room that is not a chat or was replaced.
        """
        if room.membership(BOT) != "join" or ("m.room.tombstone", "") in room.state:
            return None
        marker = room.content(MARKER_TYPE, BOT)
        if marker.get("kind") != "chat":
            return None
        space = self._server.rooms.get(RoomId(str(marker.get("space_id"))))
        if space is None or space.membership(BOT) != "join":
            return None
        mended = self._checkers.mended.get(space.room_id, 0)
        return max(_joined_at(room), _joined_at(space), mended)

    def _check_spaces(self) -> None:
        owners = Counter(
            str(room.content(MARKER_TYPE, BOT).get("owner"))
            for room in self._server.rooms_of(BOT, "join")
            if room.content(MARKER_TYPE, BOT).get("kind") == "space"
            and ("m.room.tombstone", "") not in room.state
        )
        for owner, count in owners.items():
            if count > 1 + self._cast.spaces_taken[UserId(owner)]:
                self._violated(f"{owner} has {count} Spaces")
        for person in self._cast.people:
            if not self._cast.has_space(person):
                self._violated(f"{person.user_id} has no Space")
            if not self._cast.has_chat(person):
                self._violated(f"{person.user_id} has no chat")

    def _check_invites(self) -> None:
        for invite in self._server.invites(BOT):
            self._violated(f"invite to {invite.room_id} by {invite.inviter} not answered")
        for room in self._server.rooms_of(BOT, "join"):
            if room.creator == self._cast.stranger.user_id:
                self._violated(f"joined a stranger's room {room.room_id}")

    def _check_journal(self) -> None:
        bot, supervisor = self._process.bot, self._process.supervisor
        if bot is None or supervisor is None:
            return
        actual: dict[str, str] = {
            f"room:{room_id}": bot.services.states.of(room_id) for room_id in bot.services.states
        }
        actual[MACHINE] = supervisor.state
        replayed = self._checkers.journal
        for machine, state in sorted(actual.items()):
            if replayed.get(machine, "unchecked") != state:
                self._violated(f"{machine} is {state}, the journal says {replayed.get(machine)}")

    async def _check_intents(self) -> None:
        """Check that each room that the bot made has the marker of an intent."""
        ours = [
            room
            for room in self._server.rooms.values()
            if room.creator == BOT and room.content(MARKER_TYPE, BOT).get("intent")
        ]
        if len(ours) != self._server.creations[BOT]:
            self._violated(f"{self._server.creations[BOT]} rooms made, {len(ours)} with a marker")

    async def check_pruned(self) -> None:
        """Check that settled rows of inbox and outbox are pruned."""
        before = self._server.now() - Bounds().keep_s - Bounds().prune_every_s
        for pruning in PRUNINGS:
            if await self._process.disk.database.fetch(Query(pruning.select, (before, 1))):
                self._violated(f"settled rows of {pruning.table} are older than they may be")

    async def _check_rows(self) -> None:
        """Check that the cache equals a rebuild from an empty database, for all joined rooms."""
        before = len(self._server.writes)
        rows = await self._process.disk.store().rows("")
        for wrong in await wrong_rows(rows, self._server, self._cast.inherited):
            self._violated(wrong)
        if len(self._server.writes) != before:
            self._violated("a rebuild wrote something on the server")

    def _violated(self, what: str) -> None:
        self._checkers.violated(what)


def _expects_an_answer(event: Event) -> bool:
    content = event.content
    if event.redacted:
        return False
    relation = content.get("m.relates_to")
    if isinstance(relation, dict) and relation.get("rel_type") == "m.replace":
        return False
    msgtype = content.get("msgtype")
    return msgtype != "m.notice" and (msgtype != "m.text" or bool(str(content["body"]).strip()))


def _joined_at(room: SimulatedRoom) -> int:
    """The position of the bot's current membership in the room."""
    return room.state["m.room.member", BOT].position
