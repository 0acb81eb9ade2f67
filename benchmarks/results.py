"""The samples of a run, their medians and percentiles, and the names of what is measured. Pure."""

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
START: Final = "the start of a process"
LIMIT: Final = "limit"
"""The contestant that has the limits of metrics with a fixed limit."""

OURS: Final = "ours"
BARE: Final = "bare HTTP"
GROWN: Final = "answers that grow"
PLAIN: Final = "plain answers"
NAIVE: Final = "nio, room by room"
FULL: Final = "nio, full sync"
NIO: Final = "nio, sync_forever"
NIO_START: Final = "nio, stored token and one filtered sync"
PYTHON: Final = "python -c pass"
HELP: Final = "surfaces-bot --help"
STATUS: Final = "surfaces-bot status"
RUN: Final = "surfaces-bot run, warm, to live"
