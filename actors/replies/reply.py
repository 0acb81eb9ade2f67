"""One reply: asks the platform until it has answered, and does what its errors ask for."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Final, TypeVar

import anyio
import structlog

from actors.model import ChatSettings, TokensUsed
from actors.platform import Ask, File, Reason
from actors.platform_state import PlatformState
from actors.port_errors import (
    ContextTooLong,
    ConversationLost,
    HomeserverRefused,
    PlatformBusy,
    PlatformFailed,
    PlatformMisconfigured,
    PlatformRefused,
    PlatformUnreachable,
    PortError,
    RateLimited,
    RefusedUnclearly,
    Unsupported,
)
from actors.replies.attempt import attempt
from actors.replies.growing import Growing
from actors.replies.preparing import Prepared
from actors.replies.showing import Showing
from actors.replies.tools import Tools
from actors.replies.typing import show_typing
from actors.replies.values import (
    Answered,
    Dropped,
    Failed,
    Lost,
    ModelRefused,
    Occasion,
    Outcome,
    Piece,
    Question,
    Refused,
    TooLong,
)
from actors.rules.file_names import clean_name
from actors.rules.files import is_accepted, why_not_sent
from actors.rules.showing import NOTHING_SHOWN, Shown
from actors.rules.tokens import estimated_tokens

_log = structlog.get_logger()

T = TypeVar("T")

HEADROOM: Final = 0.9
"""The part of a limit that a trimmed conversation may take: the estimate may be off again."""


class Reply:
    """The reply to one question, in work or ended.

    `tell` is called when there are `occasions` to tell the person that the reply takes its time.
    `active` counts the rooms with a reply. `shown` is what an earlier reply to the same question
    has shown.
    """

    def __init__(
        self,
        question: Question,
        tools: Tools,
        tell: Callable[[], None],
        *,
        active: Callable[[], int],
        shown: Shown = NOTHING_SHOWN,
    ) -> None:
        self.question = question
        self.began_at = anyio.current_time()
        self.outcome: Outcome | None = None
        """What the reply has ended with; None while it is in work."""
        self.ends_with: Outcome = Dropped()
        """What `run` has come to."""
        self.stopped_with: Outcome | None = None
        """What the reply ends with instead, because something has stopped it."""
        self.is_ending = False
        """Whether the outcome is certain, and only the present step of `showing` is waited for."""
        self.showing = Showing(question, tools, shown)
        self.occasions: list[Occasion] = []
        """What the person is to be told while the reply takes its time."""
        self.scope = anyio.CancelScope()
        self.is_asked = False
        """Whether the platform works on it now."""
        self.waits = False
        """Whether it waits for something else than a slot."""
        self._tools = tools
        self._tell = tell
        self._active = active
        self.growing = Growing(tools.bounds)
        """What the platform has said in the latest attempt."""
        # A platform that keeps the history would remember the answer that is to be replaced.
        keeps_history = tools.platform.capabilities.keeps_history
        self._fresh = question.about is not None or not keeps_history
        self._tokens: float | None = None
        """The limit that the platform has named, or half of what was too much; None for its own."""
        self._earlier_files = True
        """Whether the files of earlier turns are sent as well."""
        self._trims = 0
        self._busy_since: float | None = None
        self._told = False
        """Whether the person knows that the platform is busy."""

    @property
    def so_far(self) -> Answered:
        """What the platform has said so far; the files in it are not uploaded, and left out."""
        texts = (piece for piece in self.growing.pieces if isinstance(piece, str))
        return Answered(pieces=tuple(texts))

    async def run(self) -> None:
        """Ask until there is an outcome, and leave it in `ends_with`."""
        try:
            await self._run()
        finally:
            self._tools.health.waits_no_more(self.question.room_id)

    async def _run(self) -> None:
        if self.question.failed:
            retry = self._tools.bounds.platform_retry
            await self._wait(retry.delay_s(self.question.failed, self._tools.random))
        while True:
            await self._until_up()
            outcome = await self._ask()
            if outcome is not None:
                self.ends_with = outcome
                return

    # ------------------------------------------------------------ one ask

    async def _ask(self) -> Outcome | None:
        """Prepare the ask and send it; None to do that again."""
        tools = self._tools
        settings = await self._of_homeserver(lambda: tools.preparing.settings(self.question))
        async with AsyncExitStack() as slot:
            prepared = await self._of_homeserver(lambda: self._prepared(settings, slot))
            if prepared is None:
                return Dropped()
            if prepared.empty:
                return Answered(reason=Reason.STOP, left_out=prepared.left_out)
            try:
                await self._ask_platform(prepared, slot, streams=settings.stream)
            except (ContextTooLong, Unsupported, ConversationLost, PlatformRefused) as error:
                tools.health.answered()
                return self._told_off(error, prepared)
            except PlatformBusy as busy:
                tools.health.busy(self.question.room_id, str(busy))
                await self._wait_busy(busy.retry_after_s)
                return None
            except PlatformMisconfigured as error:
                return await self._misconfigured(error, settings.model)
            except PlatformFailed as error:
                return await self._failed(error)
        tools.health.answered()
        return await self._answered(prepared, settings)

    async def _prepared(self, settings: ChatSettings, slot: AsyncExitStack) -> Prepared | None:
        """The ask, and a slot to send it in.

        The slot comes first: while a question waits for one, its conversation may change. A slot
        does not wait for the homeserver.
        """
        tools = self._tools
        await slot.enter_async_context(tools.slots.of(self.question.owner))
        tokens = self._tokens or tools.platform.capabilities.context_tokens
        try:
            return await tools.preparing.prepare(
                self.question,
                settings,
                fresh=self._fresh,
                tokens=tokens,
                earlier_files=self._earlier_files,
            )
        except PortError:
            await slot.aclose()
            raise

    async def _ask_platform(
        self, prepared: Prepared, slot: AsyncExitStack, *, streams: bool
    ) -> None:
        """Let the answer grow, shown meanwhile if it `streams`, and give the slot back."""
        tools, done = self._tools, anyio.Event()
        self.growing = Growing(tools.bounds)
        async with slot:
            began, self.is_asked = anyio.current_time(), True
            tools.background.run(
                show_typing, tools.homeserver, self.question.room_id, done, tools.bounds
            )
            if streams and tools.streams:
                self.showing.begin(self.growing)
            try:
                await attempt(
                    tools.platform,
                    prepared.ask,
                    self.growing,
                    tools.bounds,
                    close_s=tools.bounds.platform_close_s,
                    on_first=lambda: tools.meter.first_token.add(anyio.current_time() - began),
                    on_sign=tools.health.hears,
                )
            finally:
                self.is_asked = False
                self.showing.end()
                done.set()
        tools.meter.reply.add(anyio.current_time() - began)

    # ------------------------------------------------------------ what follows

    def _told_off(
        self,
        error: ContextTooLong | Unsupported | ConversationLost | PlatformRefused,
        prepared: Prepared,
    ) -> Outcome | None:
        """What follows an answer that asks for another question; None to ask again at once."""
        ask = prepared.ask
        match error:
            case PlatformRefused(say=say):
                if not prepared.has_earlier_files:
                    return Refused(say)
                self._earlier_files = False
                return None
            case ContextTooLong(limit=limit, sent=sent):
                return self._trim(limit, sent, prepared)
            case Unsupported(mime_types=mime_types):
                refused = mime_types or ("*",)
                if _has_one_of(ask, refused):
                    learned = self._tools.learned
                    learned.note_refused(self.question.room_id, ask.model, refused)
                    return None
            case ConversationLost():
                if not ask.fresh:
                    self._fresh = True
                    return None
        return Failed(PlatformFailed(f"it asks for what it got already: {error}"))

    def _trim(self, limit: int | None, sent: int | None, prepared: Prepared) -> Outcome | None:
        tools, ask = self._tools, prepared.ask
        if sent is not None:
            tools.learned.note_tokens(ask.model, prepared.estimated, sent)
        is_alone = ask.fresh and len(ask.turns) == 1
        if self._trims == tools.bounds.context_trims or is_alone:
            instructions = estimated_tokens(ask.system or "")
            return TooLong(by_instructions=2 * instructions > prepared.estimated)
        self._trims += 1
        self._fresh = True
        used = prepared.estimated * tools.learned.factor(ask.model)
        self._tokens = min(limit * HEADROOM, used * HEADROOM) if limit else used / 2
        return None

    async def _misconfigured(
        self, error: PlatformMisconfigured, model: str | None
    ) -> Outcome | None:
        health = self._tools.health
        if await health.is_misconfigured(error, for_all=model is None) or model is None:
            return None
        return ModelRefused(model)

    async def _failed(self, error: PlatformFailed) -> Outcome | None:
        tools = self._tools
        if await tools.health.blames(self.question.room_id, error, self._active()):
            return Failed(error)
        if isinstance(error, PlatformUnreachable) and not tools.health.is_down:
            await self._wait(tools.bounds.platform_retry.floor_s)
        return None

    async def _answered(self, prepared: Prepared, settings: ChatSettings) -> Answered:
        tools, usage = self._tools, self.growing.usage
        tokens = None
        if usage is not None:
            model = settings.model or next(iter(tools.platform.capabilities.models), "")
            tokens = TokensUsed(model, usage.prompt_tokens, usage.completion_tokens)
            tools.meter.tokens["prompt"] += tokens.prompt
            tools.meter.tokens["completion"] += tokens.completion
            if prepared.ask.fresh:
                tools.learned.note_tokens(settings.model, prepared.estimated, tokens.prompt)
        return Answered(
            pieces=tuple([await self._in_room(piece) for piece in self.growing.pieces]),
            reason=self.growing.reason,
            tokens=tokens,
            left_out=prepared.left_out,
            trimmed=tools.learned.begins_to_trim(self.question.room_id, trimmed=prepared.trimmed),
        )

    async def _in_room(self, piece: str | File | Lost) -> Piece:
        """A piece of the answer as the room can show it: a file is uploaded."""
        if not isinstance(piece, File):
            return piece
        try:
            return await self._of_homeserver(lambda: self._tools.attachments.keep(piece))
        except HomeserverRefused as refusal:
            _log.warning("upload_refused", room_id=self.question.room_id, reason=str(refusal))
            return Lost(clean_name(piece.name, "file"), why_not_sent(refusal))

    # ------------------------------------------------------------ waiting

    async def _of_homeserver(self, request: Callable[[], Awaitable[T]]) -> T:
        """The answer to a request, which is repeated while the homeserver gives none.

        Raises HomeserverRefused.
        """
        failures = 0
        while True:
            try:
                return await request()
            except RateLimited as limit:
                await self._wait(limit.retry_after_s)
            except PortError as error:
                if isinstance(error, HomeserverRefused) and not isinstance(error, RefusedUnclearly):
                    raise
                failures += 1
                _log.info(
                    "reply_waits_for_homeserver",
                    room_id=self.question.room_id,
                    reason=str(error),
                )
                wait_s = self._tools.bounds.send.delay_s(failures, self._tools.random)
                with self._waiting(), anyio.move_on_after(wait_s):
                    await self._tools.outage.is_over()

    async def _until_up(self) -> None:
        """Wait while the platform is down, and let the person know unless that is over soon."""
        health, bounds = self._tools.health, self._tools.bounds
        if not health.is_down:
            return
        is_misconfigured = health.state is PlatformState.MISCONFIGURED
        with self._waiting():
            with anyio.move_on_after(0.0 if is_misconfigured else bounds.busy_told_s):
                await health.until_up()
                return
            self._tell_outage()
            await health.until_up()

    def _tell_outage(self) -> None:
        health = self._tools.health
        if health.is_down and not health.is_told(self.question.room_id):
            self._say(Occasion(health.state))

    async def _wait_busy(self, wait_s: float) -> None:
        """Wait as long as the platform asks, and tell the person once if that gets long."""
        now = anyio.current_time()
        if self._busy_since is None:
            self._busy_since = now
        told_in_s = self._busy_since + self._tools.bounds.busy_told_s - now
        if not self._told and wait_s > told_in_s:
            await self._wait(max(told_in_s, 0.0))
            self._told = True
            self._say(Occasion.BUSY)
        await self._wait(now + wait_s - anyio.current_time())

    def _say(self, occasion: Occasion) -> None:
        self.occasions.append(occasion)
        self._tell()

    async def _wait(self, wait_s: float) -> None:
        with self._waiting():
            await anyio.sleep(wait_s)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self.waits = True
        try:
            yield
        finally:
            self.waits = False


def _has_one_of(ask: Ask, mime_types: Sequence[str]) -> bool:
    files = (file for turn in ask.turns for file in turn.attachments)
    return any(is_accepted(file.mime_type, mime_types) for file in files)
