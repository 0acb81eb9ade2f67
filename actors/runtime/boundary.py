"""The boundary around code that may fail: handlers, background work, hooks."""

import math
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from actors.runtime.errors import CancelledByItself, errors_in, is_fatal

BY_ITSELF: Final = "it was cancelled, but not by the actor system"


async def attempt(work: Callable[..., Awaitable[None]], *args: object) -> BaseException | None:
    """Await some work, and return its failure: an Exception, or a group with at least one.

    Raises what must not be caught: a cancellation that comes from the scopes around this call, and
    the errors that end the program.
    """
    try:
        await work(*args)
    except Exception as error:  # noqa: BLE001  the boundary: no failure leaves it
        return error
    except anyio.get_cancelled_exc_class() as cancellation:
        if _is_cancelled():
            raise
        return _by_itself(cancellation)
    except BaseExceptionGroup as group:
        if is_fatal(group) or _is_cancelled():
            raise
        return group if errors_in(group) else _by_itself(group)
    return None


def _by_itself(cancellation: BaseException) -> CancelledByItself:
    error = CancelledByItself(BY_ITSELF)
    error.__cause__ = cancellation
    return error


def _is_cancelled() -> bool:
    """Whether a scope around the present code is cancelled."""
    return anyio.current_effective_deadline() == -math.inf
