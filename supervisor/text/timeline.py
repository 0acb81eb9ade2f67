"""The journal as text: a line for each change of state."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from actors.runtime.table import Outcome, Transition
from supervisor.lifecycle import MACHINE
from supervisor.text.plain import duration, harmless

_WIDE: Final = 120
"""A line of at least so many columns shows the date."""
_STEP: Final = len("quarantined → unchecked")
_AFTER: Final = len("23 h 59 min")
_STYLES: Final[Mapping[str, str]] = {"ok": "", "denied": "yellow", "error": "red"}


class Timeline:
    """Formats rows as they arrive, in columns of constant width.

    A wide line begins with date and time. Narrow lines have the time only: a line with the date
    precedes the first of each day.
    """

    def __init__(self, width: int) -> None:
        self._wide = width >= _WIDE
        self._day = ""

    def heading(self) -> RenderableType:
        """The names of the columns."""
        table = self._table()
        table.add_row("time (UTC)" if self._wide else "UTC", "step", "after", "why", style="bold")
        return table

    def lines(
        self, rows: Iterable[Transition], limit: int | None = None
    ) -> Iterator[RenderableType]:
        """The lines for further rows, oldest first: at most the newest `limit` lines.

        Consecutive rows with the same transition of several rooms share one line, unless one of
        them was denied or failed.
        """
        lines = [tuple(run) for _, run in groupby(rows, key=_kind)]
        for same in lines[-limit:] if limit else lines:
            day, time = _moment(same[-1].at)
            if not self._wide and day != self._day:
                yield Text(day, style="dim")
            self._day = day
            yield self._line(same, f"{day} {time}" if self._wide else time)

    def _line(self, same: Sequence[Transition], time: str) -> RenderableType:
        row = same[-1]
        table = self._table()
        table.add_row(
            harmless(time),
            harmless(f"{row.src} → {row.dst}"),
            duration(row.dwell_ms) if len(same) == 1 else "",
            Text(self._why(row) if len(same) == 1 else _why_all(same)),
            style=_STYLES.get(row.outcome, ""),
        )
        return table

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=19 if self._wide else 8)
        table.add_column(width=_STEP)
        table.add_column(width=_AFTER, justify="right")
        table.add_column(overflow="fold")
        return table

    def _why(self, row: Transition) -> str:
        denied = "denied: " if row.outcome == Outcome.DENIED else ""
        again = f" (attempt {row.attempt})" if row.attempt > 1 else ""
        why = harmless(f"{denied}{_words(row.trigger, row.reason)}{again}")
        if row.machine == MACHINE:
            return why
        return (" " if self._wide else "\n").join((harmless(row.machine), why))


def _kind(row: Transition) -> Hashable:
    """A key that is equal for consecutive rows that share one line."""
    alike = row.machine != MACHINE and row.outcome == Outcome.OK
    return (row.boot, row.src, row.trigger) if alike else id(row)


def _why_all(same: Sequence[Transition]) -> str:
    first = same[0]
    reason = first.reason if all(row.reason == first.reason for row in same) else ""
    return harmless(f"{_words(first.trigger, reason)} ({len(same)} rooms)")


def _words(trigger: str, reason: str) -> str:
    return f"{trigger}: {reason}" if reason else trigger


def _moment(at: str) -> tuple[str, str]:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at, ""
    return f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}"
