"""The times and numbers that limit platform calls by workers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """All in seconds, except for `deaths`. Tests shorten them."""

    look_s: float = 1.0
    """Both sides look into the database this often, if no notification comes before."""
    gather_s: float = 0.005
    """What is said this soon after the first part is written with it."""
    flush_s: float = 0.1
    """A worker writes the parts of an answer at most this often."""
    dead_s: float = 9.0
    """A worker is considered dead after this much silence, and its calls go to others."""
    settled_s: float = 5.0
    """After an outage of the database, the workers that live have shown it within this time."""
    deaths: int = 3
    """A call fails when so many workers have died while they made it."""
    left_s: float = 2.0
    """A call that the bot has left goes on for this time: another process may take it over."""
    queued_s: float = 10.0
    """A call that no worker has taken after this time is reported: all are busy, or none runs."""
    busy_again_s: float = 5.0
    """The bot asks again after this time when all workers are busy."""
    leave_s: float = 60.0
    """A worker that is to stop finishes its calls within this time, and gives back the others."""
    again_s: float = 1.0
    """The pause after a failure of the database."""
    answer_s: float = 10.0
    """The database must answer within this time."""
    kept_s: float = 86_400.0
    """An answer is kept for this time, in case that the bot asks for it again."""
    cleaned_s: float = 60.0
    """Old answers are deleted this often."""

    @property
    def beat_s(self) -> float:
        """A worker that lives shows it within this time, also in tables that were made anew."""
        return self.dead_s / 3
