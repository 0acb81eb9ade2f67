"""How a call and its answer are written for the workers, and what follows a repeated question."""

import pytest

from actors.model import PlatformChatId
from actors.platform import (
    Attachment,
    Capabilities,
    Delta,
    Done,
    File,
    Reason,
    Text,
    Thinking,
    Usage,
)
from actors.port_errors import ContextTooLong, PlatformBusy, PlatformFailed
from adapter.workers.decisions import Step, Stored, step_for
from adapter.workers.wire import (
    Call,
    Check,
    Forget,
    call_bytes,
    call_of,
    capabilities_bytes,
    capabilities_of,
    failure_bytes,
    failure_of,
    joined,
    parts_bytes,
    parts_of,
    question_digest,
)
from tests.asks import ask

FILE = File("a.png", "image/png", b"\0\xff")
PARTS: tuple[Delta, ...] = (
    Thinking(),
    Text("one"),
    Text(" two"),
    Attachment(FILE),
    Usage(1, 2),
    Text("three"),
    Done(Reason.FILTER),
)
QUESTION, OTHER = b"question", b"other"


@pytest.mark.parametrize(
    "call", [ask("hello", files=(FILE,)), Check(), Forget(PlatformChatId("told"))]
)
def test_a_call_is_read_as_it_was_written(call: Call) -> None:
    assert call_of(call_bytes(call)) == call


def test_parts_are_read_as_they_were_written() -> None:
    assert tuple(parts_of(parts_bytes(PARTS))) == PARTS


def test_neighbours_are_joined() -> None:
    twice: list[Delta] = [Thinking(), Thinking(), Text("a"), Text("b"), Thinking(), Text("c")]
    assert joined(twice) == [Thinking(), Text("ab"), Thinking(), Text("c")]
    assert joined(PARTS)[1:3] == [Text("one two"), Attachment(FILE)]
    assert joined([]) == []


def test_numbers_without_a_bound_are_cut() -> None:
    (usage,) = parts_of(parts_bytes([Usage(10**30, bool(1))]))
    assert usage == Usage(2**63 - 1, 1)
    error = failure_of(failure_bytes(ContextTooLong(10**30, None)))
    assert isinstance(error, ContextTooLong)
    assert (error.limit, error.sent) == (2**63 - 1, None)


def test_an_error_of_another_release_is_a_failure() -> None:
    data = failure_bytes(PlatformBusy(2.0)).replace(b"PlatformBusy", b"PlatformLazy")
    error = failure_of(data)
    assert type(error) is PlatformFailed
    assert "PlatformLazy" in str(error)


def test_capabilities_that_nothing_could_read_are_refused_where_they_are_written() -> None:
    can = Capabilities(streams=True, accepts=("image/*",), models=("a",), notes=("b",))
    assert capabilities_of(capabilities_bytes(can)) == can
    with pytest.raises(ValueError, match="Expected `int`"):
        capabilities_bytes(Capabilities(context_tokens=1.5))  # type: ignore[arg-type]


def test_a_question_is_the_same_whatever_comes_with_it() -> None:
    same = question_digest(ask("hello"))
    assert question_digest(ask("before", "yes", "hello")) == same
    assert question_digest(ask("hullo")) != same
    assert question_digest(ask("hello", files=(FILE,))) != same
    assert question_digest(Check()) == question_digest(Forget(PlatformChatId("x"))) == b""


def stored(
    *,
    asker: str = "me",
    taken: bool = True,
    left: bool = False,
    end: str = "",
    words: bytes = QUESTION,
) -> Stored:
    return Stored(words, asker, taken, left, bool(end), end == "failed")


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (stored(words=OTHER), Step.RESTART),
        (stored(words=OTHER, end="answered"), Step.RESTART),
        (stored(end="answered"), Step.FOLLOW),
        (stored(end="answered", left=True), Step.FOLLOW),
        (stored(end="failed"), Step.RESTART),
        (stored(left=True), Step.RESTART),
        (stored(left=True, asker="another"), Step.FOLLOW),
        (stored(), Step.FOLLOW),
        (stored(asker="another"), Step.FOLLOW),
        (stored(taken=False), Step.QUEUE),
        (stored(taken=False, left=True, asker="another"), Step.QUEUE),
    ],
)
def test_what_follows_a_question_that_is_known(found: Stored, step: Step) -> None:
    assert step_for(found, QUESTION, "me") is step
