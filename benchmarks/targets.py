"""The targets of the benchmarks, and whether a run meets them. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.results import (
    BARE,
    CELLS,
    COLD,
    ECHO,
    FAR,
    FULL,
    GROWN,
    HELP,
    LIMIT,
    NAIVE,
    NIO,
    NIO_START,
    OURS,
    PAGE,
    PLAIN,
    PYTHON,
    QUESTION,
    RUN,
    START,
    STATUS,
    STREAM,
    WARM,
    WARM_QUARTER,
    Results,
    Side,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for two sides of a comparison, of which one of three is given.

    `over` divided by `under` is at most or at least the limit, or `over` is at most so much more.
    """

    sentence: str
    over: Side
    under: Side
    at_most: float | None = None
    at_least: float | None = None
    at_most_more: float | None = None
    from_rooms: int = 0
    """The target applies from this number of rooms on."""
    claimed: bool = True
    """Whether docs/performance.md says that it is met. A run that misses it then fails."""

    @property
    def card(self) -> str:
        """The comparison that the target belongs to."""
        return self.over.scenario

    @property
    def limit(self) -> str:
        """The limit in words: "≤ 1.15"."""
        if self.at_most_more is not None:
            return f"≤ {self.at_most_more:g} more"
        return f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"

    def judge(self, results: Results, rooms: int) -> "Judgement | None":
        """Compare the target with the results; None if it was not measured."""
        over, under = self.over.value(results), self.under.value(results)
        if over is None or not under:
            return None
        measured = over / under if self.at_most_more is None else over - under
        return Judgement(self, measured, self._is_met_by(measured), rooms >= self.from_rooms)

    def _is_met_by(self, measured: float) -> bool:
        highest = self.at_most if self.at_most_more is None else self.at_most_more
        return (highest is None or measured <= highest) and (
            self.at_least is None or measured >= self.at_least
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """A target, and the ratio or the difference that was measured."""

    target: Target
    measured: float
    met: bool
    applies: bool

    @property
    def verdict(self) -> str:
        """Whether the target is met, in words; or the number of rooms from which it applies."""
        if not self.applies:
            return f"from {self.target.from_rooms} rooms on"
        if self.met:
            return "met"
        return "NOT MET, although claimed" if self.target.claimed else "not met"

    @property
    def breaks_claim(self) -> bool:
        """Whether the documents say otherwise."""
        return self.applies and self.target.claimed and not self.met


_BIG: Final = 2_500

TARGETS: Final = (
    Target(
        "cold start: wall time beside the bare lower bound",
        Side(COLD, OURS, "wall_s"),
        Side(COLD, BARE, "wall_s"),
        at_most=1.15,
        from_rooms=_BIG,
    ),
    Target(
        "cold start: CPU time of the process beside the bare lower bound",
        Side(COLD, OURS, "cpu_s"),
        Side(COLD, BARE, "cpu_s"),
        at_most=2,
        claimed=False,
    ),
    Target(
        "cold start: faster than nio room by room",
        Side(COLD, NAIVE, "wall_s"),
        Side(COLD, OURS, "wall_s"),
        at_least=3.3,
        from_rooms=_BIG,
        claimed=False,
    ),
    Target(
        "cold start: faster than nio's full sync",
        Side(COLD, FULL, "wall_s"),
        Side(COLD, OURS, "wall_s"),
        at_least=10,
        from_rooms=_BIG,
        claimed=False,
    ),
    Target(
        "cold start 20 ms away: faster than nio room by room",
        Side(FAR, NAIVE, "wall_s"),
        Side(FAR, OURS, "wall_s"),
        at_least=25,
        from_rooms=_BIG,
        claimed=False,
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
        claimed=False,
    ),
    Target(
        "echo: p50 beside nio",
        Side(ECHO, OURS, "latency_s", share=0.5),
        Side(ECHO, NIO, "latency_s", share=0.5),
        at_most=1.1,
        claimed=False,
    ),
    Target(
        "echo: p99 beside nio",
        Side(ECHO, OURS, "latency_s", share=0.99),
        Side(ECHO, NIO, "latency_s", share=0.99),
        at_most=1.1,
        claimed=False,
    ),
    Target(
        "echo: sustained rate beside nio",
        Side(ECHO, OURS, "messages_per_s"),
        Side(ECHO, NIO, "messages_per_s"),
        at_least=1,
        claimed=False,
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
        "using a room that is not in memory beside 1 ms",
        Side(CELLS, OURS, "activation_us"),
        Side(CELLS, LIMIT, "activation_us"),
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
    Target(
        "--help: beside Python alone",
        Side(START, HELP, "process_s"),
        Side(START, PYTHON, "process_s"),
        at_most_more=0.15,
    ),
    Target(
        "status: beside Python alone",
        Side(START, STATUS, "process_s"),
        Side(START, PYTHON, "process_s"),
        at_most_more=0.15,
    ),
    Target(
        "run, warm: to live beside a bare program on nio",
        Side(START, RUN, "process_s"),
        Side(START, NIO_START, "process_s"),
        at_most=1.2,
        claimed=False,
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


def broken_claims(judged: Iterable[Judgement]) -> list[str]:
    """A line for each target that is claimed as met and was missed."""
    return [
        f"{it.target.card}: {it.target.sentence}: {it.measured:.2f}, claimed {it.target.limit}"
        for it in judged
        if it.breaks_claim
    ]
