"""A database that is named by its URL, and what of the URL is shown."""

import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.database_urls import DatabaseUrl, database_url
from supervisor.setting_values import database_place
from supervisor.settings import SettingsRefused, load_local_settings, load_settings
from tests.environment import Environment


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch, tmp_path)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("postgresql://bot:s3cret@db.example/surfaces", "postgresql://db.example/surfaces"),
        ("postgres://db/surfaces?sslmode=require", "postgres://db/surfaces"),
        (
            "postgresql://bot:s3cret@a:5432,b:5433/surfaces?target_session_attrs=read-write",
            "postgresql://a:5432,b:5433/surfaces",
        ),
        ("postgresql://bot@/surfaces?host=/run/postgresql", "postgresql:///surfaces"),
        ("postgresql://[::1]:5432/surfaces", "postgresql://[::1]:5432/surfaces"),
        ("postgresql://bot:50%25@db/surfaces", "postgresql://db/surfaces"),
    ],
)
def test_only_the_address_is_shown(url: str, address: str) -> None:
    place = database_url(url)
    assert str(place) == place.name == address
    assert "s3cret" not in repr(place)
    assert place.secret.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://db.example", "names no database"),
        ("postgresql://bot:s3#cret@db.example/surfaces", "names no database"),
        ("postgresql://bot:s3?cret@db.example/surfaces", "names no database"),
        ("postgresql://db/surfaces#s3cret", "names no database"),
        ("postgresql://bot:s3@cret@db/surfaces", "write %40 for @"),
        ("postgresql://bot:s3/cret@db/surfaces", "%2F for /"),
        ("postgresql://bot:s3 cret@db/surfaces", "has a blank"),
        ("postgresql://[::1/surfaces", "is not a URL"),
        ("postgresql://bot:s3cret50%@db/surfaces", "write %25 for %"),
        ("postgresql://bot:s3cret%00@db/surfaces", "write %25 for %"),
        ("postgresql+psycopg://bot:s3cret@db/surfaces", "is neither a file nor a database"),
        ("mysql://bot:s3cret@db/surfaces", "is neither a file nor a database"),
        ("host=db password=s3cret dbname=surfaces", "is neither a file nor a database"),
        ("dbname = surfaces", "is neither a file nor a database"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_showing_it(
    environment: Environment, url: str, says: str
) -> None:
    environment.put(MATRIX_DB_PATH=url)
    with pytest.raises(SettingsRefused) as caught:
        load_local_settings()
    (line, *_) = caught.value.lines
    assert line.startswith("MATRIX_DB_PATH: ")
    assert says in line
    assert "cret" not in line


def test_the_journal_is_in_the_same_database_unless_it_has_a_place(
    environment: Environment,
) -> None:
    environment.put(MATRIX_DB_PATH="postgresql://db/surfaces")
    settings = load_local_settings()
    assert isinstance(settings.db_path, DatabaseUrl)
    assert settings.journal_path == settings.db_path
    environment.put(MATRIX_JOURNAL_PATH="elsewhere.db")
    assert load_local_settings().journal_path == Path("elsewhere.db")
    environment.put(MATRIX_DB_PATH="here.db", MATRIX_JOURNAL_PATH="postgresql://db/journal")
    settings = load_local_settings()
    assert (settings.db_path, str(settings.journal_path)) == (
        Path("here.db"),
        "postgresql://db/journal",
    )


def test_the_url_and_its_passwords_stay_out_of_the_log(environment: Environment) -> None:
    url = "postgresql://bot:s3%40cret@db/surfaces?sslpassword=hush"
    environment.put(MATRIX_DB_PATH=url, MATRIX_PASSWORD="of the bot")
    assert {url, "s3%40cret", "s3@cret", "hush"} <= set(load_local_settings().secrets)
    assert {url, "of the bot"} <= set(load_settings().secrets)


def test_a_bot_on_a_file_loads_nothing_for_postgresql() -> None:
    program = (
        "import sys, supervisor.app.run, supervisor.app.reset, supervisor.app.check\n"
        "assert not {'psycopg', 'adapter.postgres'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_url_without_the_package_for_it_says_what_to_install(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.put(MATRIX_DB_PATH="postgresql://db/surfaces")
    from supervisor.app import databases  # noqa: PLC0415

    monkeypatch.setattr(databases, "find_spec", lambda _name: None)
    with pytest.raises(SettingsRefused, match=r"install surfaces-bot\[postgres\]"):
        databases.read_journal(load_local_settings().journal_path)


def test_the_scheme_may_have_capitals_as_in_any_url() -> None:
    place = database_place("PostgreSQL://bot:s3cret@db/Surfaces")
    assert isinstance(place, DatabaseUrl)
    assert place.secret.get_secret_value() == "postgresql://bot:s3cret@db/Surfaces"


@pytest.mark.parametrize("path", ["a=b.db", "data/host=.db", "postgresql.db"])
def test_a_file_may_have_any_other_name(path: str) -> None:
    assert database_place(path) == Path(path)
