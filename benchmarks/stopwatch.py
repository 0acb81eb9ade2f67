"""A measured process writes its times and its memory to a file when it is ready."""

import json
import os
import resource
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

READY_PATH: Final = "BENCHMARK_READY_PATH"
"""The environment variable with the path of the file."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Times in seconds since the epoch; CPU seconds of the whole process, system time included."""

    began_at: float
    """The start of the work, after all imports."""
    ready_at: float
    cpu_began_s: float
    cpu_ready_s: float
    peak_kib: int
    """The peak of the process's resident memory so far."""

    @property
    def work_s(self) -> float:
        """The seconds of work, without the start of Python and its imports."""
        return self.ready_at - self.began_at

    @property
    def work_cpu_s(self) -> float:
        """The CPU seconds of work, without the start of Python and its imports."""
        return self.cpu_ready_s - self.cpu_began_s


@dataclass(slots=True)
class Stopwatch:
    """Measures from its construction until `ready`."""

    began_at: float = field(default_factory=time.time)
    cpu_began_s: float = field(default_factory=time.process_time)

    def ready(self) -> None:
        """Write the file that reports that the process is ready."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        measured = Ready(
            began_at=self.began_at,
            ready_at=time.time(),
            cpu_began_s=self.cpu_began_s,
            cpu_ready_s=usage.ru_utime + usage.ru_stime,
            peak_kib=_peak_kib(),
        )
        path = Path(os.environ[READY_PATH])
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(measured)))
        part.rename(path)


def _peak_kib() -> int:
    """The peak memory of this program. getrusage would include the memory of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
