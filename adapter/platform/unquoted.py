"""Values of variables in quotes. A shell and `.env` take the quotes away, a container does not."""

import re


def unquoted(text: str) -> str:
    """The text, unless it is in quotes: then ValueError."""
    if re.fullmatch(r"(['\"]).*\1", text, re.DOTALL):
        raise ValueError("is in quotes: remove them")
    return text
