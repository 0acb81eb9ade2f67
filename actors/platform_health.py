"""Whether the platform answers at present, as far as the bot has seen.

A failed answer alone says nothing: the question may be to blame. So the platform is checked after
it, and if the check fails too, all questions wait until a later check succeeds.
"""

import math
from collections.abc import Callable
from random import Random

import anyio
import structlog

from actors.bounds import Bounds
from actors.model import RoomId
from actors.platform import Platform
from actors.platform_state import PlatformState
from actors.port_errors import (
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformUnreachable,
    is_expected,
)
from actors.runtime.apart import call_apart
from actors.runtime.background import Background
from actors.runtime.errors import errors_in
from actors.runtime.restart import Failures

_log = structlog.get_logger()


class PlatformHealth:
    """The platform's state. `since` is in seconds since the epoch: when the state began."""

    def __init__(
        self,
        platform: Platform,
        background: Background,
        wall_clock: Callable[[], float],
        random: Random,
        bounds: Bounds,
    ) -> None:
        self.state = PlatformState.WELL
        self.reason = ""
        self.since = wall_clock()
        self._platform = platform
        self._background = background
        self._wall_clock = wall_clock
        self._random = random
        self._bounds = bounds
        self._told: set[RoomId] = set()
        """The rooms that know that the platform does not answer."""
        self._changed = anyio.Event()
        """Set when a question may be asked again; replaced by a new event each time."""
        self._trials = 0
        """The questions that may be asked to find out whether the platform answers again."""
        self._by_answers = False
        """Whether answers failed when the platform went down, and not the check."""
        self._probing = False
        self._checking = anyio.Lock()
        self._checked: tuple[float, BaseException | None] = -math.inf, None
        """When the latest check began, and its failure."""
        self._answered_at = -math.inf
        """When the platform last answered a question."""
        self._heard_at = -math.inf
        """When the platform last gave a sign of life in an answer."""
        self._held_up: set[RoomId] = set()
        """The rooms whose questions the platform asked to wait."""
        self._failures = Failures[RoomId](bounds.breaker)

    @property
    def is_down(self) -> bool:
        """Whether all questions wait for the platform."""
        return self.state in {PlatformState.UNAVAILABLE, PlatformState.MISCONFIGURED}

    def answered(self) -> None:
        """Note that the platform has answered a question, if only with a refusal."""
        self._answered_at = anyio.current_time()
        self._told.clear()
        self._set(PlatformState.WELL, "")

    def hears(self) -> None:
        """Note a sign of life in an answer that is not complete yet."""
        self._heard_at = anyio.current_time()

    def busy(self, room_id: RoomId, reason: str) -> None:
        """Note that the platform asks a room's question to wait."""
        self._held_up.add(room_id)
        if not self.is_down:
            self._set(PlatformState.BUSY, reason)

    def waits_no_more(self, room_id: RoomId) -> None:
        """Note the end of a room's reply: the platform is busy only as long as a question waits."""
        self._held_up.discard(room_id)
        if not self._held_up and self.state is PlatformState.BUSY:
            self._set(PlatformState.WELL, "")

    def is_told(self, room_id: RoomId) -> bool:
        """Whether a room has been told of the present outage; from now on it has."""
        known = room_id in self._told
        self._told.add(room_id)
        return known

    async def until_up(self) -> None:
        """Wait until a question may be asked."""
        while self.is_down:
            if self._trials:
                self._trials -= 1
                return
            await self._changed.wait()

    async def blames(self, room_id: RoomId, error: PlatformFailed, active: int) -> bool:
        """Whether a failed answer is the question's fault, and not that of the platform.

        `active` is the number of rooms with a question. If as many of them fail as have a common
        cause, and the platform has answered no question meanwhile, it is the platform's.
        """
        if self.is_down:
            return False
        failure = await self._failure_of_check(anyio.current_time())
        if failure is not None:
            self._goes_down(failure)
        elif not isinstance(error, PlatformUnreachable) and self._is_common(room_id, error, active):
            self._goes_down(error, by_answers=True)
        return self._is_up() and not isinstance(error, PlatformUnreachable)

    async def is_misconfigured(self, error: PlatformMisconfigured, *, for_all: bool) -> bool:
        """Whether the platform refuses the bot itself, and not only the model of one chat.

        `for_all` says that the refused question had no model of its own.
        """
        if not for_all and not self.is_down:
            failure = await self._failure_of_check(anyio.current_time())
            if failure is None:
                return False
            self._goes_down(failure)
        else:
            self._goes_down(error, by_answers=True)
        return True

    def _is_up(self) -> bool:
        return not self.is_down

    def _is_common(self, room_id: RoomId, error: PlatformFailed, active: int) -> bool:
        now = anyio.current_time()
        if now - self._answered_at <= self._bounds.breaker.within_s:
            return False
        return bool(self._failures.shared(room_id, error, now, lambda: active))

    async def _failure_of_check(self, since: float) -> BaseException | None:
        """The failure of a check that began at `since` or later; questions share one."""
        async with self._checking:
            if self._checked[0] < since:
                began = anyio.current_time()
                failure = await call_apart(
                    self._platform.check,
                    within_s=self._bounds.platform_check_s,
                    leave_within_s=self._bounds.platform_close_s,
                )
                self._checked = began, self._judged(failure, began)
            return self._checked[1]

    def _judged(self, failure: BaseException | None, began: float) -> BaseException | None:
        """The failure of a check, unless the platform just had no time for it.

        It has none if it is busy or does not answer in time, and goes on with other answers.
        """
        if failure is None or self._heard_at < began:
            return failure
        found = errors_in(failure)
        return None if all(isinstance(it, TimeoutError | PlatformBusy) for it in found) else failure

    def _goes_down(self, failure: BaseException, *, by_answers: bool = False) -> None:
        error = next(iter(errors_in(failure)), failure)
        self._by_answers = by_answers
        if isinstance(error, PlatformMisconfigured):
            self._set(PlatformState.MISCONFIGURED, error.say)
        else:
            self._set(PlatformState.UNAVAILABLE, str(error) or type(error).__name__)
        if not self._probing:
            self._probing = True
            self._background.run(self._probe)

    async def _probe(self) -> None:
        """Check until the platform answers.

        Where a check says too little, one question is let through: if answers fail although the
        check succeeds, and if the check itself is broken.
        """
        attempt = 0
        try:
            while self.is_down:
                attempt += 1
                await anyio.sleep(self._pause_s(attempt))
                if self.is_down:
                    self._judge(await self._failure_of_check(anyio.current_time()))
        finally:
            self._probing = False

    def _judge(self, failure: BaseException | None) -> None:
        broken = failure is not None and not is_expected(failure)
        if failure is not None and not broken:
            self._goes_down(failure)
        elif broken or self._by_answers:
            self._trials = 1
            self._wake()
        else:
            self._set(PlatformState.WELL, "")

    def _pause_s(self, attempt: int) -> float:
        if self.state is PlatformState.MISCONFIGURED:
            return self._bounds.misconfigured_again_s
        return self._bounds.platform_probe.delay_s(attempt, self._random)

    def _set(self, state: PlatformState, reason: str) -> None:
        was, was_down, self.reason = self.state, self.is_down, reason
        if was is state:
            return
        now = self._wall_clock()
        self.state, lasted_s, self.since = state, now - self.since, now
        if self.is_down:
            _log.warning("platform_down", state=str(state), reason=reason)
        elif was_down:
            self._trials = 0
            self._wake()
            _log.info("platform_back", after_s=round(lasted_s, 1))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
