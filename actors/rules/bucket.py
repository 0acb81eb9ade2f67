"""How much of the account's rate limit is left for live edits. Pure.

Each request that writes an event takes a token from one bucket. Only live edits and anchors need
one: the others take theirs at once, even if there is none. So live edits get what is left over.

The bucket begins with the rate of a stock Synapse. `burst` and `debt` together are the burst of
one, so an empty bucket still leaves the homeserver room for a few messages. A limit halves the
rate. It grows again after each minute that has shown that the homeserver allows it: no request was
limited, a live edit was held back, and at least a share of the tokens was used. The rate does not
pass a rate that was too high again, until `remember_s` later.
"""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

_A_LITTLE: Final = 1.001
"""Rounding does not make a rate another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditLimits:
    """How fast live edits and anchors may follow each other, for the whole account."""

    per_s: float = 0.2
    """The tokens that come back in a second, at first. A limit halves the rate …"""
    per_s_least: float = 0.05
    """… down to this one …"""
    per_s_most: float = 5.0
    """… and calm minutes let it grow up to this one."""
    burst: int = 6
    """How many tokens there are at most."""
    debt: int = 4
    """How many tokens may be missing, at most."""
    pause_s: float = 30.0
    """No live edit is sent for so long after a limit."""
    calm_s: float = 60.0
    """The rate grows after so long without a limit …"""
    calm_share: float = 0.5
    """… in which at least this share of the tokens was used …"""
    grow: float = 1.5
    """… by this factor."""
    remember_s: float = 3_600.0
    """A rate that was too high is tried again after this time."""


class Verdict(StrEnum):
    """Whether a live edit may be sent, or why it is left out."""

    SENT = "sent"
    BUSY = "busy"
    """A message waits to be sent."""
    LIMITED = "limited"
    """The homeserver has limited the account lately."""
    NO_TOKEN = "no_token"  # noqa: S105
    """The bucket is empty."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The tokens at a time, the rate, and what is known about limits. Times are anyio's."""

    level: float
    per_s: float
    ceiling: float
    """The highest rate that is not known to be too high. The rate does not grow above it …"""
    ceiling_until: float = -math.inf
    """… before this time."""
    at: float = 0.0
    since: float = 0.0
    """When the present minute began. It may begin later: when the pause after a limit ends."""
    taken: int = 0
    """The tokens that were taken in this minute."""
    held: bool = False
    """Whether the empty bucket has held a live edit back in this minute."""
    paused_until: float = -math.inf


def full_bucket(limits: EditLimits) -> Bucket:
    """The bucket of a process that has sent nothing yet."""
    return Bucket(float(limits.burst), limits.per_s, ceiling=limits.per_s)


def after_request(bucket: Bucket, now: float, limits: EditLimits) -> Bucket:
    """The bucket after a request that is sent whether there is a token or not."""
    return _taken(_at(bucket, now, limits), limits)


def after_limit(bucket: Bucket, now: float, limits: EditLimits, retry_after_s: float) -> Bucket:
    """The bucket after the homeserver has limited the account.

    Several limits in one pause count once: no live edit has caused the later ones.
    """
    bucket = _at(bucket, now, limits)
    if now >= bucket.paused_until:
        ceiling = _highest(bucket, limits)
        bucket = replace(
            bucket,
            per_s=max(limits.per_s_least, min(bucket.per_s / 2, ceiling)),
            ceiling=ceiling,
            ceiling_until=now + limits.remember_s,
        )
    ends = max(bucket.paused_until, now + max(limits.pause_s, retry_after_s))
    level = -float(limits.debt)
    return replace(bucket, level=level, paused_until=ends, since=ends, taken=0, held=False)


def after_question(
    bucket: Bucket, now: float, limits: EditLimits, *, is_busy: bool
) -> tuple[Bucket, Verdict]:
    """The bucket after the question whether a live edit may be sent, and the answer.

    `is_busy`: a message waits to be sent. A live edit that may be sent takes its token.
    """
    bucket = _at(bucket, now, limits)
    if now < bucket.paused_until:
        return bucket, Verdict.LIMITED
    if is_busy:
        return bucket, Verdict.BUSY
    if bucket.level < 1:
        return replace(bucket, held=True), Verdict.NO_TOKEN
    return _taken(bucket, limits), Verdict.SENT


def _highest(bucket: Bucket, limits: EditLimits) -> float:
    """The highest rate that is not known to be too high, once the present rate is.

    A limit soon after the ceiling was passed confirms it.
    """
    below = bucket.per_s / limits.grow
    is_trial = below < bucket.ceiling * limits.grow * _A_LITTLE
    return max(limits.per_s, min(below, bucket.ceiling) if is_trial else below)


def _taken(bucket: Bucket, limits: EditLimits) -> Bucket:
    level = max(-float(limits.debt), bucket.level - 1)
    in_this_minute = bucket.at >= bucket.since
    return replace(bucket, level=level, taken=bucket.taken + in_this_minute)


def _at(bucket: Bucket, now: float, limits: EditLimits) -> Bucket:
    """The bucket at a later time."""
    level = min(float(limits.burst), bucket.level + (now - bucket.at) * bucket.per_s)
    bucket = replace(bucket, level=level, at=now)
    if now - bucket.since < limits.calm_s:
        return bucket
    return replace(bucket, per_s=_next_rate(bucket, now, limits), since=now, taken=0, held=False)


def _next_rate(bucket: Bucket, now: float, limits: EditLimits) -> float:
    """The rate after a minute without a limit."""
    enough = limits.calm_share * bucket.per_s * limits.calm_s
    if not bucket.held or bucket.taken < enough:
        return bucket.per_s
    ceiling = bucket.ceiling if now < bucket.ceiling_until else math.inf
    return min(bucket.per_s * limits.grow, limits.per_s_most, max(ceiling, bucket.per_s))
