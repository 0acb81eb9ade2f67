"""The plan of a simulation, drawn from its seed: people, actions, faults and disturbances."""

from dataclasses import dataclass, replace
from random import Random

from actors.bounds import Bounds
from tests.simulation.faults import Fault
from tests.simulation.limits import RateLimit, stock_creation_limit, stock_write_limit
from tests.simulation.platform import PlatformFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The parameters of a simulation. Times are in virtual seconds, probabilities from 0 to 1."""

    people: int
    acts: int
    """The number of actions of people."""
    gap_s: float
    """The mean time between two actions."""
    disturbances: float
    """The probability of a disturbance at each action, see `disturbances.py`."""
    fault_rates: dict[Fault, float]
    lost_creations: float
    overlap: float
    shuffle: bool
    slow_s: float
    dies_within: int | None
    """A run of the process dies within so many requests and commits; None: only if it is killed."""
    database_fails: float
    platform_rates: dict[PlatformFault, float]
    platform_slow_s: float
    creation_limit: RateLimit | None
    write_limit: RateLimit | None
    timeline_limit: int
    room_version: str
    inbox_limit: int
    legacy: int
    """The number of chats that the first person has from an earlier bot without markers."""
    legacy_rows: bool
    """Whether the database of that bot exists as well."""
    inbox_room_limit: int
    gap_page: int
    long_answers: float
    """The probability that an answer of the platform is long, and comes bit by bit."""
    bit_s: float
    """The longest pause after each bit of a long answer."""
    waits: int
    """The number of times that people mostly wait, after everything that they do."""
    part_chars: int | None
    """The most characters of a part of an answer; None for the product's."""
    edits: int
    dies_streaming: int | None
    """A run of the process dies within so many steps of answers that grow; None for never."""
    bundles: bool
    edit_faults: float
    """The probability that an edit of a growing answer has a fault."""

    @property
    def bounds(self) -> Bounds:
        """The bounds of the product, with the plan's limits of the inbox and of edits."""
        return replace(
            Bounds(),
            inbox_limit=self.inbox_limit,
            inbox_room_limit=self.inbox_room_limit,
            gap_page=self.gap_page,
            edits=self.edits,
        )


def plan_for(rng: Random) -> Plan:
    """Draw a plan. Each kind of fault is absent from about half of all plans."""
    return Plan(
        people=rng.choice((1, 1, 2, 3)),
        acts=rng.randint(5, 30),
        gap_s=rng.choice((0.2, 2.0, 15.0)),
        disturbances=rng.choice((0.0, 0.15, 0.4)),
        fault_rates={fault: rng.choice((0.01, 0.08)) for fault in Fault if rng.random() < 0.3},
        lost_creations=rng.choice((0.0, 0.0, 0.5)),
        overlap=rng.choice((0.0, 0.3)),
        shuffle=rng.random() < 0.5,
        slow_s=rng.choice((0.0, 0.0, 0.3, 4.0)),
        dies_within=rng.choice((None, 30, 120, 400)),
        database_fails=rng.choice((0.0, 0.0, 0.01)),
        platform_rates={
            fault: rng.choice((0.03, 0.15)) for fault in PlatformFault if rng.random() < 0.3
        },
        platform_slow_s=rng.choice((0.0, 1.0, 20.0)),
        creation_limit=rng.choice((None, None, stock_creation_limit())),
        write_limit=rng.choice((None, None, stock_write_limit())),
        timeline_limit=rng.choice((1, 3, 10)),
        room_version=rng.choice(("10", "12")),
        inbox_limit=rng.choice((Bounds().inbox_limit, Bounds().inbox_limit, 2, 5)),
        legacy=rng.choice((0, 0, 0, 1, 4)),
        legacy_rows=rng.random() < 0.5,
        inbox_room_limit=rng.choice((Bounds().inbox_room_limit, 1, 3)),
        gap_page=rng.choice((Bounds().gap_page, 1, 2)),
        long_answers=rng.choice((0.0, 0.3, 0.9)),
        bit_s=rng.choice((0.3, 1.0, 4.0)),
        waits=rng.choice((3, 10, 25)),
        part_chars=rng.choice((None, 150, 400)),
        edits=rng.choice((Bounds().edits, Bounds().edits, 3)),
        dies_streaming=rng.choice((None, 3, 8, 20)),
        bundles=rng.random() < 0.8,
        edit_faults=rng.choice((0.0, 0.1, 0.4)),
    )
