"""Builds and runs the bot, or a single reconciliation, from settings."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, Protocol, TypeVar

import anyio
import anyio.to_thread
import structlog

from actors.bounds import Bounds
from actors.chats import ChatManager
from actors.leadership import NO_LEASE, Lead, Leadership
from actors.platform import Platform
from actors.port_errors import PortError, StoreRefused, StoreUnavailable
from actors.rules.report import ReconcileReport
from actors.runtime.apart import call_apart
from actors.runtime.transition_log import Journal, TransitionLog
from actors.texts import LOCALES
from adapter.matrix.formatting import formatted_parts
from adapter.matrix.reconcile import reconcile_matrix_state
from adapter.matrix.session import SessionInDatabase
from adapter.sql.lease import Alone, Share
from adapter.sql.store import SqlStore
from supervisor.app.databases import (
    Led,
    OnRecovery,
    Place,
    copied_store,
    not_opened,
    open_journal,
    open_store,
    read_journal,
)
from supervisor.app.ending import StopSignals, end_process_within
from supervisor.app.gateway import gateway_for, open_gateway, proxy_of
from supervisor.app.leading import leadership_for, refuse_other_account, refuse_while_led
from supervisor.app.look import look_of
from supervisor.app.platforms import platform_of
from supervisor.app.status import Observer
from supervisor.app.workers import learn_of_workers, load_reader
from supervisor.current import Stopped
from supervisor.errors import lease_lost
from supervisor.lifecycle import MACHINE, Trigger
from supervisor.lock import InstanceLock, this_process
from supervisor.notify import ServiceManager
from supervisor.serving.assembly import Bot, assemble
from supervisor.settings import Settings
from supervisor.status.history import STEPS, History
from supervisor.supervisor import Supervisor

_log = structlog.get_logger()

OpenedT_co = TypeVar("OpenedT_co", covariant=True)

EXIT_STOPPED: Final = 0
EXIT_BUG: Final = 70
EXIT_LOCKED: Final = 75
EXIT_REFUSED: Final = 78


_ANOTHER_ATTEMPT_S: Final = 1.0
"""The pause after the lead was given up because a database could not be opened."""


_HISTORY_WITHIN_S: Final = 2.0
"""The start waits so long for the transitions of earlier runs."""


class _DatabaseAway(StoreUnavailable):
    """A database did not answer when it was to be opened, after this process was elected."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that tests may replace."""

    bounds: Bounds = Bounds()
    platforms: Mapping[str, Callable[[], Platform]] = field(default_factory=dict)
    """Platforms by name, in place of those that BOT_PLATFORM means otherwise."""
    end_within: Callable[[float, int], None] = end_process_within
    """Called at the very end with seconds and the exit code."""
    share: Share = field(default_factory=Alone)
    """What this machine leads of many accounts."""

    def platform_for(self, settings: Settings) -> Platform:
        """Make the platform that the settings name. Raises SettingsRefused if that fails."""
        made = self.platforms.get(settings.platform)
        return made() if made else platform_of(settings, self.bounds)


async def run_bot(settings: Settings, lock: InstanceLock, parts: Parts = Parts()) -> int:
    """Run until stopped; return the exit code. Damaged files are set aside and replaced.

    Raises InstanceLocked if another process has taken over the store folder. The process ends soon
    after the return, whatever is left behind in it.
    """
    parts = replace(parts, bounds=settings.bounded(parts.bounds))
    code = EXIT_BUG
    try:
        code = await _run(settings, lock, parts)
    finally:
        parts.end_within(parts.bounds.runtime.leave_within_s, code)
    if lock.lost is not None:
        raise lock.lost
    return code


async def _run(settings: Settings, lock: InstanceLock, parts: Parts) -> int:
    observer = Observer(settings)
    manager = ServiceManager.from_environment(os.environ)
    signals = StopSignals(manager)

    def notice(sentence: str) -> None:
        observer.waits_for = sentence
        manager.standing_by(sentence)

    async with (
        load_reader(settings) as observer.load_reader,
        _status_page(settings, observer, parts.bounds),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(signals.receive)
        tasks.start_soon(manager.keep_alive, observer.is_stuck)
        tasks.start_soon(_show_life, lock, observer, parts.bounds.look_at_lock_s)
        async with leadership_for(
            settings,
            lock,
            parts.bounds,
            notice=notice,
            alive=observer.meter.beat,
            share=parts.share,
        ) as leadership:
            observer.leadership = leadership
            process = _Process(settings, leadership, parts, observer, signals)
            last = await _run_once(process)
            while last.start_again and lock.lost is None:
                _log.warning("starting_again", reason=last.reason)
                last = await _run_once(process)
        tasks.cancel_scope.cancel()
    if lock.lost is not None:
        return EXIT_LOCKED
    if last.cause is Trigger.CREDENTIALS_REFUSED:
        _log.error("credentials_refused", reason=last.reason)
        return EXIT_REFUSED
    return EXIT_STOPPED


def _status_page(
    settings: Settings, observer: Observer, bounds: Bounds
) -> AbstractAsyncContextManager[object]:
    if settings.status_bind is None:
        return nullcontext()
    # Loaded only if the status page is on.
    from supervisor.status.server import status_server  # noqa: PLC0415

    return status_server(settings.status_bind, observer, bounds)


@dataclass(frozen=True, slots=True)
class _Process:
    """What all runs of one process have in common."""

    settings: Settings
    leadership: Leadership
    parts: Parts
    observer: Observer
    signals: StopSignals


async def _run_once(process: _Process) -> Stopped:
    settings = process.settings
    boot = uuid.uuid4().hex[:12]
    structlog.contextvars.bind_contextvars(boot=boot)
    _log.info("starting", user_id=settings.user_id, homeserver=settings.homeserver)
    transitions = TransitionLog(None, boot, time.time, tell=process.observer.history.note)
    supervisor = Supervisor(
        process.leadership,
        transitions,
        Random(),  # noqa: S311
        bounds=process.parts.bounds,
        on_change=process.signals.manager.changed,
    )
    process.signals.stops(supervisor)
    process.observer.standing_by(boot, supervisor)
    lead = await supervisor.stand_by()
    if lead is not None:
        async with anyio.create_task_group() as watchers:
            watchers.start_soon(supervisor.keep_lead)
            try:
                await _lead(process, lead, supervisor, transitions)
            except _DatabaseAway:
                await process.signals.pause(_ANOTHER_ATTEMPT_S)
            watchers.cancel_scope.cancel()
    return await supervisor.run()


async def _lead(
    process: _Process, lead: Lead, supervisor: Supervisor, transitions: TransitionLog
) -> None:
    """Open the bot's files, and run the bot until it is stopped."""
    async with _bot(process, lead, supervisor, transitions) as bot:
        supervisor.activities = bot.activities
        async with process.observer.watching(transitions.boot, bot, supervisor):
            await supervisor.run()
        stuck = await bot.stop(_stop_within_s(process, lead))
        if stuck:
            # What another process begins anew is not stuck.
            tell = _log.error if lead.epoch == NO_LEASE else _log.info
            tell("stuck", actors=[address.name for address in stuck])
        await transitions.flush()


def _stop_within_s(process: _Process, lead: Lead) -> float:
    """How long running handlers may take. Another process that takes over asks their questions."""
    bounds = process.parts.bounds
    if lead.epoch == NO_LEASE:
        return bounds.stop_within_s
    return min(bounds.hand_over_within_s, process.leadership.remaining_s())


async def reconcile_once(settings: Settings, *, dry_run: bool) -> ReconcileReport:
    """Log in, hydrate, reconcile, log out. A dry run works on a copy of the database."""
    await refuse_other_account(settings)
    if dry_run:
        async with open_gateway(settings, visiting=True) as gateway:
            await gateway.log_in()
            async with copied_store(settings.db_path) as copy:
                return await reconcile_matrix_state(gateway, copy, ChatManager(copy))
    await refuse_while_led(settings)
    async with open_store(settings.db_path, on_recovery=_log_recovery) as store:
        sessions = _sessions(settings, store)
        async with open_gateway(settings, visiting=False, sessions=sessions) as gateway:
            await gateway.log_in()
            return await reconcile_matrix_state(gateway, store, ChatManager(store))


@asynccontextmanager
async def _bot(
    process: _Process, lead: Lead, supervisor: Supervisor, transitions: TransitionLog
) -> AsyncIterator[Bot]:
    settings, parts, observer = process.settings, process.parts, process.observer
    leadership = process.leadership
    platform = parts.platform_for(settings)
    if (proxy := proxy_of(settings)) is not None:
        _log.info("proxy_used", proxy=proxy.address)
    try:
        async with AsyncExitStack() as stack:
            # Once the files are closed, another process may lead.
            stack.push_async_callback(leadership.resign)
            try:
                journal, store = await _opened(stack, process, lead)
            except _DatabaseAway as error:
                # Before it resigns, because that ends the lead as well.
                supervisor.end_with(lease_lost(str(error)))
                raise
            await learn_of_workers(settings, platform)
            gateway = gateway_for(
                settings,
                sessions=_sessions(settings, store),
                meter=observer.meter,
                remaining_s=leadership.remaining_s,
                bounds=parts.bounds,
            )
            stack.push_async_callback(gateway.close)
            await _load_history(observer.history, settings.journal_path, transitions.boot)
            await transitions.journal_to(journal)
            bot = assemble(
                gateway,
                store,
                platform,
                transitions,
                allows=settings.allows,
                answers=settings.answers,
                texts=LOCALES[settings.locale],
                look=look_of(settings),
                formatted=formatted_parts,
                meter=observer.meter,
                where=this_process(),
                clock=asyncio.get_running_loop().time,
                streams=settings.streams,
                epoch=lead.epoch,
                remaining_s=leadership.remaining_s,
                bounds=parts.bounds,
            )
            async with bot.system:
                yield bot
    finally:
        await _close(platform, parts.bounds)


def _sessions(settings: Settings, store: SqlStore) -> SessionInDatabase | None:
    """Where the session is, unless it is in the store folder."""
    return None if isinstance(settings.db_path, Path) else SessionInDatabase(store.session)


async def _opened(stack: AsyncExitStack, process: _Process, lead: Lead) -> tuple[Journal, SqlStore]:
    """Open the journal and the store until the stack closes. Raises StoreUnavailable."""
    settings, bounds = process.settings, process.parts.bounds
    journal = await _open(
        stack,
        "MATRIX_JOURNAL_PATH",
        settings.journal_path,
        partial(open_journal, bounds=bounds),
    )
    store = await _open(
        stack,
        "MATRIX_DB_PATH",
        settings.db_path,
        partial(open_store, led=Led(settings.user_id, lead.epoch), bounds=bounds),
    )
    return journal, store


async def _close(platform: Platform, bounds: Bounds) -> None:
    """Close the platform. One that fails at that, or takes too long, is left behind."""
    within_s = bounds.platform_close_s
    failure = await call_apart(platform.close, within_s=within_s, leave_within_s=within_s)
    if failure is not None:
        _log.warning("platform_not_closed", error=repr(failure))


class _Opens(Protocol[OpenedT_co]):
    def __call__(
        self, place: Place, /, *, on_recovery: OnRecovery
    ) -> AbstractAsyncContextManager[OpenedT_co]: ...


async def _open(
    stack: AsyncExitStack, variable: str, place: Place, opens: _Opens[OpenedT_co]
) -> OpenedT_co:
    """Open it until the stack closes. The error of a failure names the place and the remedy."""
    try:
        return await stack.enter_async_context(opens(place, on_recovery=_log_recovery))
    except (StoreUnavailable, OSError) as error:
        failure = not_opened(variable, place, error)
        if isinstance(place, Path) or isinstance(failure, StoreRefused):
            raise failure from error
        raise _DatabaseAway(str(failure)) from error


async def _load_history(history: History, journal: Place, boot: str) -> None:
    """Load the latest transitions from the journal for the status page, if it answers soon."""
    read = partial(read_journal, journal, machine=MACHINE, limit=STEPS)
    with suppress(PortError), anyio.move_on_after(_HISTORY_WITHIN_S):
        rows = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        history.remember((row.transition for row in rows), boot)


def _log_recovery(sentence: str) -> None:
    _log.warning("file_set_aside", reason=sentence)


async def _show_life(lock: InstanceLock, observer: Observer, every_s: float) -> None:
    """Leave signs of life while the bot is not stuck, for `surfaces-bot status --healthy`."""
    while True:
        if not observer.is_stuck():
            lock.touch()
        await anyio.sleep(every_s)
