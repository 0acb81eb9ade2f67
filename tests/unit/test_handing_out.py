"""A test that takes its worker down costs itself alone, and never holds up the rest."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SINGLE_TESTS = """
import os
import pytest

@pytest.mark.parametrize("number", range(30))
def test_single(number):
    if number == 11:
        os._exit(1)
"""
WHOLE_FILE = """
import os
import pytest

@pytest.mark.parametrize("number", range(4))
def test_in_turn(number):
    if number == 2:
        os._exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_tests_after_a_dead_worker(tmp_path: Path, workers: int) -> None:
    (tmp_path / "tests" / "synapse").mkdir(parents=True)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "tests" / "test_single.py").write_text(SINGLE_TESTS)
    (tmp_path / "tests" / "synapse" / "test_whole.py").write_text(WHOLE_FILE)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    played = subprocess.run(
        [*command, f"--numprocesses={workers}", f"--rootdir={tmp_path}", "-q", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "2 failed, 32 passed" in played.stdout
