"""Tables and findings on a terminal, with rich."""

from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from supervisor.text.plain import harmless

_PIPE_WIDTH: Final = 200
_MARKS: Final = {"ok": "green", "note": "yellow", "WRONG": "bold red"}
_SHOWN_WHEN_ZERO: Final = frozenset({"joined_rooms", "already_right", "changes"})


def console(file: TextIO | None = None) -> Console:
    """A console that interprets no markup in texts and does not break lines in a pipe."""
    made = Console(file=file, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = _PIPE_WIDTH
    return made


def report_tables(report: Mapping[str, object], title: str = "reconciled") -> tuple[Table, ...]:
    """A reconcile report: a table of its counts, then a table for each list that is not empty."""
    counts = _table(title, "")
    lists: list[Table] = []
    for key, value in report.items():
        entries = value if isinstance(value, list | tuple) else None
        number = value if entries is None else len(entries)
        if number or entries is not None or key in _SHOWN_WHEN_ZERO:
            counts.add_row(_cell(_words(key)), _cell(number))
        if entries:
            lists.append(_entries(_words(key), entries))
    return (counts, *lists)


def _entries(title: str, entries: Sequence[object]) -> Table:
    rows = [entry if isinstance(entry, Mapping) else {"": entry} for entry in entries]
    keys = dict.fromkeys(key for row in rows for key, value in row.items() if value or not key)
    table = _table(*(_words(str(key)) for key in keys))
    table.title = title
    for row in rows:
        table.add_row(*(_cell(row.get(key, "")) for key in keys))
    return table


def _words(key: str) -> str:
    return key.replace("_", " ")


def print_marked(out: Console, mark: str, text: str) -> None:
    """Print a line that begins with `ok`, `note` or `WRONG`. A terminal wraps it at words."""
    begin = Text(f"{mark:<5}", style=_MARKS[mark])
    if not out.is_terminal:
        out.print(begin.append(f" {harmless(text)}", style="default"), soft_wrap=True)
        return
    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column()
    line.add_column(overflow="fold")
    line.add_row(begin, harmless(text))
    out.print(line)


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, title_justify="left", header_style="bold")
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    return table


def _cell(value: object) -> Text:
    return Text(harmless("" if value is None else str(value)))
