"""Runs the replies of all rooms, one at a time in each room, beside the rooms' actors.

A reply outlives the actor of its room: a crash, a restart or the passivation of the actor changes
nothing. What a reply has ended with is kept until the actor has committed it.
"""

from collections.abc import Callable, Iterator

import anyio
import structlog

from actors.messages import ReplyDone, ReplyFailed, ReplyWaits
from actors.model import EventId, RoomId
from actors.replies.reply import Reply
from actors.replies.tools import Tools
from actors.replies.values import Answered, Dropped, Failed, Outcome, Question
from actors.rules.showing import NOTHING_SHOWN, Shown
from actors.runtime.boundary import attempt
from actors.runtime.errors import ExpectedError, error_text, errors_in

_log = structlog.get_logger()


class Replies:
    """The reply of each room that has one, in work or ended and not committed yet.

    `tell` tells a room's actor that its reply has ended, or takes its time.
    """

    def __init__(
        self,
        tools: Tools,
        tell: Callable[[RoomId, ReplyDone | ReplyFailed | ReplyWaits], None],
    ) -> None:
        self._replies: dict[RoomId, Reply] = {}
        self._tools = tools
        self._tell = tell
        self._ended = anyio.Event()
        """Set when a reply has ended; replaced by a new event each time."""
        self._stopping = False

    # ------------------------------------------------------------ for the rooms' actors

    def of(self, room_id: RoomId) -> Reply | None:
        """A room's reply, in work or ended."""
        return self._replies.get(room_id)

    def start(self, question: Question, shown: Shown = NOTHING_SHOWN) -> None:
        """Start the reply to a question, unless the bot stops. The room must have no other.

        `shown` is what an earlier reply to the question has shown.
        """
        if self._stopping:
            return
        room_id = question.room_id
        if room_id in self._replies:
            raise RuntimeError(f"a reply is in work in {room_id}")
        reply = Reply(
            question,
            self._tools,
            lambda: self._tell(room_id, ReplyWaits()),
            active=lambda: len(self._replies),
            shown=shown,
        )
        self._replies[room_id] = reply
        self._tools.background.run(self._run, reply)

    def finished(self, reply: Reply) -> None:
        """Forget a reply whose end is committed."""
        if self._replies.get(reply.question.room_id) is reply:
            self.drop(reply.question.room_id)

    def drop(self, room_id: RoomId) -> None:
        """End a room's reply, and forget it: its question is not to be answered any more."""
        reply = self._replies.pop(room_id, None)
        if reply is not None and reply.outcome is None:
            reply.outcome = Dropped()
            reply.showing.drop()
            reply.scope.cancel()
        self._note_end()

    # ------------------------------------------------------------ for everyone

    def __iter__(self) -> Iterator[Reply]:
        """The reply of each room that has one, in the order in which they began."""
        return iter(self._replies.values())

    def running(self, room_id: RoomId) -> EventId | None:
        """The question of the reply in work in a room."""
        reply = self._replies.get(room_id)
        return reply.question.key if reply is not None and reply.outcome is None else None

    def stop(self, room_id: RoomId, *, silently: bool = False) -> bool:
        """End the reply in work in a room; whether there was one.

        What was said so far is committed as a stopped answer. `silently`: nothing is said. The
        reply has ended when it is shown no more: at once, or when the homeserver has answered.
        """
        reply = self._replies.get(room_id)
        if reply is None or reply.outcome is not None or reply.is_ending:
            return False
        reply.stopped_with = Dropped() if silently else reply.so_far
        reply.is_ending = True
        reply.showing.end()
        reply.scope.cancel()
        if reply.showing.is_settled:
            self._end(reply, reply.stopped_with)
        return True

    def redacted(self, room_id: RoomId, event_id: EventId) -> None:
        """End the reply to a question that was redacted, also if it has an answer already."""
        reply = self._replies.get(room_id)
        if reply is None or event_id not in {reply.question.key, reply.question.asked.event_id}:
            return
        self.stop(room_id, silently=True)
        reply.stopped_with = Dropped()
        if reply.outcome is not None:
            reply.outcome = Dropped()

    def waits(self, room_id: RoomId) -> bool:
        """Whether a room's reply waits for something else than its turn."""
        reply = self._replies.get(room_id)
        return reply is not None and reply.waits

    def counts(self) -> tuple[int, int]:
        """The number of replies that the platform works on, and of those that wait."""
        in_work = self._in_work()
        asked = sum(reply.is_asked for reply in in_work)
        return asked, len(in_work) - asked

    def outage_is_over(self) -> None:
        """Let replies that wait for the homeserver go on at once."""
        self._tools.outage.end()

    async def new_ended(self, new_s: float) -> None:
        """Wait until no reply is in work that began less than `new_s` seconds ago."""
        while any(anyio.current_time() - it.began_at < new_s for it in self._in_work()):
            await self._ended.wait()

    async def stop_all(self, within_s: float) -> tuple[RoomId, ...]:
        """Start no further reply, end those that wait, and let the others end within a time.

        The bot sends nothing any more, so none of them waits for the answer to a live edit.
        Returns the rooms whose reply had to be ended; their questions are asked again later.
        """
        self._stopping = True
        for reply in self._in_work():
            if not reply.is_asked and not reply.is_ending:
                self.drop(reply.question.room_id)
            reply.showing.drop()
        with anyio.move_on_after(within_s):
            while self._in_work():
                await self._ended.wait()
        late = tuple(reply.question.room_id for reply in self._in_work())
        for room_id in late:
            self.drop(room_id)
        return late

    # ------------------------------------------------------------ inside

    def _in_work(self) -> list[Reply]:
        return [reply for reply in self._replies.values() if reply.outcome is None]

    async def _run(self, reply: Reply) -> None:
        try:
            with reply.scope:
                failure = await attempt(reply.run)
                if failure is not None:
                    reply.ends_with = Failed(_bug(reply, failure))
                elif isinstance(reply.ends_with, Failed):
                    _note_failure(reply, reply.ends_with.error)
            reply.is_ending = True
            if self._stopping:
                reply.showing.drop()
            await reply.showing.settled()
        finally:
            # A step is shielded, so the cancellation of all tasks alone does not end it.
            reply.showing.drop()
        self._end(reply, reply.stopped_with or reply.ends_with)

    def _end(self, reply: Reply, outcome: Outcome) -> None:
        if reply.outcome is not None:
            return
        reply.outcome = outcome
        self._count(reply.question, outcome)
        failed = isinstance(outcome, Failed)
        self._tell(reply.question.room_id, ReplyFailed() if failed else ReplyDone())
        self._note_end()

    def _count(self, question: Question, outcome: Outcome) -> None:
        replies = self._tools.meter.replies
        match outcome:
            case Dropped():
                replies["dropped"] += 1
            case Answered(reason=None):
                replies["stopped"] += 1
            case Answered():
                replies["done"] += 1
            case Failed():
                is_last = question.failed + 1 >= self._tools.bounds.attempts
                replies["failed" if is_last else "retried"] += 1
            case _:
                replies["refused"] += 1

    def _note_end(self) -> None:
        self._ended.set()
        self._ended = anyio.Event()


def _note_failure(reply: Reply, error: Exception) -> None:
    question = reply.question
    _log.warning(
        "reply_failed",
        room_id=question.room_id,
        event_id=question.key,
        attempt=question.failed + 1,
        error=error_text(error),
    )


def _bug(reply: Reply, failure: BaseException) -> Exception:
    error = next(iter(errors_in(failure)), RuntimeError(repr(failure)))
    is_bug = not isinstance(error, ExpectedError)
    _log.warning(
        "reply_failed",
        room_id=reply.question.room_id,
        error=repr(error),
        exc_info=failure if is_bug else None,
    )
    return error
