"""Makes the parts of an answer from its Markdown, with HTML where it needs some."""

import re
from typing import Final

from actors.rules.formatting import Formatted, parts_of

_MARKUP: Final = re.compile(
    r"[`*_~#>|\\\[<&$]|^[ \t]*(?:[-+]|\d{1,9}[.)])[ \t]|^[ \t]*[-=]+[ \t]*$|^(?: {4}| *\t)\S",
    re.MULTILINE,
)
"""Finds something in every text that is not plain."""


def formatted_parts(markdown: str) -> tuple[Formatted, ...]:
    """The parts of an answer, each with HTML unless its text has no markup."""
    return parts_of(markdown, _html)


def _html(markdown: str, continues: bool) -> str:  # noqa: FBT001 - as Render says
    if not _MARKUP.search(markdown):
        return ""
    # Loaded only with the first text that needs it.
    from adapter.matrix.markdown import html_of  # noqa: PLC0415

    return html_of(markdown, continues=continues)
