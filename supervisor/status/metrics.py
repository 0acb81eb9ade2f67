"""Metrics in Prometheus' text format, computed at each request. Their names are a contract."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from typing_extensions import override

from actors.meter import LIVE_EDIT_OUTCOMES, REPLY_OUTCOMES, TOKEN_KINDS, Meter
from actors.platform_state import PlatformState
from actors.rules.room_states import RoomTrigger
from actors.runtime.counting import Histogram
from supervisor.lifecycle import State
from supervisor.status.history import History
from supervisor.status.snapshot import Snapshot, WorkersSeen

_PREFIX: Final = "surfaces_bot"
_Labelled: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, eq=False)
class BotCollector(Collector):
    """All measurements of one bot, as metric families."""

    snapshot: Snapshot
    meter: Meter
    history: History

    @override
    def collect(self) -> Iterator[Metric]:
        """The families, in the order in which they are printed."""
        yield from self._lifecycle()
        yield from self._rooms()
        yield from self._queues()
        yield from self._work()
        yield from self._platform()
        yield from self._workers()
        yield from self._streaming()

    def _lifecycle(self) -> Iterator[Metric]:
        seen = self.snapshot
        info = InfoMetricFamily(_PREFIX, "Version, account and boot of the running bot.")
        info.add_metric((), {"version": seen.version, "user_id": seen.user_id, "boot": seen.boot})
        yield info
        yield _gauge(
            "state",
            "1 for the current state of the bot, 0 for the others.",
            ("state",),
            (((state.value,), float(state == seen.lifecycle.state)) for state in State),
        )
        yield _counter(
            "transitions",
            "Transitions since the process started.",
            ("machine", "src", "trigger", "dst", "outcome"),
            sorted(self.history.counts.items()),
        )
        leads = None if seen.leading is None else float(seen.leading.role == "leader")
        yield _single("leader", "1 if this process leads the bot, 0 if it stands by.", leads)
        epoch = None if seen.leading is None else seen.leading.epoch
        yield _single("lease_epoch", "The epoch of the latest lead.", epoch)
        second = int(seen.second_instance is not None)
        yield _single("second_instance", "1 if another process uses the bot's account.", second)
        failures = seen.lifecycle.failures
        yield _single(
            "recovery_attempts", "Attempts to recover without a minute in live since.", failures
        )

    def _rooms(self) -> Iterator[Metric]:
        seen, total = self.snapshot, self.history.total
        counts = (((state,), count) for state, count in seen.rooms.items())
        yield _gauge("rooms", "Rooms by state.", ("state",), counts)
        yield _single("owners", "Owners with a Space.", seen.owners_total)
        repairs = total("room", RoomTrigger.REPAIRED)
        yield _counter("room_repairs", "Repairs of a room's rows.", (), [((), repairs)])
        quarantines = total("room", RoomTrigger.FAILED_REPEATEDLY)
        yield _counter("quarantines", "Quarantines of rooms.", (), [((), quarantines)])
        crashes = self.meter.crashes
        yield _counter("actor_crashes", "Handlers that raised an error.", (), [((), crashes)])
        late = self.meter.dead_letters
        yield _counter("dead_letters", "Replies that arrived too late.", (), [((), late)])

    def _queues(self) -> Iterator[Metric]:
        seen = self.snapshot
        yield _single("inbox_waiting", "Messages that wait to be handled.", seen.inbox_waiting)
        paused = int(seen.reading_paused is not None)
        yield _single("reading_paused", "1 while the bot reads no further.", paused)
        behind = seen.rooms_behind
        yield _single("rooms_behind", "Rooms with messages that are still to be fetched.", behind)
        yield _single("outbox_unsent", "Messages that wait to be sent.", seen.outbox_unsent)
        yield _single("upkeep_due", "Rooms that lack a marker or a link.", seen.upkeep_due)
        conflicts = None if seen.reconciled is None else seen.reconciled.conflicts_total
        yield _single("conflicts", "Conflicts in the last reconciliation.", conflicts)

    def _work(self) -> Iterator[Metric]:
        meter = self.meter
        yield _histogram("handling", "Time for an actor to handle a message.", meter.handling)
        yield _histogram(
            "homeserver_request",
            "Time for the homeserver to answer a request, without /sync.",
            meter.requests,
        )
        outcomes = (((_snake(name),), count) for name, count in sorted(meter.answers.items()))
        yield _counter("homeserver_requests", "Requests to the homeserver.", ("outcome",), outcomes)
        malformed = [((), meter.malformed)]
        yield _counter("malformed", "Parts of answers that were left out.", (), malformed)
        limits = meter.answers["RateLimited"]
        yield _counter("rate_limits", "Rate-limited requests.", (), [((), limits)])

    def _platform(self) -> Iterator[Metric]:
        meter, seen = self.meter, self.snapshot.platform
        states = (
            []
            if seen is None
            else [((seen.name, state.value), float(state == seen.state)) for state in PlatformState]
        )
        yield _gauge(
            "platform_state",
            "1 for the current state of the chat platform, 0 for the others.",
            ("platform", "state"),
            states,
        )
        running, waiting = (None, None) if seen is None else (seen.running, seen.waiting)
        yield _single("replies_running", "Replies in work.", running)
        yield _single(
            "replies_waiting", "Replies that wait for a place or for the platform.", waiting
        )
        outcomes = (((outcome,), meter.replies[outcome]) for outcome in REPLY_OUTCOMES)
        yield _counter("replies", "Ended replies, and attempts to retry.", ("state",), outcomes)
        yield _histogram(
            "first_token", "Time for the platform to begin a reply.", meter.first_token
        )
        yield _histogram("reply", "Time for the platform to give a whole reply.", meter.reply)
        tokens = (((kind,), meter.tokens[kind]) for kind in TOKEN_KINDS)
        yield _counter("tokens", "Tokens that replies took.", ("kind",), tokens)

    def _workers(self) -> Iterator[Metric]:
        seen = self.snapshot.workers or WorkersSeen()
        yield _single("workers_alive", "Workers that live.", seen.alive)
        yield _single("questions_running", "Questions that workers work at.", seen.in_work)
        yield _single("questions_waiting", "Questions that no worker has taken.", seen.waiting)
        oldest = 0.0 if seen.waiting == 0 else seen.oldest_waiting_s
        yield _single(
            "oldest_question_seconds", "For how long the oldest of these has waited.", oldest
        )

    def _streaming(self) -> Iterator[Metric]:
        meter, seen = self.meter, self.snapshot.streaming
        per_s = None if seen is None else seen.per_s
        yield _single("live_edits_per_second", "Live edits that the account may send.", per_s)
        outcomes = (((outcome,), meter.live_edits[outcome]) for outcome in LIVE_EDIT_OUTCOMES)
        yield _counter("live_edits", "Live edits, sent or left out.", ("outcome",), outcomes)
        repeated = [((), meter.finals_repeated)]
        yield _counter("finals_repeated", "Ends of answers that were sent again.", (), repeated)


def exposition(snapshot: Snapshot, meter: Meter, history: History) -> bytes:
    """The response to a scrape: the metrics of the bot, then those of its process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BotCollector(snapshot, meter, history))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _single(name: str, text: str, value: float | None) -> Metric:
    """One number; a family without a sample if the number is not known."""
    return _gauge(name, text, (), [] if value is None else [((), value)])


def _gauge(name: str, text: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], values: _Labelled) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    bounds = (*map(str, histogram.bounds_s), "+Inf")
    family = HistogramMetricFamily(f"{_PREFIX}_{name}_seconds", text)
    buckets = list(zip(bounds, map(float, accumulate(histogram.counts)), strict=True))
    family.add_metric((), buckets, sum_value=histogram.sum_s)
    return family


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
