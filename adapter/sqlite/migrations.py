"""The steps that bring tables of an earlier schema version to ours, without losing a row.

Only tables that are kept have steps; a cache is rebuilt. A step is never changed once it has been
released: databases that have taken it do not take it again. Pure: nothing runs here.
"""

from dataclasses import dataclass
from typing import Final

FIRST_VERSION: Final = 1
"""The schema version of release 0.1, the earliest that a database can come from."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one table needs to get from the version before `to_version` to `to_version`.

    The statements name no other table that is kept, and make no index: the schema's script does.
    """

    to_version: int
    table: str
    statements: tuple[str, ...]


STORE_STEPS: Final[tuple[Step, ...]] = ()
JOURNAL_STEPS: Final[tuple[Step, ...]] = ()


def statements_from(steps: tuple[Step, ...], version: int, table: str) -> tuple[str, ...]:
    """What is still to be run on a table of a database that has this version."""
    return tuple(
        statement
        for step in steps
        if step.table == table and step.to_version > version
        for statement in step.statements
    )
