"""The checks of `check` that ask the chat platform.

The platform may be a plugin: it is asked in a thread of its own, so that whatever it does, hanging
without an end included, becomes one line.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Final

import anyio
import anyio.to_thread

from actors.bounds import Bounds
from actors.platform import Capabilities, Platform
from actors.port_errors import (
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformUnreachable,
    PortError,
)
from actors.runtime.errors import error_text, errors_in
from supervisor.app.findings import Finding
from supervisor.settings import SettingsRefused

ECHO: Final = "echo"
"""The platform that needs no check."""
LISTED: Final = 20
"""This many models are named."""
_LOOK_S: Final = 0.05
_WAITS: Final = "the bot itself would wait, and answer everything when the platform is back"
_ONLY_REPEATS: Final = Finding(
    ok=True,
    note=True,
    what="the platform echo only repeats what people write",
    advice="BOT_PLATFORM names one that has a model behind it",
)


async def check_platform(
    name: str, make: Callable[[], Platform], progress: Callable[[int], None], bounds: Bounds
) -> list[Finding]:
    """Ask the platform that `make` makes whether it answers questions.

    `progress` is called every second, with the seconds so far. Never raises.
    """
    if name == ECHO:
        return [_ONLY_REPEATS]
    asked = _Asked(make)
    with anyio.move_on_after(bounds.check_within_s):
        await asked.wait_showing(progress)
    if not asked.outcome.done():
        return [_silent(name, bounds.check_within_s)]
    await asked.wait_for_close(bounds.platform_close_s)
    try:
        return _about(name, asked.outcome.result())
    except BaseException as error:  # noqa: BLE001  a plugin may raise anything, SystemExit included
        return _troubles(name, error, asked.models)


class _Asked:
    """One check of a platform, in a thread that nothing waits for without a bound."""

    def __init__(self, make: Callable[[], Platform]) -> None:
        self._make = make
        self.outcome = Future[Capabilities]()
        self.models: tuple[str, ...] = ()
        """The models that the platform has named, also if the check failed."""
        self._thread = Thread(target=self._run, name="platform check", daemon=True)

    async def wait_showing(self, progress: Callable[[int], None]) -> None:
        """Wait for the outcome; progress is shown every second."""
        self._thread.start()
        began = shown = anyio.current_time()
        while not self.outcome.done():
            await anyio.sleep(_LOOK_S)
            if anyio.current_time() - shown >= 1:
                shown += 1
                progress(round(shown - began))

    async def wait_for_close(self, within_s: float) -> None:
        """Wait until the platform is closed, for this time at most."""
        await anyio.to_thread.run_sync(self._thread.join, within_s)

    def _run(self) -> None:
        try:
            anyio.run(self._ask)
        except BaseException as error:  # noqa: BLE001  the other thread judges it
            self._failed(error)

    async def _ask(self) -> None:
        platform = self._make()
        try:
            await platform.check()
            self.outcome.set_result(platform.capabilities)
        except BaseException as error:
            with suppress(Exception):
                self.models = tuple(map(str, platform.capabilities.models))
            self._failed(error)
            raise
        finally:
            await platform.close()

    def _failed(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)


def _about(name: str, can: Capabilities) -> list[Finding]:
    """What a platform that answers can do."""
    model = f" with the model {can.models[0]}" if can.models else ""
    notes = [_context(can), *([f"its models are {_list(can.models)}"] if can.models[1:] else [])]
    return [
        Finding(ok=True, what=f"the platform {name} answers{model}"),
        *(Finding(ok=True, note=True, what=what) for what in (*notes, *can.notes)),
    ]


def _context(can: Capabilities) -> str:
    remembers = (
        "the platform remembers each conversation itself"
        if can.keeps_history
        else f"a conversation may have {can.context_tokens:,} tokens; older messages are left out"
    )
    takes = f"files of the types {', '.join(can.accepts)}" if can.accepts else "no files"
    return f"{remembers}; it takes {takes}"


def _troubles(name: str, raised: BaseException, models: tuple[str, ...]) -> list[Finding]:
    errors = errors_in(raised)
    match errors[0] if len(errors) == 1 else raised:
        case SettingsRefused() as refusal:
            return [Finding(ok=False, what=line, refused=True) for line in refusal.lines]
        case PortError() as error:
            return [_trouble(name, error, models)]
        case bug:
            return [_bug(name, bug)]


def _trouble(name: str, error: PortError, models: tuple[str, ...]) -> Finding:
    """The finding for an error of the platform's port."""
    there = f"its models are {_list(models)}" if models else ""
    match error:
        case PlatformMisconfigured():
            unsaid = not all(model in error.say for model in models)
            what = f"the platform {name} refuses the bot: {error.say}"
            return Finding(ok=False, what=what, advice=there if unsaid else "", refused=True)
        case PlatformBusy():
            what = f"the platform {name} is busy"
            advice = f"try again in {error.retry_after_s:.0f} s; {_WAITS}"
            return Finding(ok=False, what=what, advice=advice)
        case PlatformUnreachable():
            what = f"the platform {name} cannot be reached ({error})"
            advice = f"check its address, and that it runs; {_WAITS}"
            return Finding(ok=False, what=what, advice=advice)
        case PlatformFailed():
            what = f"the platform {name} gives no whole answer ({error})"
            advice = f"the platform's own log may say more; {_WAITS}"
            return Finding(ok=False, what=what, advice=advice)
        case _:
            what = f"the platform {name} does not answer a question ({error_text(error)})"
            return Finding(ok=False, what=what, advice="the platform's own log may say more")


def _silent(name: str, limit_s: float) -> Finding:
    return Finding(
        ok=False,
        what=f"the platform {name} has not answered within {limit_s:g} s",
        advice="a model that is still loading may answer the next time; else look at its own log",
    )


def _bug(name: str, bug: BaseException) -> Finding:
    return Finding(
        ok=False,
        what=f"the platform {name} could not be asked ({type(bug).__name__}: {bug})",
        advice="this is a mistake in the platform's adapter: tell its author",
    )


def _list(models: tuple[str, ...]) -> str:
    more = f" and {len(models) - LISTED} more" if len(models) > LISTED else ""
    return ", ".join(models[:LISTED]) + more
