"""The whole environment of a test of settings."""

from pathlib import Path
from typing import Final

import pytest

from supervisor.settings import VARIABLES

ENOUGH: Final = {
    "MATRIX_HOMESERVER": "https://matrix.example.org",
    "MATRIX_USER_ID": "@bot:example.org",
    "MATRIX_PASSWORD": "correct horse",
}


class Environment:
    """What a test puts into the environment, and a `.env` in an empty folder."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self.folder = folder
        monkeypatch.chdir(folder)
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        self.put(**ENOUGH)

    def put(self, **variables: str) -> None:
        """Set some variables."""
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def drop(self, *names: str) -> None:
        """Take some variables out."""
        for name in names:
            self._monkeypatch.delenv(name)

    def write(self, text: str) -> None:
        """Write `.env`."""
        (self.folder / ".env").write_text(text, encoding="utf-8")
