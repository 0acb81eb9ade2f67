"""Live edits get what the messages leave of the account's rate limit."""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

import pytest

from actors.bounds import Bounds
from actors.meter import LIVE_EDIT_OUTCOMES
from actors.model import UserId
from actors.port_errors import RateLimited
from actors.rules.bucket import (
    Bucket,
    EditLimits,
    Verdict,
    after_limit,
    after_question,
    after_request,
    full_bucket,
)
from tests.simulation.limits import RateLimit, stock_write_limit

LIMITS = EditLimits()
FULL = full_bucket(LIMITS)
BOT = UserId("@bot:sim.test")


def ask(bucket: Bucket, now: float, *, is_busy: bool = False) -> tuple[Bucket, Verdict]:
    return after_question(bucket, now, LIMITS, is_busy=is_busy)


def limited(bucket: Bucket, now: float, retry_after_s: float = 0.0) -> Bucket:
    return after_limit(bucket, now, LIMITS, retry_after_s)


def pressed(bucket: Bucket, start: float, seconds: float) -> Bucket:
    """The bucket after a time in which a live edit is wanted every half second."""
    for tick in range(round(seconds * 2)):
        bucket, _ = ask(bucket, start + tick / 2)
    return bucket


def rates(bucket: Bucket, start: float, minutes: int) -> list[float]:
    """The rates at the ends of so many minutes in which live edits are always wanted."""
    seen = []
    for minute in range(minutes):
        bucket = pressed(bucket, start + 60 * minute, 60)
        bucket, _ = ask(bucket, start + 60 * (minute + 1))
        seen.append(round(bucket.per_s, 3))
    return seen


def test_a_burst_passes_and_then_one_each_five_seconds() -> None:
    bucket, verdicts = FULL, []
    for second in range(20):
        bucket, verdict = ask(bucket, second / 4)
        verdicts.append(verdict)
    assert verdicts == [Verdict.SENT] * 6 + [Verdict.NO_TOKEN] * 14
    bucket, verdict = ask(bucket, 5.1)
    assert verdict is Verdict.SENT
    assert ask(bucket, 10.1)[1] is Verdict.SENT


def test_messages_need_no_token_and_leave_a_debt_with_an_end() -> None:
    bucket = FULL
    for _ in range(100):
        bucket = after_request(bucket, 0, LIMITS)
    assert bucket.level == -LIMITS.debt
    assert ask(bucket, 24.0)[1] is Verdict.NO_TOKEN
    assert ask(bucket, 25.1)[1] is Verdict.SENT


def test_a_message_that_waits_goes_first_and_costs_no_token() -> None:
    bucket, verdict = ask(FULL, 0, is_busy=True)
    assert verdict is Verdict.BUSY
    assert bucket.level == FULL.level


def test_after_a_limit_no_live_edit_is_sent_for_half_a_minute_or_as_long_as_asked() -> None:
    bucket = limited(FULL, 0)
    assert ask(bucket, 29.9, is_busy=True)[1] is Verdict.LIMITED
    assert ask(bucket, 30.0)[1] is not Verdict.LIMITED
    assert ask(limited(FULL, 0, 100), 99.9)[1] is Verdict.LIMITED
    assert ask(limited(bucket, 10), 39.9)[1] is Verdict.LIMITED
    assert ask(limited(limited(FULL, 0, 100), 10), 99.9)[1] is Verdict.LIMITED


def test_a_limit_halves_the_rate_once_in_a_pause_and_never_to_nothing() -> None:
    bucket = limited(FULL, 0)
    assert limited(limited(bucket, 1), 29).per_s == bucket.per_s == LIMITS.per_s / 2
    for _ in range(10):
        bucket = limited(bucket, bucket.paused_until)
    assert bucket.per_s == LIMITS.per_s_least


def test_after_a_limit_the_bucket_is_as_empty_as_that_of_the_homeserver() -> None:
    assert limited(FULL, 0).level == -LIMITS.debt


def test_the_rate_grows_with_each_minute_in_which_live_edits_were_held_back() -> None:
    assert rates(FULL, 0, 4) == [0.3, 0.45, 0.675, 1.013]


def test_the_rate_has_an_upper_limit() -> None:
    bucket = replace(FULL, per_s=4.0, level=0.0, held=True, taken=1000)
    assert ask(bucket, 60)[0].per_s == LIMITS.per_s_most


def test_an_idle_hour_does_not_raise_the_rate() -> None:
    bucket = FULL
    for minute in range(60):
        bucket, verdict = ask(bucket, minute * 60.0)
        assert verdict is Verdict.SENT
    assert bucket.per_s == LIMITS.per_s


def test_live_edits_that_are_all_sent_do_not_raise_the_rate() -> None:
    bucket = FULL
    for tick in range(600):
        bucket, verdict = ask(bucket, tick * 6.0)
        assert verdict is Verdict.SENT
    assert bucket.per_s == LIMITS.per_s


def test_one_that_is_held_back_in_a_minute_with_few_requests_does_not_raise_the_rate() -> None:
    bucket, verdict = ask(replace(FULL, level=0.0), 0)
    assert verdict is Verdict.NO_TOKEN
    for tick in range(5):
        bucket = after_request(bucket, 10.0 * tick, LIMITS)
    assert ask(bucket, 61)[0].per_s == LIMITS.per_s


def test_requests_in_the_pause_after_a_limit_prove_nothing() -> None:
    bucket = limited(FULL, 0)
    for tick in range(25):
        bucket = after_request(bucket, tick, LIMITS)
    assert bucket.taken == 0
    assert after_request(bucket, 30, LIMITS).taken == 1


def test_a_rate_that_was_too_high_is_tried_again_after_an_hour() -> None:
    high = replace(FULL, per_s=0.3, level=0.0)
    bucket = limited(high, 0)
    held = rates(bucket, 30, 58)
    assert held[:3] == [0.2, 0.2, 0.2]
    assert max(held) == LIMITS.per_s
    later = pressed(bucket, 30, 3600)
    assert ask(later, 3660)[0].per_s == pytest.approx(0.3)


def test_the_rate_of_a_stock_server_is_never_forgotten() -> None:
    bucket = limited(FULL, 0)
    assert bucket.ceiling == LIMITS.per_s
    assert rates(bucket, 30, 5) == [0.15, 0.2, 0.2, 0.2, 0.2]


def test_a_ceiling_below_the_rate_does_not_lower_it() -> None:
    bucket = replace(FULL, per_s=1.0, ceiling=0.5, ceiling_until=1e9, held=True, taken=1000)
    assert ask(bucket, 60)[0].per_s == 1.0


@pytest.mark.parametrize(
    ("per_s", "known", "per_s_after", "ceiling"),
    [
        (0.45, 0.2, 0.2, 0.2),
        (1.5, 1.0, 0.75, 1.0),
        (2.25, 1.0, 1.0, 1.0),
        (4.5, 1.0, 2.25, 3.0),
        (0.75, 1.0, 0.375, 0.5),
    ],
)
def test_a_limit_right_after_a_known_rate_was_passed_confirms_that_rate(
    per_s: float, known: float, per_s_after: float, ceiling: float
) -> None:
    bucket = limited(replace(FULL, per_s=per_s, ceiling=known), 0)
    assert bucket.per_s == pytest.approx(per_s_after)
    assert bucket.ceiling == pytest.approx(ceiling)


def test_the_verdicts_are_the_outcomes_that_are_counted() -> None:
    assert tuple(Verdict) == LIVE_EDIT_OUTCOMES


def test_the_bounds_of_the_bot_are_these() -> None:
    assert Bounds().live_edits == LIMITS


# ------------------------------------------------------------ with a server


@dataclass
class Account:
    """Answers that grow, on a server with a limit. Everything in virtual seconds."""

    server: RateLimit
    bucket: Bucket = FULL
    verdicts: Counter[str] = field(default_factory=Counter)
    limits: list[float] = field(default_factory=list)
    """When the server has limited the account."""
    waits: list[float] = field(default_factory=list)
    """How long each end of an answer has waited."""

    def request(self, now: float) -> float:
        """Send a request. Returns how long the server asks to wait; 0 if it was carried out."""
        try:
            self.server.take(BOT, now)
        except RateLimited as limit:
            self.limits.append(now)
            self.bucket = limited(self.bucket, now, limit.retry_after_s)
            return limit.retry_after_s
        return 0.0

    def edit(self, now: float) -> None:
        self.bucket, verdict = ask(self.bucket, now)
        self.verdicts[verdict] += 1
        if verdict is Verdict.SENT:
            self.request(now)

    def final(self, now: float) -> None:
        began = now
        self.bucket = after_request(self.bucket, now, LIMITS)
        while wait_s := self.request(now):
            now += wait_s
        self.waits.append(now - began)


def four_answers(account: Account, hours: float, answers: int = 4, rest_s: float = 20.0) -> None:
    """So many people ask at once, again and again; each answer grows for a minute."""
    pauses = (1.5, 1.5, *Bounds().edit_pauses_s, 10.0, 10.0, 10.0)
    due: list[tuple[float, int, int]] = []
    for person in range(answers):
        heappush(due, (person / 7, person, 0))
    while due[0][0] < hours * 3600:
        now, person, step = heappop(due)
        if step == len(pauses):
            account.final(now)
            heappush(due, (now + rest_s, person, 0))
        else:
            account.edit(now)
            heappush(due, (now + pauses[step], person, step + 1))


def test_on_a_stock_server_limits_are_rare_and_ends_do_not_wait() -> None:
    account = Account(stock_write_limit())
    four_answers(account, 6)
    assert 1 <= len(account.limits) <= 2 * 6
    late = [wait_s for wait_s in account.waits if wait_s]
    assert len(account.waits) > 1000
    assert len(late) <= 5
    assert max(late, default=0) <= 10


def test_at_the_rate_of_a_stock_server_there_is_no_limit_and_no_end_waits() -> None:
    account = Account(stock_write_limit(), bucket=replace(FULL, ceiling_until=math.inf))
    four_answers(account, 6)
    assert account.limits == []
    assert not any(account.waits)
    assert account.verdicts[Verdict.SENT] > 0.19 * 6 * 3600 - len(account.waits)


def test_where_the_limits_are_lifted_the_rate_grows_to_the_highest() -> None:
    account = Account(RateLimit(10_000, 1_000.0))
    four_answers(account, 0.5, answers=60)
    assert account.limits == []
    assert account.bucket.per_s == LIMITS.per_s_most
