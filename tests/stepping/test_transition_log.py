"""How transitions are logged, and written while others are being written."""

import anyio
import pytest
from structlog.testing import capture_logs

from actors.model import RoomId
from actors.room_states import RoomStates
from actors.rules.room_states import RoomTrigger
from actors.runtime.table import Transition
from actors.runtime.transition_log import TransitionLog

pytestmark = pytest.mark.anyio


class SlowJournal:
    """Implements `actors.runtime.transition_log.Journal`: the first rows take the longest."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self._takes_s = 10.0

    async def append(self, *transitions: Transition) -> None:
        takes_s, self._takes_s = self._takes_s, self._takes_s / 2
        await anyio.sleep(takes_s)
        self.reasons += [each.reason for each in transitions]


async def test_rows_are_written_in_the_order_in_which_they_were_noted() -> None:
    journal = SlowJournal()
    log = TransitionLog(journal, "boot-1", lambda: 0.0)
    async with anyio.create_task_group() as tasks:
        for number in range(4):
            log.note(log.decided("room:!a", "unchecked", "checked", "ready", f"{number}"))
            tasks.start_soon(log.flush)
            await anyio.sleep(1)
    assert journal.reasons == ["0", "1", "2", "3"]


async def test_what_comes_before_there_is_a_journal_is_kept_for_it() -> None:
    journal = SlowJournal()
    log = TransitionLog(None, "boot-1", lambda: 0.0)
    await log.write(log.decided("lifecycle", "standby", "elected", "login", "first"))
    await log.flush()
    await log.journal_to(journal)
    assert journal.reasons == ["first"]
    await log.write(log.decided("lifecycle", "login", "logged_in", "hydrate", "second"))
    assert journal.reasons == ["first", "second"]


async def test_what_is_noted_while_rows_are_written_is_written_after_them() -> None:
    journal, told = SlowJournal(), list[str]()
    log = TransitionLog(journal, "boot-1", lambda: 0.0, tell=lambda it: told.append(it.reason))
    log.note(log.decided("lifecycle", "live", "store_lost", "degraded", "first"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.flush)
        await anyio.sleep(1)
        log.note(log.decided("lifecycle", "degraded", "lease_lost", "stopped", "second"))
        assert (journal.reasons, told) == ([], ["first", "second"])
    assert journal.reasons == ["first", "second"]


async def test_a_transition_that_every_room_makes_at_a_start_is_logged_at_debug_level() -> None:
    with capture_logs() as logged:
        log = TransitionLog(SlowJournal(), "boot-1", lambda: 0.0)
        states = RoomStates(
            log, anyio.current_time, flush_later=lambda: None, probes_of=lambda _: 0
        )
        states.fire(RoomId("!a"), RoomTrigger.CHECKED, "in line")
        states.fire(RoomId("!a"), RoomTrigger.LEFT, "removed or left")
    levels = [(entry["trigger"], entry["log_level"]) for entry in logged]
    assert levels == [("checked", "debug"), ("left", "info")]
