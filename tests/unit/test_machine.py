"""A table decides; what it has no row for is denied and changes nothing."""

from enum import StrEnum

from actors.runtime.table import Row, Table


class Light(StrEnum):
    GREEN = "green"
    RED = "red"
    OUT = "out"


class Fact(StrEnum):
    TIME_UP = "time_up"
    POWER_LOST = "power_lost"
    SWAPPED = "swapped"


ROWS = (
    Row(Light.GREEN, Fact.TIME_UP, Light.RED),
    Row(Light.RED, Fact.TIME_UP, Light.GREEN),
    Row(Light.GREEN, Fact.POWER_LOST, Light.OUT),
)
TABLE = Table(ROWS, initial=Light.GREEN)


def test_a_row_says_what_follows() -> None:
    assert TABLE.next(Light.GREEN, Fact.TIME_UP) is Light.RED
    assert TABLE.next(Light.RED, Fact.TIME_UP) is Light.GREEN
    assert TABLE.next(Light.GREEN, Fact.POWER_LOST) is Light.OUT


def test_a_trigger_without_a_row_for_this_state_is_denied() -> None:
    assert TABLE.next(Light.RED, Fact.POWER_LOST) is None
    assert TABLE.next(Light.OUT, Fact.TIME_UP) is None


def test_a_trigger_without_any_row_is_denied() -> None:
    assert TABLE.next(Light.GREEN, Fact.SWAPPED) is None


def test_a_table_keeps_no_state_between_questions() -> None:
    answers = {TABLE.next(Light.GREEN, Fact.TIME_UP) for _ in range(3)}
    assert answers == {Light.RED}


def test_a_table_tells_its_rows_and_where_it_begins() -> None:
    assert TABLE.rows == ROWS
    assert TABLE.initial is Light.GREEN
