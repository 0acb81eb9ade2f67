"""The distinction that the runtime makes between errors: expected, or not."""

from typing import Final

FATAL: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends the program, inside a group as well; the runtime catches none of it."""


class ExpectedError(Exception):
    """Base class of errors that are raised on purpose. They are logged without a traceback."""


class CancelledByItself(Exception):
    """A handler raised the cancellation of the event loop, but nothing had cancelled the handler.

    Awaiting a task that another part of the program has cancelled does that.
    """


def error_text(error: Exception) -> str:
    """The text of an error, or the name of its type when it has no text."""
    return str(error) or type(error).__name__


def errors_in(error: BaseException) -> tuple[Exception, ...]:
    """The error itself, or every error in a group and in the groups inside of it.

    Cancellations are left out. The order depends on the errors alone, and not on which of the
    tasks failed first: bugs before expected errors, then by type and text.
    """
    if isinstance(error, BaseExceptionGroup):
        inner = [leaf for each in error.exceptions for leaf in errors_in(each)]
        return tuple(sorted(inner, key=_order))
    return (error,) if isinstance(error, Exception) else ()


def is_fatal(error: BaseException) -> bool:
    """Whether an error must end the program: it is, or a group has, one of `FATAL`."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_fatal, error.exceptions))
    return isinstance(error, FATAL)


def _order(error: Exception) -> tuple[bool, str, str]:
    return isinstance(error, ExpectedError), type(error).__qualname__, str(error)
