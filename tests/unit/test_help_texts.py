"""What `--help` says, word for word, as 80 columns show it.

After a change that is meant: `SNAPSHOTS=write .venv/bin/pytest tests/unit/test_help_texts.py`, and
read the difference before committing it.
"""

import os
from pathlib import Path
from typing import Final

import pytest

from supervisor import cli
from supervisor.commands import program

FOLDER: Final = Path(__file__).parent / "snapshots"
COMMANDS: Final = tuple(program.COMMANDS)


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_reads_as_it_was_approved(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        cli.main([command, "--help"] if command else ["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    approved = FOLDER / f"help-{command or 'program'}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        approved.parent.mkdir(exist_ok=True)
        approved.write_text(said)
    assert said == approved.read_text()
    assert max(map(len, said.splitlines())) <= 80


def test_nothing_is_approved_that_nobody_says() -> None:
    expected = {f"help-{command}.txt" for command in ("program", *COMMANDS)}
    assert {path.name for path in FOLDER.glob("help-*")} == expected
