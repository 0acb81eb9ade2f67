"""Which error counts in a group of errors, in whatever order they came."""

from itertools import permutations

import anyio
import pytest

from actors.port_errors import (
    HomeserverUnavailable,
    PositionLost,
    RateLimited,
    SessionRevoked,
    StoreUnavailable,
)
from actors.runtime.boundary import attempt
from actors.runtime.errors import CancelledByItself, errors_in, is_fatal
from supervisor.errors import expected_in

GONE, LIMITED, LONGER = HomeserverUnavailable("gone"), RateLimited(5.0), RateLimited(50.0)
REVOKED, LOST, LOCKED = SessionRevoked("out"), PositionLost("pos"), StoreUnavailable("locked")
BUG = KeyError("a bug")


@pytest.mark.parametrize(
    ("errors", "counts"),
    [
        ([GONE], GONE),
        ([LIMITED, LONGER], LONGER),
        ([GONE, LIMITED], LIMITED),
        ([GONE, REVOKED, LONGER], REVOKED),
        ([REVOKED, LOST, LOCKED], LOST),
    ],
)
def test_the_supervisor_takes_the_last_of_its_table(
    errors: list[Exception], counts: Exception
) -> None:
    for order in permutations(errors):
        group = ExceptionGroup("outer", [ExceptionGroup("inner", order[1:] or order), order[0]])
        assert expected_in(group) is counts


def test_a_bug_in_a_group_stays_a_bug_of_the_activity() -> None:
    group = ExceptionGroup("tasks", [GONE, ExceptionGroup("inner", [BUG])])
    assert expected_in(group) is group


def test_a_single_error_is_its_own_group() -> None:
    assert expected_in(GONE) is GONE
    assert errors_in(BUG) == (BUG,)
    assert errors_in(KeyboardInterrupt()) == ()


def test_the_order_of_errors_does_not_depend_on_which_came_first() -> None:
    errors = [BUG, GONE, LIMITED, LOCKED]
    orders = {errors_in(ExceptionGroup("tasks", order)) for order in permutations(errors)}
    assert orders == {(BUG, GONE, LIMITED, LOCKED)}


def test_what_ends_the_program_is_found_in_a_group() -> None:
    inner = BaseExceptionGroup("inner", [SystemExit(), BUG])
    assert is_fatal(BaseExceptionGroup("outer", [GONE, inner]))
    assert not is_fatal(ExceptionGroup("outer", [GONE]))


class Cancellation:
    """A group of the loop's own cancellation and perhaps an error."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = errors

    async def work(self) -> None:
        raise BaseExceptionGroup("tasks", [anyio.get_cancelled_exc_class()(), *self.errors])


def test_a_cancellation_in_a_group_hides_no_error_and_is_one_by_itself() -> None:
    async def failure_of(cancellation: Cancellation) -> BaseException | None:
        return await attempt(cancellation.work)

    alone = anyio.run(failure_of, Cancellation())
    assert isinstance(alone, CancelledByItself)
    group = anyio.run(failure_of, Cancellation(LIMITED))
    assert group is not None
    assert errors_in(group) == (LIMITED,)


def test_what_ends_the_program_passes_the_boundary_in_a_group() -> None:
    async def work() -> None:
        raise BaseExceptionGroup("tasks", [SystemExit(), BUG])

    async def main() -> None:
        await attempt(work)

    with pytest.raises(BaseExceptionGroup):
        anyio.run(main)
