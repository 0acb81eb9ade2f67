"""Files that the documents show, as their readers copy them."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def shown_file(document: str, name: str) -> str:
    """The code block that follows the line which begins with the name of the file."""
    text = (ROOT / document).read_text(encoding="utf-8")
    (block,) = re.findall(
        rf"^`{re.escape(name)}`[^\n]*:\n\n```\w+\n(.*?)^```$", text, re.DOTALL | re.MULTILINE
    )
    return str(block)
