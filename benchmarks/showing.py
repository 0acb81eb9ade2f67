"""Formats results as tables for the terminal and for the documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table

from benchmarks.results import (
    CELLS,
    COLD,
    ECHO,
    FAR,
    LIMIT,
    OURS,
    PAGE,
    QUESTION,
    RESTART,
    START,
    STREAM,
    WARM,
    WARM_QUARTER,
    Results,
    Side,
)
from benchmarks.targets import Judgement


@dataclass(frozen=True, slots=True)
class Column:
    """A column for a metric: its percentile at `share`, or its median if `share` is None."""

    title: str
    metric: str
    factor: float = 1.0
    digits: int = 2
    share: float | None = None


_STARTING: Final = (
    Column("wall, s", "wall_s"),
    Column("with Python's start, s", "process_s"),
    Column("CPU, s", "cpu_s"),
    Column("CPU without imports, s", "work_cpu_s", digits=3),
    Column("peak, MiB", "peak_mib", digits=0),
)
_SPEAKING: Final = (
    Column("p50, ms", "latency_s", 1000, 0, share=0.5),
    Column("p99, ms", "latency_s", 1000, 0, share=0.99),
    Column("messages/s", "messages_per_s", digits=1),
    Column("CPU, ms a message", "cpu_ms_one", digits=1),
    Column("CPU, ms a message in a crowd", "cpu_ms_many", digits=1),
)
_ASKING: Final = (
    Column("to the platform, p50, ms", "to_platform_s", 1000, 1, share=0.5),
    Column("p99, ms", "to_platform_s", 1000, 1, share=0.99),
    Column("last token to message, p50, ms", "to_message_s", 1000, 1, share=0.5),
    Column("p99, ms", "to_message_s", 1000, 1, share=0.99),
)
_GROWING: Final = (
    Column("first words, p50, s", "to_first_s", share=0.5),
    Column("whole text, p50, s", "to_whole_s", share=0.5),
    Column("p99, s", "to_whole_s", share=0.99),
)
_READING: Final = (
    Column("events of an answer", "answer_events", digits=0),
    Column("page, KiB", "page_bytes", 1 / 1024, 0),
    Column("time, ms", "page_s", 1000, 1),
)
_RESTING: Final = (
    Column("idle, bytes", "idle_bytes", digits=0),
    Column("in use, bytes", "awake_bytes", digits=0),
    Column("activation, µs", "activation_us", digits=0),
    Column("message to one in use, µs", "wake_us", digits=0),
    Column("a history of 20 turns, bytes", "history_bytes", digits=0),
    Column("as the bot counts it", "counted_bytes", digits=0),
)
_BEGINNING: Final = (
    Column("whole process, s", "process_s", digits=3),
    Column("fastest, s", "process_s", digits=3, share=0.0),
    Column("CPU, s", "cpu_s", digits=3),
)
_SHOWN: Final = (
    (START, _BEGINNING),
    (COLD, _STARTING),
    (FAR, _STARTING),
    (WARM_QUARTER, _STARTING),
    (WARM, _STARTING),
    (ECHO, _SPEAKING),
    (QUESTION, _ASKING),
    (RESTART, _ASKING),
    (STREAM, _GROWING),
    (PAGE, _READING),
    (CELLS, _RESTING),
)

Cells = list[list[str]]
"""The rows of a table; the first one is the heading."""


def tables(results: Results) -> list[tuple[str, Cells]]:
    """The title and the table of each scenario that was measured."""
    return [
        (scenario, _rows(results, scenario, columns))
        for scenario, columns in _SHOWN
        if results.contestants(scenario)
    ]


def _rows(results: Results, scenario: str, columns: Sequence[Column]) -> Cells:
    contestants = [who for who in results.contestants(scenario) if who != LIMIT]
    return [
        ["", *(column.title for column in columns)],
        *([who, *(_cell(results, scenario, who, it) for it in columns)] for who in contestants),
    ]


def _cell(results: Results, scenario: str, contestant: str, column: Column) -> str:
    value = Side(scenario, contestant, column.metric, column.share).value(results)
    return "" if value is None else f"{value * column.factor:.{column.digits}f}"


def target_cells(judged: Sequence[Judgement]) -> Cells:
    """A table of the targets, with the card of comparison that each belongs to."""
    return [
        ["card", "target", "limit", "measured", "claimed", ""],
        *(
            [
                it.target.card,
                it.target.sentence,
                it.target.limit,
                f"{it.measured:.2f}",
                "yes" if it.target.claimed else "no",
                it.verdict,
            ]
            for it in judged
        ),
    ]


def ratio_cells(results: Results) -> Cells:
    """A table of cold starts: each contestant's wall time as a multiple of the bot's."""
    shown = [scenario for scenario in (COLD, FAR) if results.median(scenario, OURS, "wall_s")]
    rows = [["times the bot's wall time", *shown]]
    for who in results.contestants(COLD):
        row = [who]
        for scenario in shown:
            ours, theirs = (results.median(scenario, it, "wall_s") for it in (OURS, who))
            row.append(f"{theirs / ours:.2f}" if ours and theirs else "")
        rows.append(row)
    return rows


def rich_table(title: str, cells: Cells) -> Table:
    """Make a table for the terminal."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(cells[0]):
        table.add_column(heading, justify="right" if number else "left")
    for row in cells[1:]:
        table.add_row(*row)
    return table


def markdown(cells: Cells) -> str:
    """Make a Markdown table for a document."""
    rule = ["---", *("---:" for _ in cells[0][1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (cells[0], rule, *cells[1:]))
