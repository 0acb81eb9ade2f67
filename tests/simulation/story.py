"""What happened in a simulation, line by line, with the bot's own log among it."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Final, NoReturn

import anyio
import structlog

QUIET: Final = frozenset({"level"})
KNOWN_OTHERWISE: Final = ("lifecycle_transition", "room_transition")
"""Log events that stand in the journal as well."""


class Story:
    """Lines of time, teller and text. The same seed tells the same story."""

    def __init__(self) -> None:
        self.lines: list[tuple[float, str, str]] = []

    def tell(self, who: str, what: str) -> None:
        """Add a line."""
        self.lines.append((anyio.current_time(), who, what))

    def text(self) -> str:
        """All of it, a line each."""
        return "\n".join(f"{at:10.3f}  {who:<10} {what}" for at, who, what in self.lines)

    @contextmanager
    def hears_the_log(self) -> Iterator[None]:
        """Put what the bot logs into the story instead of anywhere else."""
        before = structlog.get_config()
        structlog.configure(
            processors=[self._hear],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)

    def _hear(self, _: object, level: str, event: MutableMapping[str, object]) -> NoReturn:
        name = event.pop("event")
        error = event.pop("exc_info", None)
        if level != "debug" and name not in KNOWN_OTHERWISE:
            fields = " ".join(f"{key}={value!r}" for key, value in event.items())
            self.tell("log", f"{name} {fields}" + (f" error={error!r}" if error else ""))
        raise structlog.DropEvent
