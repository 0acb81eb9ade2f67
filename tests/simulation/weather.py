"""What breaks around the bot, at random, and how all of it is mended."""

from collections.abc import Callable
from random import Random
from typing import Final

from actors.model import MARKER_TYPE, RoomId
from tests.simulation.checkers import Checkers
from tests.simulation.events import Content
from tests.simulation.faults import Faults
from tests.simulation.plans import Plan
from tests.simulation.platform import SimulatedPlatform
from tests.simulation.process import BOT, Process
from tests.simulation.rival import Rival
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

BLIND_AFTER_LOSS: Final = 0.4
"""How often a room can't be read just when it is needed most."""
DAYS_S: Final = 8 * 86_400.0
"""So long nobody does anything when days pass; what is settled is kept for a week."""
LONG_AWAY: Final = 0.2
"""How often they pass when the bot has died over messages that wait."""
ANOTHER_VERSION: Final = 99
"""Of the marker: this bot can't read it."""


class Weather:
    """`change` breaks or mends one thing; `clear_up` mends everything for good."""

    def __init__(
        self,
        *,
        plan: Plan,
        server: SimulatedServer,
        faults: Faults,
        platform: SimulatedPlatform,
        process: Process,
        checkers: Checkers,
        rng: Random,
        story: Story,
    ) -> None:
        self.stormy = True
        self._plan = plan
        self._server = server
        self._faults = faults
        self._platform = platform
        self._process = process
        self._checkers = checkers
        self._rng = rng
        self._story = story
        self._rival = Rival(server)
        self._marked_otherwise: dict[RoomId, Content] = {}
        """What the markers say that another version has written."""
        self._begin()

    def _begin(self) -> None:
        plan = self._plan
        self._faults.rates = dict(plan.fault_rates)
        self._faults.lost_creations = plan.lost_creations
        self._faults.overlap = plan.overlap
        self._faults.shuffle = plan.shuffle
        self._server.slow_s = self._server.reading_s = plan.slow_s
        self._server.creation_limit = plan.creation_limit
        self._server.write_limit = plan.write_limit
        self._process.disk.fails = plan.database_fails
        self._platform.fails = plan.platform_fails
        self._platform.hangs = plan.platform_hangs
        self._platform.slow_s = plan.platform_slow_s

    def dies_at(self) -> int | None:
        """When the next run of the process dies."""
        within = self._plan.dies_within if self.stormy else None
        return self._rng.randint(1, within) if within else None

    def change(self) -> None:
        """Perhaps break something, or mend what is broken."""
        if self._rng.random() >= self._plan.storms:
            return
        breakages: list[Callable[[], object]] = [
            self._outage, self._outage, self._revoke, self._forget_positions, self._blind,
            self._process.kill, self._process.kill, self._process.stop, self._mend, self._mend,
            self._journal_fails, self._refuse, self._rival_comes, self._days_pass,
            self._mark_otherwise,
        ]  # fmt: skip
        breakage = self._rng.choice(breakages)
        self._story.tell("weather", breakage.__name__.strip("_"))
        breakage()

    async def damage_disk(self) -> bool:
        """Perhaps lose or damage some files while no process runs; whether the database is lost."""
        disk = self._process.disk
        if self.stormy and disk.waiting() and self._rng.random() < LONG_AWAY:
            self._story.tell("weather", "nobody starts the bot for days")
            self._days_pass()
        if not self.stormy or self._rng.random() >= 2 * self._plan.storms:
            return False
        match self._rng.randrange(4):
            case 0:
                self._lose_database()
                return True
            case 1:
                self._story.tell("weather", "the session is lost")
                disk.token = None
            case 2:
                self._lose_database()
                disk.token = None
                return True
            case _:
                self._checkers.expect_any_chat_id()
                self._story.tell("weather", f"{await disk.damage_rows()} rows are damaged")
        return False

    def clear_up(self) -> None:
        """Mend everything; nothing breaks any more."""
        self._story.tell("weather", "everything is well from here on")
        self.stormy = False
        self._mend()
        self._faults.healed()
        self._platform.healed()
        self._process.disk.fails = 0.0

    def _lose_database(self) -> None:
        self._story.tell("weather", "the database is lost")
        self._process.disk.lose_database()
        self._checkers.expect_loss()
        self._checkers.expect_any_chat_id()
        if self._rng.random() < BLIND_AFTER_LOSS:
            self._blind()

    def _mend(self) -> None:
        self._server.healed()
        self._process.disk.journal_fails = False
        self._rival.there = False
        for room_id, content in self._marked_otherwise.items():
            self._server.set_state(BOT, room_id, MARKER_TYPE, content, BOT)
            self._checkers.mended[room_id] = self._server.position
        self._marked_otherwise.clear()

    def _outage(self) -> None:
        self._server.down = True

    def _revoke(self) -> None:
        self._server.revoke_tokens(BOT)

    def _journal_fails(self) -> None:
        self._process.disk.journal_fails = True

    def _refuse(self) -> None:
        self._server.refuses_credentials = True
        self._server.revoke_tokens(BOT)

    def _rival_comes(self) -> None:
        self._rival.come()

    def _days_pass(self) -> None:
        self._faults.overlap = 0.0  # no server repeats what it has said days ago
        self._server.skip(DAYS_S)

    def _mark_otherwise(self) -> None:
        """A Space's marker is written by another version of the bot."""
        for room in self._server.rooms_of(BOT, "join"):
            marker = room.content(MARKER_TYPE, BOT)
            replaced = ("m.room.tombstone", "") in room.state
            if (
                marker.get("kind") == "space"
                and not replaced
                and marker.get("version") != ANOTHER_VERSION
            ):
                self._marked_otherwise[room.room_id] = marker
                other = {**marker, "version": ANOTHER_VERSION}
                self._server.set_state(BOT, room.room_id, MARKER_TYPE, other, BOT)
                return

    def _forget_positions(self) -> None:
        self._checkers.expect_loss()
        self._server.forget_positions()

    def _blind(self) -> None:
        """One room can't be read, most likely one of ours."""
        rooms = list(self._server.rooms_of(BOT, "join"))
        ours = [room for room in rooms if room.creator == BOT]
        chosen = self._rng.choice((rooms, ours, ours))
        if chosen:
            room_id = self._rng.choice(chosen).room_id
            self._server.unreadable[room_id] = "500: cannot be read"
