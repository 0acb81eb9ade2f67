"""The distinction that the runtime makes between errors: expected, or not."""


class ExpectedError(Exception):
    """Base class of errors that are raised on purpose. They are logged without a traceback."""


def error_text(error: Exception) -> str:
    """The text of an error, or the name of its type when it has no text."""
    return str(error) or type(error).__name__
