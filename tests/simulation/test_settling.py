"""The check that a live edit is settled before the end of its answer is committed."""

from collections.abc import Callable

import pytest

from actors.bounds import Bounds
from actors.model import OutboundKind, OutboundMessage, RoomId
from actors.port_errors import HomeserverRefused, HomeserverUnavailable, PortError
from adapter.sql.values import Statement
from tests.simulation.seeding import run_simulation
from tests.simulation.settling import Settling

ANCHOR = "$0a.0"
EDIT = OutboundMessage(
    f"{ANCHOR}~boot1.0", RoomId("!r"), "You said", kind=OutboundKind.LIVE, edits=ANCHOR
)
END = Statement("outbox", "INSERT", (f"{ANCHOR}.final",))


def ending_after(error: PortError, then: Callable[[Settling], None] = lambda _: None) -> list[str]:
    """The violations if the end of an answer is committed after a live edit that has failed."""
    violations: list[str] = []

    async def body(_: object) -> None:
        settling = Settling(Bounds(), violations.append)
        with pytest.raises(PortError), settling.sending(EDIT):
            raise error
        then(settling)
        settling.committed([END])

    run_simulation(body, 0)
    return violations


def test_an_edit_without_an_answer_is_not_settled() -> None:
    error = HomeserverUnavailable("No answer.")
    assert ending_after(error) == [f"{ANCHOR}.final is committed before {EDIT.txn_id} is settled"]


def test_an_edit_that_is_refused_is_settled() -> None:
    assert ending_after(HomeserverRefused(403, "M_FORBIDDEN", "no")) == []


@pytest.mark.parametrize("ended", [Settling.booted, Settling.stopped])
def test_a_run_that_sends_nothing_more_settles_nothing(ended: Callable[[Settling], None]) -> None:
    assert ending_after(HomeserverUnavailable("No answer."), ended) == []
