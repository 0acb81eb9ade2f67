"""What a measured process says about itself, in a file, when it is ready."""

import json
import os
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

READY_PATH: Final = "BENCHMARK_READY_PATH"
"""The variable that names the file."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Times in seconds since the epoch; CPU seconds of the whole process, system time included."""

    began_at: float
    """When everything was imported and the work began."""
    ready_at: float
    cpu_began_s: float
    cpu_ready_s: float
    peak_kib: int
    """The most memory that the process has held so far."""

    @property
    def work_s(self) -> float:
        """The work itself, without starting Python."""
        return self.ready_at - self.began_at

    @property
    def work_cpu_s(self) -> float:
        """The CPU time of the work itself."""
        return self.cpu_ready_s - self.cpu_began_s


@dataclass(slots=True)
class Stopwatch:
    """Runs from its making."""

    began_at: float = field(default_factory=time.time)
    cpu_began_s: float = field(default_factory=time.process_time)

    def ready(self) -> None:
        """Tell whoever measures, now."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        said = Ready(
            began_at=self.began_at,
            ready_at=time.time(),
            cpu_began_s=self.cpu_began_s,
            cpu_ready_s=usage.ru_utime + usage.ru_stime,
            peak_kib=_peak_kib(),
        )
        path = Path(os.environ[READY_PATH])
        whole = path.with_suffix(".part")
        whole.write_text(json.dumps(asdict(said)))
        whole.rename(path)


def _peak_kib() -> int:
    """Of this program alone: what getrusage says begins with the memory of who started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
