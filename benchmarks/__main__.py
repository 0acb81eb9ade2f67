"""`python -m benchmarks`: measure, print, and write the JSON and the plot.

Environment variables and their defaults: ROOMS (600), ROUNDS (5), MESSAGES of each kind in a round
(50), ONLY (a selection of `starts cold far warm echo questions streaming cells`; all), OUT (docs).
The exit code is 1 if a target is missed that is claimed as met.
"""

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import anyio
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from benchmarks.course import COLD_STARTERS, ECHOES, SCENARIOS, TALKERS, WARM_STARTS, Course
from benchmarks.delay import delayed
from benchmarks.plot import plot
from benchmarks.questions import questions
from benchmarks.results import Results
from benchmarks.showing import ratio_cells, rich_table, tables, target_cells
from benchmarks.starts import CONTESTANTS, TURNS, Starts
from benchmarks.streaming import Streaming
from benchmarks.targets import Judgement, broken_claims, judgements
from benchmarks.topology import homeserver_with

ROUND_TRIP_S: Final = 0.020


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run."""

    rooms: int
    rounds: int
    messages: int
    only: tuple[str, ...]
    out: Path

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment variables."""
        return cls(
            rooms=int(os.environ.get("ROOMS") or 600),
            rounds=int(os.environ.get("ROUNDS") or 5),
            messages=int(os.environ.get("MESSAGES") or 50),
            only=tuple((os.environ.get("ONLY") or "").split())
            or ("starts", *SCENARIOS, "streaming", "cells"),
            out=Path(os.environ.get("OUT") or "docs"),
        )

    @property
    def scenarios(self) -> list[str]:
        """The selected scenarios that need a homeserver, in their order."""
        return [each for each in SCENARIOS if each in self.only]

    @property
    def runs(self) -> int:
        """The number of runs of contestants."""
        times = {
            "cold": len(COLD_STARTERS),
            "far": len(COLD_STARTERS),
            "warm": 2 + 2 * WARM_STARTS,
            "questions": len(TALKERS) * (1 + WARM_STARTS),
        }
        each = sum(times.get(scenario, len(ECHOES)) for scenario in self.scenarios)
        each += TURNS * len(CONTESTANTS) * ("starts" in self.only)
        streaming = self.rounds * ("streaming" in self.only)
        return 2 + self.rounds * each + streaming + ("cells" in self.only)


@dataclass(slots=True)
class Display:
    """Shows progress: bars on a terminal, elsewhere a line for each run."""

    console: Console
    progress: Progress
    _tasks: dict[str, TaskID] = field(default_factory=dict, init=False)

    def building(self, what: str, done: int, total: int) -> None:
        """Show how much of the topology is built."""
        task = self._task(f"building {what}", total)
        self.progress.update(task, completed=done)

    def run(self, what: str, total: int) -> None:
        """Show that another run of a contestant begins."""
        task = self._task("measuring", total)
        self.progress.update(task, advance=1, what=what)
        if not self.console.is_terminal:
            self.console.print(what)

    def _task(self, name: str, total: int) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self.progress.add_task(name, total=total, what="")
        return self._tasks[name]


async def measure(options: Options, display: Display) -> tuple[Results, int]:
    """Measure all selected scenarios. Returns the results and the number of the bot's rooms."""
    results = Results()
    async with (
        homeserver_with(options.rooms, display.building) as (synapse, topology),
        delayed(synapse.url, ROUND_TRIP_S) as far_url,
        questions(synapse.url) as asking,
    ):
        course = Course(
            synapse.url,
            far_url,
            asking,
            topology,
            synapse.folder / "runs",
            options.messages,
            results,
            on_run=lambda what: display.run(what, options.runs),
        )
        await course.prepare()
        starts = Starts(synapse.url, synapse.folder / "starts", results, course.on_run)
        for number in range(options.rounds):
            if "starts" in options.only:
                await starts.round()
            await course.round(number, options.scenarios)
        if "streaming" in options.only:
            streaming = Streaming(
                synapse, topology.owners_of("bot"), synapse.folder / "runs", results
            )
            for number in range(options.rounds):
                display.run(f"streaming, round {number + 1}", options.runs)
                await streaming.round(number)
            await streaming.pages()
        if "cells" in options.only:
            await course.cells()
        return results, topology.rooms_of("bot")


def machine() -> str:
    """A description of the machine."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python " + (
        platform.python_version()
    )


def write(options: Options, results: Results, judged: list[Judgement], rooms: int) -> None:
    """Write the JSON and the plot."""
    options.out.mkdir(parents=True, exist_ok=True)
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rooms": rooms,
        "rounds": options.rounds,
        "messages": options.messages,
        "targets": [
            {
                "card": each.target.card,
                "target": each.target.sentence,
                "limit": each.target.limit,
                "measured": round(each.measured, 3),
                "claimed": each.target.claimed,
                "verdict": each.verdict,
            }
            for each in judged
        ],
        "results": results.as_json(),
    }
    (options.out / "performance.json").write_text(json.dumps(about, indent=1) + "\n")
    caption = f"{rooms} rooms, medians of {options.rounds} rounds on {machine()}; dots are samples"
    (options.out / "performance.svg").write_text(plot(results, caption))


def main() -> int:
    """Measure, print and write. Returns the exit code."""
    options, console = Options.from_environment(), Console()
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} {task.fields[what]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with progress:
        results, rooms = anyio.run(measure, options, Display(console, progress))
    judged = list(judgements(results, rooms))
    for title, cells in tables(results):
        console.print(rich_table(title, cells))
    if results.contestants("cold start"):
        console.print(rich_table("ratios of medians", ratio_cells(results)))
    console.print(rich_table(f"targets at {rooms} rooms", target_cells(judged)))
    write(options, results, judged, rooms)
    console.print(f"written: {options.out / 'performance.json'}, {options.out / 'performance.svg'}")
    broken = broken_claims(judged)
    for line in broken:
        console.print(f"claimed as met, but missed: {line}", highlight=False)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
