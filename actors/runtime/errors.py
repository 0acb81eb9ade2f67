"""The one distinction that the runtime makes between errors."""


class ExpectedError(Exception):
    """Base of failures that are raised on purpose. The log has their text and no traceback."""


def error_text(error: Exception) -> str:
    """An error in words: its text, or its type's name where it has none."""
    return str(error) or type(error).__name__
