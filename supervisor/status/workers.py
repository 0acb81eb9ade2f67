"""The workers as the status shows them, with what to do if no worker takes a question. Pure."""

from typing import Final, Protocol

from supervisor.status.snapshot import WorkersSeen
from supervisor.text.plain import duration

UNTAKEN_S: Final = 10.0
"""A question that no worker has taken after this time, while none works, is told of."""
NO_WORKER: Final = "no worker is running"
START_ONE: Final = (
    "Questions wait, and are answered in order when a worker runs. Start one with the command "
    "surfaces-bot worker, on a machine that reaches the database, with the MATRIX_USER_ID and the "
    "MATRIX_DB_PATH of the bot."
)
LOOK_AT_THEM: Final = (
    "Look at the logs of the workers, and restart them. A platform that blocks its worker's event "
    "loop lets it take nothing."
)


class Load(Protocol):
    """The workers that live, the questions in their work, and those that no worker has taken."""

    @property
    def alive(self) -> int:
        """The number of workers that have shown a sign of life lately."""
        ...

    @property
    def in_work(self) -> int:
        """The number of questions that they work at."""
        ...

    @property
    def waiting(self) -> int:
        """The number of questions that no worker has taken."""
        ...

    @property
    def oldest_waiting_s(self) -> float | None:
        """For how many seconds the oldest of these has waited; None without one."""
        ...


class LoadReader(Protocol):
    """What reads the load from the database."""

    async def look(self) -> Load:
        """The present load. Raises StoreUnavailable."""
        ...


def workers_seen(load: Load | None) -> WorkersSeen:
    """The workers with this load; None is one that can't be read."""
    if load is None:
        return WorkersSeen()
    trouble, remedy = _trouble(load)
    return WorkersSeen(
        alive=load.alive,
        in_work=load.in_work,
        waiting=load.waiting,
        oldest_waiting_s=load.oldest_waiting_s,
        trouble=trouble,
        remedy=remedy,
    )


def _trouble(load: Load) -> tuple[str, str]:
    """What is wrong, and what to do; two empty texts if nothing is."""
    if not load.alive:
        return NO_WORKER, START_ONE
    waited_s = load.oldest_waiting_s
    if load.in_work or waited_s is None or waited_s < UNTAKEN_S:
        return "", ""
    waited = duration(round(waited_s * 1000))
    return f"no worker takes a question, and the oldest has waited for {waited}", LOOK_AT_THEM
