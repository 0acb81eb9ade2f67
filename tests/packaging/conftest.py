"""The wheel, and environments that have nothing of the source tree.

An environment is made from a lock file, by the tool that `make setup` uses.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
UV: Final = ROOT / ".tools/bin/uv"
BUILD_LIMIT_S: Final = 120


def make(*command: str | Path, environment: Mapping[str, str] = {}, folder: Path = ROOT) -> None:
    """Run a step of the installation. What it says is in the failure."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def built_wheel(source: Path, folder: Path) -> Path:
    """The wheel of the project in a folder, built into another folder."""
    command = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory")
    make(*command, folder, folder=source)
    (built,) = folder.iterdir()
    return built


def new_environment(folder: Path, *wheels: Path, lock: str = "requirements.lock") -> Path:
    """The folder with the programs of an environment with the wheels and what the bot requires."""
    make(UV, "venv", "--quiet", "--python", sys.executable, folder)
    here = {"VIRTUAL_ENV": str(folder)}
    make(UV, "pip", "sync", "--quiet", "--require-hashes", ROOT / lock, environment=here)
    make(UV, "pip", "install", "--quiet", "--no-deps", "--offline", *wheels, environment=here)
    return folder / "bin"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_wheel(ROOT, tmp_path_factory.mktemp("dist"))
