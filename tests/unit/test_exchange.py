"""An exchange between programs comes to an end; people are not taken for programs."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from actors.rules.exchange import Exchange, ExchangeLimits, Hearing, answered, hear

LIMITS = ExchangeLimits()


def talk(
    pauses_s: Iterable[float], *, waited: bool = False, is_owner: bool = False, start_s: float = 0.0
) -> tuple[Exchange, list[Hearing]]:
    """Messages, each so long after the bot's answer to the one before; the bot answers at once."""
    exchange, now, heard = Exchange(), start_s, []
    for pause_s in pauses_s:
        now += pause_s
        exchange, hearing = hear(exchange, now, LIMITS, waited=waited, is_owner=is_owner)
        heard.append(hearing)
        if hearing is Hearing.ANSWER:
            exchange = answered(exchange, now)
    return exchange, heard


def test_a_program_is_answered_so_many_times_and_then_paused() -> None:
    _, heard = talk([0.1] * 100)
    assert heard.count(Hearing.ANSWER) == LIMITS.quick_turns
    assert heard[LIMITS.quick_turns] is Hearing.PAUSE
    assert set(heard[LIMITS.quick_turns + 1 :]) == {Hearing.SILENCE}


def test_an_owner_may_be_quick_for_longer_and_not_for_ever() -> None:
    _, heard = talk([0.1] * 500, is_owner=True)
    assert heard.count(Hearing.ANSWER) == LIMITS.steady_turns


def test_a_slow_program_is_noticed_as_well() -> None:
    _, heard = talk([10.0] * 130)
    assert heard.count(Hearing.ANSWER) == LIMITS.steady_turns + 4  # the pause ends meanwhile


@pytest.mark.parametrize("pause_s", [2.1, 5.0])
def test_a_lively_talk_is_none_between_programs(pause_s: float) -> None:
    _, heard = talk([pause_s] * 100)
    assert set(heard) == {Hearing.ANSWER}


def test_one_slow_turn_starts_the_count_of_quick_ones_anew() -> None:
    _, heard = talk(([0.5] * (LIMITS.quick_turns - 1) + [3.0]) * 5)
    assert set(heard) == {Hearing.ANSWER}


def test_many_lines_pasted_at_once_are_all_answered() -> None:
    _, heard = talk([0.01] * 1500, waited=True)
    assert set(heard) == {Hearing.ANSWER}


def test_lines_that_come_while_others_are_answered_are_answered_too() -> None:
    exchange, now = Exchange(), 0.0
    for number in range(600):
        now += 0.05
        exchange, hearing = hear(
            exchange, now, LIMITS, waited=number % 2 == 1, is_owner=number % 3 == 0
        )
        assert hearing is Hearing.ANSWER
        exchange = answered(exchange, now)


def test_a_program_that_never_waits_ends_at_a_number_of_answers() -> None:
    _, heard = talk([0.01] * 3000, waited=True)
    assert heard.count(Hearing.ANSWER) == LIMITS.answers - 1


def test_each_pause_is_longer_up_to_a_bound() -> None:
    lengths_s: list[float] = []
    exchange, now = Exchange(), 0.0
    while len(lengths_s) < 8:
        now = max(now + 0.1, exchange.silent_until or 0.0)
        exchange = replace(exchange, heard_at=now)  # it never rests
        exchange, hearing = hear(exchange, now, LIMITS, waited=False, is_owner=False)
        if hearing is Hearing.PAUSE:
            assert exchange.silent_until is not None
            lengths_s.append(exchange.silent_until - now)
        else:
            exchange = answered(exchange, now)
    assert lengths_s == pytest.approx([60, 120, 240, 480, 960, 1920, 3600, 3600])


def test_a_rest_makes_it_forgotten() -> None:
    paused, _ = talk([0.1] * (LIMITS.quick_turns + 1))
    later = paused.heard_at + LIMITS.rest_s
    exchange, hearing = hear(paused, later, LIMITS, waited=False, is_owner=False)
    assert hearing is Hearing.ANSWER
    assert (exchange.pauses, exchange.answers) == (0, 1)
