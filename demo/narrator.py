"""How the story looks on a terminal, and in a pipe."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.status import Status
from rich.table import Table

from demo.bot import Transition

_PIPE_WIDTH: Final = 200


def plain_console() -> Console:
    """Make a console that reads no markup in texts and breaks no lines in a pipe."""
    made = Console(markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


class Narrator:
    """Prints the story line by line, with the seconds since its beginning."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._chapters = 0

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        self._chapters += 1
        self._console.print(f"\n{self._chapters}. {title}", style="bold")

    def tell(self, text: str) -> None:
        """Say what happened."""
        self._console.print(f"   {self._elapsed()}  {text}")

    def confirm(self, text: str) -> None:
        """Say what was checked and found to be so."""
        self._console.print(f"   {self._elapsed()}  ✓ {text}", style="green")

    def lifecycle(self, transitions: Iterable[Transition]) -> None:
        """Show the steps of the bot's lifecycle, each with its reason."""
        steps = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for step in transitions:
            reason = f"{step.trigger}: {step.reason}" if step.reason else step.trigger
            steps.add_row("          ", f"{step.src} → {step.dst}", reason, style="cyan")
        self._console.print(steps)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Status]:
        """Show that something takes its time; to be updated as it goes on."""
        with self._console.status(text) as status:
            yield status

    def failed(self, text: str) -> None:
        """Say what went wrong, at the end."""
        self._console.print(f"\n✗ {text}", style="bold red")

    def ended(self, text: str) -> None:
        """Say how it ended well."""
        self._console.print(f"\n{text} ({self._elapsed().strip()})", style="bold green")

    def aside(self, text: str) -> None:
        """Say something that is no part of the story."""
        self._console.print(text, soft_wrap=True)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"
