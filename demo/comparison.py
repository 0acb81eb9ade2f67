"""Compares the bot's database before a loss with the one after the recovery. Pure."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Rows: TypeAlias = Mapping[str, Mapping[str, Any]]


def differences(before: Rows, after: Rows) -> list[str]:
    """One sentence for each row that is missing, new or changed; empty if all rows are equal."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            found.append(f"{key} is missing")
        elif key not in before:
            found.append(f"{key} is new")
        else:
            found.extend(_changes(key, before[key], after[key]))
    return found


def _changes(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {name} was {before.get(name)!r} and is {after.get(name)!r}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def count(rows: Rows, kind: str) -> int:
    """The number of rows of a kind: `matrix_user`, `matrix_room` or `chat`."""
    return sum(key.startswith(f"{kind}:") for key in rows)
