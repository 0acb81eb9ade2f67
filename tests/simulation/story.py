"""A record of everything that happens in a simulation, with the bot's log events."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final, NoReturn

import anyio
import structlog

QUIET: Final = frozenset({"level"})
IN_THE_JOURNAL: Final = ("lifecycle_transition", "room_transition")
"""Log events that the story leaves out: it has the same transitions from the journal."""


class Story:
    """Lines of time, source and text. The same seed gives the same story."""

    def __init__(self, clock: Callable[[], float] = anyio.current_time) -> None:
        self._clock = clock
        self.lines: list[tuple[float, str, str]] = []

    def tell(self, source: str, text: str) -> None:
        """Add a line."""
        self.lines.append((self._clock(), source, text))

    def text(self) -> str:
        """The whole story, one line for each entry."""
        return "\n".join(f"{at:10.3f}  {source:<10} {text}" for at, source, text in self.lines)

    @contextmanager
    def with_log(self) -> Iterator[None]:
        """Write the bot's log events to the story only."""
        before = structlog.get_config()
        structlog.configure(
            processors=[self._add_event],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)

    def _add_event(self, _: object, level: str, event: MutableMapping[str, object]) -> NoReturn:
        name = event.pop("event")
        error = event.pop("exc_info", None)
        if level != "debug" and name not in IN_THE_JOURNAL:
            fields = " ".join(f"{key}={value!r}" for key, value in event.items())
            self.tell("log", f"{name} {fields}" + (f" error={error!r}" if error else ""))
        raise structlog.DropEvent
