"""Makes short parts of answers, so that answers with several parts are frequent. Pure."""

from collections.abc import Sequence

from actors.rules.formatting import Formatted, Formatter, cleaned
from adapter.matrix.formatting import formatted_parts


def formatter_for(chars: int | None) -> Formatter:
    """A formatter whose parts have at most so many characters; with None, that of the product."""
    if chars is None:
        return formatted_parts
    limit = chars

    def formatted(text: str) -> Sequence[Formatted]:
        parts: list[Formatted] = []
        rest = cleaned(text)
        while rest:
            end = limit if len(rest) <= limit else rest.rfind(" ", 0, limit) + 1 or limit
            parts.append(Formatted(rest[:end].rstrip()))
            rest = rest[end:]
        return parts or [Formatted("")]

    return formatted
