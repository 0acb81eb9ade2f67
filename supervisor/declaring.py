"""Settings as dataclasses, in which a field names its variable and the check of its value. Pure.

pydantic-settings does this for platforms. The settings of the bot do without it, because its import
takes longer than all that most commands do.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, TypeAlias

_KEY: Final = "variable"

Check: TypeAlias = Callable[[Any], object]
"""From the text of a variable, or the default, to the value of the field.

The text of its ValueError continues the name of the variable, and says what to write instead.
"""
CheckWithOthers: TypeAlias = Callable[[Any, Mapping[str, object]], None]
"""Looks at a value beside those of the fields above it that are right, and raises as `Check` does.
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment, and how its value is checked."""

    name: str
    default: object
    """The value if the variable is not set; MISSING if it has to be."""
    check: Check
    with_others: CheckWithOthers | None
    advice: str
    """What to set it to, if it is missing."""


def _as_it_is(value: object) -> object:
    return value


def variable(
    name: str,
    check: Check = _as_it_is,
    *,
    default: object = MISSING,
    with_others: CheckWithOthers | None = None,
    advice: str = "set it",
) -> Any:  # noqa: ANN401 - a field of any type
    """A field of a dataclass that has the value of a variable. Its default is checked as well."""
    declared = Variable(name, default, check, with_others, advice)
    made: object = field(default=default, metadata={_KEY: declared})
    return made


def declared_in(kind: type[Any]) -> Iterator[tuple[str, Variable]]:
    """The fields that have variables, by name, in their order."""
    for each in fields(kind):
        if _KEY in each.metadata:
            yield each.name, each.metadata[_KEY]


def values_of(kind: type[Any], given: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """The values of the fields, and a line for each variable that is wrong."""
    values: dict[str, object] = {}
    lines: list[str] = []
    for name, each in declared_in(kind):
        try:
            values[name] = _value(each, given, values)
        except ValueError as error:
            lines.append(f"{each.name}: {error}")
    return values, lines


def _value(of: Variable, given: Mapping[str, str], others: Mapping[str, object]) -> object:
    value: object = given.get(of.name, of.default)
    if value is MISSING:
        raise ValueError(f"is not set: {of.advice}")
    value = of.check(value)
    if of.with_others is not None:
        of.with_others(value, others)
    return value
