"""Steps between schema versions, and the order in which they run. Pure: runs no statement.

Only kept tables have steps; cache tables are rebuilt. A released step never changes, because
migrated databases do not run it again.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """Brings one table from the version before `to_version` to `to_version`.

    The statements name no other kept table and create no index: the schema's script creates those.
    """

    to_version: int
    table: str
    statements: tuple[str, ...]


def statements_from(steps: tuple[Step, ...], version: int, table: str) -> tuple[str, ...]:
    """The statements to run on a table of a database with this version."""
    return tuple(
        statement
        for step in steps
        if step.table == table and step.to_version > version
        for statement in step.statements
    )
