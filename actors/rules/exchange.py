"""When an exchange with one sender is one between programs, which has no end of its own. Pure.

A program answers each answer at once. A person needs time to read and write, or pastes many
messages without waiting for answers. So a turn counts if it comes soon after the bot's answer, and
a message that waited already when the bot answered takes one turn back.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeLimits:
    """When the bot stops answering a sender in a room, and for how long."""

    quick_turns: int = 20
    """Turns in a row within `quick_s` of the bot's answers, for anyone but the chat's owner."""
    quick_s: float = 2.0
    steady_turns: int = 120
    """Turns in a row within `steady_s` of the bot's answers, for everyone."""
    steady_s: float = 20.0
    answers: int = 2_000
    """Answers without a rest in between."""
    rest_s: float = 600.0
    """After this much silence of a sender, the count starts anew."""
    pause_s: float = 60.0
    """The first pause. Each further one takes twice as long as the one before it."""
    pause_cap_s: float = 3_600.0
    """The longest pause."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The messages of one sender in one room, and the bot's answers. Times are anyio's."""

    quick: int = 0
    steady: int = 0
    answers: int = 0
    pauses: int = 0
    heard_at: float = 0.0
    answered_at: float | None = None
    silent_until: float | None = None


class Hearing(Enum):
    """What becomes of a message."""

    ANSWER = auto()
    PAUSE = auto()
    """The bot begins a pause; the sender is told, unless that happened in an earlier pause."""
    SILENCE = auto()
    """The bot pauses."""


def hear(
    exchange: Exchange, now: float, limits: ExchangeLimits, *, waited: bool, is_owner: bool
) -> tuple[Exchange, Hearing]:
    """Take in a message. `waited`: it was there already when the bot answered the one before."""
    if now - exchange.heard_at >= limits.rest_s:
        exchange = Exchange()
    exchange = replace(exchange, heard_at=now)
    if exchange.silent_until is not None and now < exchange.silent_until:
        return exchange, Hearing.SILENCE
    since_s = None if exchange.answered_at is None else now - exchange.answered_at
    exchange = replace(
        exchange,
        quick=_counted(exchange.quick, since_s, limits.quick_s, waited=waited),
        steady=_counted(exchange.steady, since_s, limits.steady_s, waited=waited),
        answers=exchange.answers + 1,
    )
    if not _is_endless(exchange, limits, is_owner=is_owner):
        return exchange, Hearing.ANSWER
    pause_s = min(limits.pause_s * 2**exchange.pauses, limits.pause_cap_s)
    paused = Exchange(pauses=exchange.pauses + 1, heard_at=now, silent_until=now + pause_s)
    return paused, Hearing.PAUSE


def answered(exchange: Exchange, now: float) -> Exchange:
    """Note an answer of the bot."""
    return replace(exchange, answered_at=now)


def _counted(turns: int, since_s: float | None, within_s: float, *, waited: bool) -> int:
    if since_s is None:
        return 0
    if waited:
        return max(turns - 1, 0)
    return turns + 1 if since_s <= within_s else 0


def _is_endless(exchange: Exchange, limits: ExchangeLimits, *, is_owner: bool) -> bool:
    return (
        (exchange.quick >= limits.quick_turns and not is_owner)
        or exchange.steady >= limits.steady_turns
        or exchange.answers >= limits.answers
    )
