"""Whether a database and a homeserver still belong together. Pure.

Both keep the same generation, and the bot replaces it again and again. After a backup of either was
restored, they differ.
"""

from dataclasses import replace
from enum import StrEnum
from typing import Final

from actors.model import Generation, StoredGeneration, UserId


class Doubt(StrEnum):
    """A reason not to believe the stored position. The value is a text for the log."""

    POSITION = "the homeserver no longer knows the position"
    ACCOUNT = "the database belongs to another account"
    DATABASE = "the database is older than the homeserver's generation, as after a restored backup"
    HOMESERVER = "the homeserver is older than the database, as after a restored backup"
    EVENT = "the homeserver lacks the newest event that the database knows"
    NEW_HOMESERVER = "the homeserver has no room that the database knows: it was begun anew"


STALE: Final = frozenset({Doubt.ACCOUNT, Doubt.DATABASE, Doubt.NEW_HOMESERVER})
"""The database is wrong: what waits in it was carried out since then, or is for another account."""

FOREIGN: Final = frozenset({Doubt.ACCOUNT, Doubt.NEW_HOMESERVER})
"""The rows of the cache are about rooms that are not there."""


def doubt_about(
    stored: StoredGeneration | None, seen: Generation | None, me: UserId
) -> Doubt | None:
    """The doubt about a database with a position, given the homeserver's generation; None for none.

    A database and a homeserver of the first release have no generation. That is no reason for
    doubt.
    """
    if stored is None:
        return Doubt.DATABASE if seen is not None else None
    if stored.account != me:
        return Doubt.ACCOUNT
    if seen == stored.current or (seen is not None and seen == stored.coming):
        return None
    if seen is not None and seen.count > stored.highest:
        return Doubt.DATABASE
    return Doubt.HOMESERVER


def agreed(
    stored: StoredGeneration | None, seen: Generation | None, me: UserId
) -> StoredGeneration:
    """What the database keeps once it agrees with the homeserver."""
    before = stored.highest if stored is not None and stored.account == me else 0
    return StoredGeneration(me, seen, highest=max(before, seen.count if seen else 0))


def prepared(stored: StoredGeneration, new_id: str) -> StoredGeneration:
    """What the database keeps before the homeserver is told a new generation.

    An attempt that was not confirmed is made again: the homeserver may have that generation.
    """
    if stored.coming is not None:
        return stored
    coming = Generation(new_id, stored.highest + 1)
    return replace(stored, coming=coming, highest=coming.count)
