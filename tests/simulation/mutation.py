"""What a deliberate bug is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """A replacement in the file `path`: `before`, which occurs exactly once, becomes `after`.

    The seeds that catch it have `processes` processes at most.
    """

    name: str
    path: str
    before: str
    after: str
    processes: int = 1
