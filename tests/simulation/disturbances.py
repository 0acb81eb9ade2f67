"""Random disturbances: outages, lost files, a suspended account, a second instance, and more."""

import math
from collections.abc import Callable
from random import Random
from typing import Final

from actors.model import MARKER_TYPE, RoomId
from tests.simulation.checkers import Checkers
from tests.simulation.events import Content
from tests.simulation.faults import Faults
from tests.simulation.plans import Plan
from tests.simulation.platform import OUTAGES, Outage, SimulatedPlatform
from tests.simulation.process import BOT, Process
from tests.simulation.second_instance import SecondInstance
from tests.simulation.server import SimulatedServer
from tests.simulation.story import Story

BLIND_AFTER_LOSS: Final = 0.4
"""The probability that a room becomes unreadable when the database is lost."""
DAYS_S: Final = 8 * 86_400.0
"""The length of a pause of several days: longer than the week for which settled rows are kept."""
LONG_AWAY: Final = 0.2
"""The probability of such a pause after the bot has died while messages wait."""
LATE_DEATHS: Final = 4
"""So many runs of the process die at a step of a growing answer after all disturbances."""
ANOTHER_VERSION: Final = 99
"""A version of the marker that this bot can't read."""


class Disturbances:
    """`change` starts one disturbance or ends all; `end` ends all of them for good."""

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
        self.active = True
        self._late_deaths = LATE_DEATHS
        self._plan = plan
        self._server = server
        self._faults = faults
        self._platform = platform
        self._process = process
        self._checkers = checkers
        self._rng = rng
        self._story = story
        self._second_instance = SecondInstance(server)
        self._other_markers: dict[RoomId, Content] = {}
        """The original contents of markers that another version has overwritten."""
        self._begin()

    def _begin(self) -> None:
        plan = self._plan
        self._faults.rates = dict(plan.fault_rates)
        self._faults.lost_creations = plan.lost_creations
        self._faults.edits = plan.edit_faults
        self._faults.overlap = plan.overlap
        self._faults.shuffle = plan.shuffle
        self._server.slow_s = self._server.reading_s = plan.slow_s
        self._server.creation_limit = plan.creation_limit
        self._server.write_limit = plan.write_limit
        self._process.disk.fails = plan.database_fails
        self._platform.rates = dict(plan.platform_rates)
        self._platform.slow_s = plan.platform_slow_s
        self._platform.long_answers, self._platform.bit_s = plan.long_answers, plan.bit_s
        self._server.bundles = plan.bundles

    def dies_at(self) -> int | None:
        """The passage at which the next run of the process dies, see `Life`; None for never."""
        within = self._plan.dies_within if self.active else None
        return self._rng.randint(1, within) if within else None

    def dies_streaming_at(self) -> int | None:
        """The step of growing answers at which the next run dies, see `Life`; None for never.

        Some runs die so even after all disturbances, because most answers grow in peace.
        """
        within = self._plan.dies_streaming
        if within is None or not (self.active or self._late_deaths):
            return None
        self._late_deaths -= not self.active
        return self._rng.randint(1, within)

    def change(self) -> None:
        """Start a disturbance or end all of them, with the probability of the plan."""
        if self._rng.random() >= self._plan.disturbances:
            return
        changes: list[Callable[[], object]] = [
            self._outage, self._outage, self._revoke, self._forget_positions, self._blind,
            self._process.kill, self._process.kill, self._process.stop, self._mend, self._mend,
            self._journal_fails, self._refuse, self._start_second_instance, self._days_pass,
            self._write_other_marker, self._suspend, self._platform_outage, self._log_out,
        ]  # fmt: skip
        change = self._rng.choice(changes)
        self._story.tell("disturb", change.__name__.strip("_"))
        change()

    async def damage_disk(self) -> bool:
        """Damage or delete files at random while no process runs.

        Returns whether the database is lost.
        """
        disk = self._process.disk
        if self.active and disk.waiting() and self._rng.random() < LONG_AWAY:
            self._story.tell("disturb", "the bot stays stopped for days")
            self._days_pass()
        if not self.active or self._rng.random() >= 2 * self._plan.disturbances:
            return False
        match self._rng.randrange(6):
            case 0:
                self._lose_database()
                return True
            case 1:
                self._story.tell("disturb", "the session is lost")
                disk.token = None
            case 2:
                self._lose_database()
                disk.token = None
                return True
            case 3:
                self._story.tell("disturb", "the database is copied")
                disk.make_backup()
            case 4:
                self._restore_database()
            case _:
                self._checkers.expect_any_chat_id()
                self._story.tell("disturb", f"{await disk.damage_rows()} rows are damaged")
        return False

    def end(self) -> None:
        """End all disturbances and faults for good."""
        self._story.tell("disturb", "all disturbances end for good")
        self.active = False
        self._mend()
        self._faults.healed()
        self._platform.healed()
        self._process.disk.fails = 0.0

    def _lose_database(self) -> None:
        self._story.tell("disturb", "the database is lost")
        self._process.disk.lose_database()
        self._checkers.expect_loss()
        self._checkers.expect_any_chat_id()
        if self._rng.random() < BLIND_AFTER_LOSS:
            self._blind()

    def _restore_database(self) -> None:
        if self._process.disk.restore_backup():
            self._story.tell("disturb", "an old copy of the database is restored")
            self._server.forget_transactions()
            self._checkers.expect_loss()
            self._checkers.expect_any_chat_id()

    def _platform_outage(self) -> None:
        self._platform.outage = self._rng.choice(tuple(OUTAGES))

    def _mend(self) -> None:
        self._server.healed()
        self._platform.outage = Outage.NONE
        self._process.disk.journal_fails = False
        self._second_instance.running = False
        for room_id, content in self._other_markers.items():
            self._server.set_state(BOT, room_id, MARKER_TYPE, content, BOT)
            self._checkers.mended[room_id] = self._server.position
        self._other_markers.clear()

    def _outage(self) -> None:
        self._server.down = True

    def _revoke(self) -> None:
        self._server.revoke_tokens(BOT)

    def _log_out(self) -> None:
        self._server.log_out(BOT)

    def _journal_fails(self) -> None:
        self._process.disk.journal_fails = True

    def _refuse(self) -> None:
        self._server.refuses_credentials = True
        self._server.revoke_tokens(BOT)

    def _suspend(self) -> None:
        self._server.suspended.add(BOT)

    def _start_second_instance(self) -> None:
        self._second_instance.start()

    def _days_pass(self) -> None:
        self._faults.overlap = 0.0  # a server does not repeat events from days ago
        self._server.run_postponed_until(math.inf)  # no request is under way for days
        self._server.forget_transactions()
        self._server.skip(DAYS_S)
        self._checkers.days_pass()

    def _write_other_marker(self) -> None:
        """Overwrite a Space's marker, as another version of the bot would."""
        for room in self._server.rooms_of(BOT, "join"):
            marker = room.content(MARKER_TYPE, BOT)
            replaced = ("m.room.tombstone", "") in room.state
            if (
                marker.get("kind") == "space"
                and not replaced
                and marker.get("version") != ANOTHER_VERSION
            ):
                self._other_markers[room.room_id] = marker
                other = {**marker, "version": ANOTHER_VERSION}
                self._server.set_state(BOT, room.room_id, MARKER_TYPE, other, BOT)
                return

    def _forget_positions(self) -> None:
        self._server.forget_positions()
        self._checkers.positions_forgotten()

    def _blind(self) -> None:
        """Make a room unreadable, most likely one that the bot created."""
        rooms = list(self._server.rooms_of(BOT, "join"))
        created = [room for room in rooms if room.creator == BOT]
        chosen = self._rng.choice((rooms, created, created))
        if chosen:
            room_id = self._rng.choice(chosen).room_id
            self._server.unreadable[room_id] = "500: cannot be read"
