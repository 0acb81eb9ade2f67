"""Which modules a command of `surfaces-bot` imports, in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OWN: Final = frozenset({"actors", "adapter", "supervisor"})
WRITE_TO: Final = "TEST_IMPORTS_PATH"
"""The environment variable with the path of the file that has the modules in the end."""
PROGRAM: Final = """
import atexit, json, logging, os, sys

def write():
    names = sorted(name for name, module in sys.modules.items() if module is not None)
    with open(os.environ["TEST_IMPORTS_PATH"], "x") as file:
        file.write(json.dumps(names))

class Live(logging.Handler):
    def emit(self, record):
        if isinstance(record.msg, dict) and record.msg.get("dst") == "live":
            write()
            atexit.unregister(write)

atexit.register(write)
if sys.argv[1] == "run":
    logging.getLogger().addHandler(Live())
from supervisor.cli import main
main(sys.argv[1:])
"""
"""Carries out its arguments, and notes the modules at the end, or when the bot is live."""


def modules_in(path: Path) -> frozenset[str]:
    """The whole names of the modules that `PROGRAM` has written."""
    return frozenset(json.loads(path.read_text()))


def packages_of(modules: frozenset[str]) -> frozenset[str]:
    """The packages of others among some modules, without those that Python always imports here.

    Those with private names belong to others, as `_cffi_backend` does.
    """
    alone = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    names = {name.partition(".")[0] for name in modules - {*alone.stdout.split()}}
    public = {name for name in names if not name.startswith("_")}
    return frozenset(public - OWN - sys.stdlib_module_names)


def imports_of(*arguments: str, folder: Path, environment: Mapping[str, str]) -> frozenset[str]:
    """The modules that a command imports until it ends, with 0."""
    path = folder / "imports.json"
    subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, **environment, WRITE_TO: str(path)},
    )
    return modules_in(path)
