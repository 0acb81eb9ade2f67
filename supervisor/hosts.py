"""Whether the host of a URL can be looked up. Pure."""

import re
from typing import Final

_IN_NO_HOST: Final = re.compile(r"[\s\\<>^`{|}\"']")


def is_host(name: str) -> bool:
    """Whether the name of a host has only labels that the resolver takes.

    Python's resolver raises UnicodeError for an empty label and for one of more than 63 characters.
    """
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return bool(name) and not _IN_NO_HOST.search(name)
