"""Which packages a command imports. `tests/synapse/test_starting.py` has those of `run`."""

from pathlib import Path

import pytest

from supervisor.loading import hidden
from tests.environment import Environment
from tests.imports import imports_of, packages_of

OF_TYPER = {"annotated_doc", "shellingham", "typer", "typing_extensions"}
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return Environment(monkeypatch, tmp_path)


def test_help_imports_nothing_but_typer(environment: Environment) -> None:
    found = imports_of("--help", folder=environment.folder, environment={"PYTHONPATH": ROOT})
    assert packages_of(found) <= OF_TYPER
    assert "typer" in packages_of(found)
    assert not {"asyncio", "importlib.metadata", "ssl", "supervisor.settings"} & found


def test_status_imports_no_client_and_neither_pydantic_nor_rich(environment: Environment) -> None:
    given = {"PYTHONPATH": ROOT, "STATUS_BIND": "127.0.0.1:9"}
    found = imports_of("status", folder=environment.folder, environment=given)
    lean = {"anyio", "dotenv", "msgspec", "six", "structlog", "transitions"}
    if_installed = {"greenlet", "sniffio"}
    assert packages_of(found) <= OF_TYPER | lean | if_installed
    assert "supervisor.status.diagnosis" in found
    assert not {"actors.ports", "actors.writes", "adapter.sqlite.schema"} & found


def test_a_hidden_package_cannot_be_imported_until_the_end_of_the_block() -> None:
    with hidden("xdrlib"), pytest.raises(ModuleNotFoundError):
        __import__("xdrlib.part")
    with hidden("json"):  # it was imported before
        import json  # noqa: PLC0415
    with hidden("this.is.no.module"):
        pass
    assert json.loads("1") == 1
