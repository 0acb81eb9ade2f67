"""The samples of a run, and their medians, ratios and targets. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from math import ceil
from statistics import median
from typing import Final, TypeAlias

Key: TypeAlias = tuple[str, str, str]
"""Scenario, contestant, metric."""


@dataclass(slots=True)
class Results:
    """All samples of a run, in the order of measurement."""

    samples: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, scenario: str, contestant: str, **metrics: float) -> None:
        """Add the samples of one run of a contestant."""
        for metric, value in metrics.items():
            self.samples.setdefault((scenario, contestant, metric), []).append(value)

    def median(self, scenario: str, contestant: str, metric: str) -> float | None:
        """The median of the samples; None if there are none."""
        found = self.samples.get((scenario, contestant, metric))
        return median(found) if found else None

    def percentile(self, scenario: str, contestant: str, metric: str, share: float) -> float | None:
        """The percentile at `share`, from 0 to 1, by nearest rank; None without samples."""
        found = sorted(self.samples.get((scenario, contestant, metric), ()))
        return found[max(0, ceil(share * len(found)) - 1)] if found else None

    def contestants(self, scenario: str) -> list[str]:
        """The contestants of a scenario, in the order of their first samples."""
        return list(dict.fromkeys(name for what, name, _ in self.samples if what == scenario))

    def as_json(self) -> list[dict[str, object]]:
        """One object for each contestant of each scenario, with all samples and their medians."""
        by_contestant = groupby(self.samples.items(), key=lambda item: item[0][:2])
        return [
            {
                "scenario": scenario,
                "contestant": contestant,
                "median": {key[2]: round(median(values), 6) for key, values in pairs},
                "samples": {key[2]: [round(value, 6) for value in values] for key, values in pairs},
            }
            for (scenario, contestant), group in by_contestant
            for pairs in [list(group)]
        ]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a metric of a contestant in a scenario.

    Its value is the percentile at `share`, or the median if `share` is None.
    """

    scenario: str
    contestant: str
    metric: str
    share: float | None = None

    def value(self, results: Results) -> float | None:
        """The measured value; None if it was not measured."""
        key = (self.scenario, self.contestant, self.metric)
        return results.median(*key) if self.share is None else results.percentile(*key, self.share)


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for a ratio: `over` divided by `under` is at most, or at least, the limit."""

    sentence: str
    over: Side
    under: Side
    at_most: float | None = None
    at_least: float | None = None
    from_rooms: int = 0
    """The target applies from this number of rooms on."""

    def judge(self, results: Results, rooms: int) -> "Judgement | None":
        """Compare the target with the results; None if it was not measured."""
        over, under = self.over.value(results), self.under.value(results)
        if over is None or not under:
            return None
        ratio = over / under
        met = (self.at_most is None or ratio <= self.at_most) and (
            self.at_least is None or ratio >= self.at_least
        )
        return Judgement(self, ratio, met, applies=rooms >= self.from_rooms)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A target and its measured ratio."""

    target: Target
    ratio: float
    met: bool
    applies: bool

    @property
    def limit(self) -> str:
        """The limit in words: "≤ 1.15"."""
        if self.target.at_most is not None:
            return f"≤ {self.target.at_most:g}"
        return f"≥ {self.target.at_least:g}"

    @property
    def verdict(self) -> str:
        """Whether the target is met, in words; or the number of rooms from which it applies."""
        if not self.applies:
            return f"from {self.target.from_rooms} rooms on"
        return "met" if self.met else "not met"


COLD: Final = "cold start"
FAR: Final = "cold start, 20 ms away"
WARM: Final = "warm restart"
WARM_QUARTER: Final = "warm restart, a quarter of the rooms"
ECHO: Final = "echo"
QUESTION: Final = "a question to a platform"
RESTART: Final = "the first question after a restart"
STREAM: Final = "four questions at once, stock limits"
PAGE: Final = "the newest page of a room with 200 answers"
CELLS: Final = "100,000 rooms without a server"
LIMIT: Final = "limit"
"""The contestant that has the limits of metrics with a fixed limit."""

OURS: Final = "ours"
BARE: Final = "bare HTTP"
GROWN: Final = "answers that grow"
PLAIN: Final = "plain answers"
NAIVE: Final = "nio, room by room"
FULL: Final = "nio, full sync"
NIO: Final = "nio, sync_forever"

_BIG: Final = 2_500

TARGETS: Final = (
    Target(
        "cold start: wall time beside the bare lower bound",
        Side(COLD, OURS, "wall_s"),
        Side(COLD, BARE, "wall_s"),
        at_most=1.15,
    ),
    Target(
        "cold start: CPU time of the process beside the bare lower bound",
        Side(COLD, OURS, "cpu_s"),
        Side(COLD, BARE, "cpu_s"),
        at_most=2,
    ),
    Target(
        "cold start: faster than nio room by room",
        Side(COLD, NAIVE, "wall_s"),
        Side(COLD, OURS, "wall_s"),
        at_least=3.3,
        from_rooms=_BIG,
    ),
    Target(
        "cold start: faster than nio's full sync",
        Side(COLD, FULL, "wall_s"),
        Side(COLD, OURS, "wall_s"),
        at_least=10,
        from_rooms=_BIG,
    ),
    Target(
        "cold start 20 ms away: faster than nio room by room",
        Side(FAR, NAIVE, "wall_s"),
        Side(FAR, OURS, "wall_s"),
        at_least=25,
        from_rooms=_BIG,
    ),
    Target(
        "warm restart: four times the rooms",
        Side(WARM, OURS, "wall_s"),
        Side(WARM_QUARTER, OURS, "wall_s"),
        at_most=1.2,
    ),
    Target(
        "echo: p50 beside the bare loop",
        Side(ECHO, OURS, "latency_s", share=0.5),
        Side(ECHO, BARE, "latency_s", share=0.5),
        at_most=1.15,
    ),
    Target(
        "echo: p50 beside nio",
        Side(ECHO, OURS, "latency_s", share=0.5),
        Side(ECHO, NIO, "latency_s", share=0.5),
        at_most=1,
    ),
    Target(
        "echo: sustained rate beside nio",
        Side(ECHO, OURS, "messages_per_s"),
        Side(ECHO, NIO, "messages_per_s"),
        at_least=1,
    ),
    Target(
        "cold start: memory beside nio after its full sync",
        Side(COLD, OURS, "peak_mib"),
        Side(COLD, FULL, "peak_mib"),
        at_most=1,
        from_rooms=_BIG,
    ),
    Target(
        "idle room actor beside 1 KiB",
        Side(CELLS, OURS, "idle_bytes"),
        Side(CELLS, LIMIT, "idle_bytes"),
        at_most=1,
    ),
    Target(
        "a history's memory beside what the bot counts",
        Side(CELLS, OURS, "history_bytes"),
        Side(CELLS, OURS, "counted_bytes"),
        at_most=1,
    ),
    Target(
        "question: from its arrival to the platform beside 15 ms, p50",
        Side(QUESTION, OURS, "to_platform_s", share=0.5),
        Side(QUESTION, LIMIT, "to_platform_s"),
        at_most=1,
    ),
    Target(
        "question: from the last token to the message beside 10 ms, p50",
        Side(QUESTION, OURS, "to_message_s", share=0.5),
        Side(QUESTION, LIMIT, "to_message_s"),
        at_most=1,
    ),
    Target(
        "four at once: the whole text beside plain answers, p50",
        Side(STREAM, GROWN, "to_whole_s", share=0.5),
        Side(STREAM, PLAIN, "to_whole_s", share=0.5),
        at_most=1.1,
    ),
    Target(
        "the newest page of a room: bytes beside plain answers",
        Side(PAGE, GROWN, "page_bytes"),
        Side(PAGE, PLAIN, "page_bytes"),
        at_most=1.5,
    ),
    Target(
        "the newest page of a room: time beside plain answers",
        Side(PAGE, GROWN, "page_s"),
        Side(PAGE, PLAIN, "page_s"),
        at_most=1.5,
    ),
)


def judgements(
    results: Results, rooms: int, targets: Sequence[Target] = TARGETS
) -> Iterator[Judgement]:
    """A judgement of each target that was measured."""
    for target in targets:
        judgement = target.judge(results, rooms)
        if judgement is not None:
            yield judgement
