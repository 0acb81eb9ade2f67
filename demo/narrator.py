"""Prints the story to a terminal or a pipe."""

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
    """Make a console that interprets no markup in texts and does not break lines in a pipe."""
    made = Console(markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


class Narrator:
    """Prints the story line by line, with the seconds since its start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()
        self._chapters = 0

    def chapter(self, title: str) -> None:
        """Print the title of the next chapter, with its number."""
        self._chapters += 1
        self._console.print(f"\n{self._chapters}. {title}", style="bold")

    def tell(self, text: str) -> None:
        """Print an event of the story; lines after the first begin below its text."""
        event = Table.grid(padding=(0, 2, 0, 0))
        event.add_row(f"   {self._elapsed()}", text)
        self._console.print(event)

    def confirm(self, text: str) -> None:
        """Print a check that passed."""
        self._console.print(f"   {self._elapsed()}  ✓ {text}", style="green")

    def lifecycle(self, transitions: Iterable[Transition]) -> None:
        """Print the transitions of the bot's lifecycle, each with its reason."""
        steps = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for step in transitions:
            reason = f"{step.trigger}: {step.reason}" if step.reason else step.trigger
            steps.add_row("          ", f"{step.src} → {step.dst}", reason, style="cyan")
        self._console.print(steps)

    @contextmanager
    def waiting(self, text: str) -> Iterator[Status]:
        """Show a status line while the block runs; the block may update it."""
        with self._console.status(text) as status:
            yield status

    def failed(self, text: str) -> None:
        """Print the failure that ended the story."""
        self._console.print(f"\n✗ {text}", style="bold red")

    def ended(self, text: str) -> None:
        """Print the result of a successful story."""
        self._console.print(f"\n{text} ({self._elapsed().strip()})", style="bold green")

    def note(self, text: str) -> None:
        """Print a text without a time, beside the story."""
        self._console.print(text, soft_wrap=True)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"
