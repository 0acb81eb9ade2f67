"""What becomes of a question that is asked again. Pure."""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database has of a call.

    `question` is the digest of what was asked, `asker` the process that asked last. `is_taken`: a
    worker makes the call, or has made it. `is_left`: its asker does not want the answer any more.
    """

    question: bytes
    asker: str
    is_taken: bool
    is_left: bool
    has_ended: bool
    has_failed: bool


class Step(Enum):
    """What follows."""

    FOLLOW = auto()
    """The answer that is there, or in work, is the answer."""
    QUEUE = auto()
    """No worker has it yet: the newest words of it count, and it is put into the queue again."""
    RESTART = auto()
    """It is a new call, and what was said to the former one is void."""


def step_for(stored: Stored, question: bytes, asker: str) -> Step:
    """The step for a question that is known.

    An answer that is stored is never asked for again. An asker that has left a call and asks again
    wants a new one; another process takes over the one in work.
    """
    if stored.question != question:
        return Step.RESTART
    if stored.has_ended:
        return Step.RESTART if stored.has_failed else Step.FOLLOW
    if stored.is_left and stored.asker == asker:
        return Step.RESTART
    return Step.FOLLOW if stored.is_taken else Step.QUEUE
