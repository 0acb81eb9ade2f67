"""What the workers of an account have to do, for the status of the bot."""

from dataclasses import dataclass
from typing import Final

from adapter.workers.database import Database
from adapter.workers.timing import Timing

WITHIN_S: Final = 1.0
"""The status does not wait longer for the database."""

# fmt: off
_LOAD: Final = """
WITH unfinished AS (
    SELECT asked_at, left_at IS NULL AS is_wanted,
        worker IS NOT NULL AND seen_at > clock_timestamp() - make_interval(secs => %(dead_s)s)
            AS is_in_work
    FROM asks WHERE account = %(account)s AND ended_at IS NULL AND question <> ''
), waiting AS (
    SELECT asked_at FROM unfinished WHERE is_wanted AND NOT is_in_work
)
SELECT
    (SELECT count(*) FROM ask_workers WHERE account = %(account)s
        AND seen_at > clock_timestamp() - make_interval(secs => %(dead_s)s)),
    (SELECT count(*) FROM unfinished WHERE is_in_work),
    (SELECT count(*) FROM waiting),
    (SELECT extract(epoch FROM clock_timestamp() - min(asked_at))::float8 FROM waiting)
"""
# fmt: on


@dataclass(frozen=True, slots=True)
class Load:
    """The workers that live, the questions in their work, and those that no worker has taken.

    `oldest_waiting_s` is how long the oldest of these has waited; None without one.
    """

    alive: int
    in_work: int
    waiting: int
    oldest_waiting_s: float | None


class LoadReader:
    """Reads the load of one account, on connections of its own, which the first look opens."""

    def __init__(self, url: str, account: str, timing: Timing = Timing(answer_s=WITHIN_S)) -> None:
        self._database = Database(url, timing)
        self._params = {"account": account, "dead_s": timing.dead_s}

    async def look(self) -> Load:
        """The present load. Raises StoreUnavailable."""
        async with self._database.reading() as connection:
            found = await connection.execute(_LOAD, self._params)
            row = await found.fetchone()
        assert row is not None, "the statement always has one row"
        return Load(*row)

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()
