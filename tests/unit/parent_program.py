"""A parent with processes that do what their names say; run as a script with a folder and names.

`refused`     ends with 78
`failing`     ends with 1 until there is a file `repaired`
`frozen`      holds its store folder, and leaves no sign of life

All others run until they are told to stop. Files such as `steady.running` and `steady.stopped` say
that they do, and that they were.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from actors.bounds import Bounds
from actors.runtime.restart import Backoff
from supervisor.app.children import Child, Ended, Parent
from supervisor.app.spread import Led
from supervisor.lock import instance_lock
from supervisor.logging import configure_logging
from supervisor.notify import ServiceManager

BOUNDS = replace(
    Bounds(), silent_s=0.2, healthy_after_s=60.0, probe=Backoff(base_s=0.1, cap_s=0.2, floor_s=0.05)
)
LOOKS_S = 0.1


def stop(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


def run(folder: Path, name: str) -> None:
    """Do what the name says."""
    if name == "refused":
        raise SystemExit(78)
    if name == "failing" and not (folder / "repaired").exists():
        raise SystemExit(1)
    if name == "frozen":
        with instance_lock(folder / name):
            signal.pause()
    try:
        (folder / f"{name}.running").touch()
        signal.pause()
    finally:
        (folder / f"{name}.stopped").touch()


def main(folder: Path, names: list[str]) -> None:
    signal.signal(signal.SIGTERM, stop)
    configure_logging(log_format="json")
    manager = ServiceManager(os.environ.get("NOTIFY_SOCKET"), watchdog_s=3 * LOOKS_S)
    children = [Child(name, folder / name) for name in names]
    try:
        number = Parent(children, Led(len(names)), manager, BOUNDS).serve()
    except Ended as ended:
        sys.exit(ended.code)
    run(folder, names[number])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
