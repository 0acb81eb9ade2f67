"""The chat platform that BOT_PLATFORM names, with its settings read and checked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from actors.bounds import Bounds

if TYPE_CHECKING:
    from actors.platform import Platform

MakePlatform: TypeAlias = Callable[[Bounds], "Platform"]


@dataclass(frozen=True, slots=True)
class ChosenPlatform:
    """A platform that can be made.

    `prefix` begins the names of its variables, and `variables` are all of them. `secrets` are the
    texts that must not appear in the log.
    """

    name: str
    make: MakePlatform
    prefix: str = ""
    variables: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = field(default=(), repr=False)
