"""The files of MATRIX_ACCOUNTS: what each account gets, and what is said about wrong ones."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import structlog

from supervisor.accounts import Account, read_accounts, schema_of
from supervisor.commands.accounts import choose
from supervisor.database_urls import in_schema
from supervisor.settings import SettingsRefused, load_local_settings, load_settings
from tests.environment import Environment

URL = "postgresql://bot:pw@db/surfaces"
COMMON = {"MATRIX_DB_PATH": URL, "MATRIX_HOMESERVER": "https://matrix.example.org"}


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, *lines: str) -> None:
        (self.path / name).write_text("\n".join(lines), encoding="utf-8")

    def account(self, name: str, *lines: str) -> None:
        self.write(f"{name}.env", f"MATRIX_USER_ID=@{name}:example.org", *lines)

    def read(self, common: Mapping[str, str] = COMMON) -> tuple[Account, ...]:
        return read_accounts(self.path, common)

    def refused(self, common: Mapping[str, str] = COMMON) -> list[str]:
        with pytest.raises(SettingsRefused) as caught:
            self.read(common)
        return [line.replace(f"{self.path}/", "") for line in caught.value.lines]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    path = tmp_path / "accounts"
    path.mkdir()
    return Folder(path)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Environment]:
    """The environment, of which a copy is changed."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    yield Environment(monkeypatch, tmp_path)
    structlog.contextvars.clear_contextvars()


def test_each_file_is_an_account_with_variables_of_its_own(folder: Folder) -> None:
    folder.account("two", 'MATRIX_PASSWORD="one # two"', "BOT_PLATFORM=webhook")
    folder.account("one")
    folder.write("notes.txt", "no account")
    folder.write(".hidden.env", "no account")
    one, two = folder.read()
    assert (one.name, two.name) == ("one", "two")
    assert two.variables["MATRIX_PASSWORD"] == "one # two"
    assert two.variables["BOT_PLATFORM"] == "webhook"
    assert "BOT_PLATFORM" not in one.variables


def test_accounts_of_one_database_have_schemas_and_folders_of_their_own(folder: Folder) -> None:
    folder.account("one")
    folder.account("two")
    one, two = folder.read({**COMMON, "MATRIX_STORE_PATH": "/var/lib/bot"})
    assert one.variables["MATRIX_DB_PATH"] == in_schema(URL, schema_of("@one:example.org"))
    assert two.variables["MATRIX_DB_PATH"] == in_schema(URL, schema_of("@two:example.org"))
    assert one.variables["MATRIX_STORE_PATH"] == "/var/lib/bot/one"
    (without,) = [account for account in folder.read() if account.name == "two"]
    assert without.variables["MATRIX_STORE_PATH"] == "matrix_store/two"


def test_a_common_page_and_journal_are_not_shared(folder: Folder) -> None:
    folder.account("one", "STATUS_BIND=127.0.0.1:8501")
    folder.account("two")
    journal = "postgresql://db/journals"
    common = {**COMMON, "STATUS_BIND": "127.0.0.1:8484", "MATRIX_JOURNAL_PATH": journal}
    one, two = folder.read(common)
    assert one.variables["STATUS_BIND"] == "127.0.0.1:8501"
    assert two.variables["STATUS_BIND"] == ""
    assert two.variables["MATRIX_JOURNAL_PATH"] == in_schema(journal, schema_of("@two:example.org"))


def test_a_database_that_its_own_file_names_is_used_as_it_is(folder: Folder) -> None:
    folder.account("one", "MATRIX_DB_PATH=postgresql://db/one")
    (one,) = folder.read({"MATRIX_DB_PATH": "a-file.db", "MATRIX_JOURNAL_PATH": "another.db"})
    assert one.variables["MATRIX_DB_PATH"] == "postgresql://db/one"
    assert one.variables["MATRIX_JOURNAL_PATH"] == ""


def test_the_schema_has_a_name_that_postgresql_takes_and_no_other_account_has() -> None:
    ids = ["@bot:example.org", "@bot.example:org", "@BOT:example.org", f"@{'b' * 200}:x", "@я:x"]
    schemas = [schema_of(user_id) for user_id in ids]
    assert schemas[0].startswith("surfaces_bot_example_org_")
    assert len(set(schemas)) == len(ids)
    for schema in schemas:
        assert schema.replace("_", "a").isalnum()
        assert schema == schema.lower()
        assert schema.isascii()
        assert len(schema) <= 63


@pytest.mark.parametrize(
    ("url", "options"),
    [
        (URL, "-csearch_path=s"),
        (f"{URL}?sslmode=require", "-csearch_path=s"),
        (f"{URL}?options=-cwork_mem%3D1MB&sslmode=require", "-cwork_mem=1MB -csearch_path=s"),
        ("postgresql://bot@/name?host=/run", "-csearch_path=s"),
    ],
)
def test_a_schema_is_added_to_a_url(url: str, options: str) -> None:
    made = in_schema(url, "s")
    assert unquote(parse_qs(urlsplit(made).query)["options"][0]) == options
    without = {**parse_qs(urlsplit(made).query)}
    del without["options"]
    before = parse_qs(urlsplit(url).query)
    before.pop("options", None)
    assert without == before
    assert made.partition("?")[0] == url.partition("?")[0]


def test_all_that_is_wrong_is_told_at_once(folder: Folder) -> None:
    folder.account("one")
    folder.write("twin.env", "MATRIX_USER_ID=@one:example.org")
    folder.account("page", "STATUS_BIND=127.0.0.1:8500")
    folder.account("page2", "STATUS_BIND=127.0.0.1:8500")
    folder.account("free", "STATUS_BIND=127.0.0.1:0")
    folder.account("free2", "STATUS_BIND=127.0.0.1:0")
    folder.account("broken", "no assignment")
    folder.account("nested", "MATRIX_ACCOUNTS=/etc/others")
    folder.account("files", "MATRIX_DB_PATH=files.db")
    folder.account("a name")
    folder.write("latin.env", "MATRIX_USER_ID=@latin:example.org")
    (folder.path / "latin.env").write_bytes("MATRIX_PASSWORD=ä".encode("latin-1"))
    (folder.path / "folder.env").mkdir()
    assert folder.refused() == [
        "a name.env: use letters, digits and . _ - in the name, which is that of the account",
        (
            "broken.env, line 2: is not of the form NAME=value, or a quote is not closed: "
            "correct the line or remove it"
        ),
        (
            "files.env: MATRIX_DB_PATH: many accounts need PostgreSQL: "
            "set it to a URL like postgresql://user:password@host/name"
        ),
        "folder.env: cannot be read (Is a directory): repair the file or remove it",
        "latin.env: cannot be read (it is not UTF-8): repair the file or remove it",
        "nested.env: MATRIX_ACCOUNTS: remove it, this file is about one account",
        "page2.env: STATUS_BIND: is the same as in page.env: each account needs its own",
        "twin.env: MATRIX_USER_ID: is the same as in one.env: each account needs its own",
    ]


def test_accounts_without_postgresql_are_refused_in_one_line(folder: Folder) -> None:
    folder.account("one")
    folder.account("two")
    assert folder.refused({}) == [
        (
            "MATRIX_DB_PATH: many accounts need PostgreSQL: "
            "set it to a URL like postgresql://user:password@host/name"
        )
    ]


def test_a_journal_in_a_file_cannot_be_shared(folder: Folder) -> None:
    folder.account("one")
    assert folder.refused({**COMMON, "MATRIX_JOURNAL_PATH": "journal.db"}) == [
        (
            "MATRIX_JOURNAL_PATH: is a file, which accounts can't share: leave it empty, then the "
            "journal is in the database"
        )
    ]


def test_a_folder_without_accounts_is_refused(folder: Folder) -> None:
    (line,) = folder.refused()
    assert line.endswith("has no file whose name ends in .env: write one for each account")


def test_a_folder_that_is_not_there_is_refused(folder: Folder) -> None:
    with pytest.raises(SettingsRefused, match=r"cannot be read \(No such file or directory\)"):
        read_accounts(folder.path / "missing", COMMON)


def test_an_account_hides_its_variables() -> None:
    assert "hush" not in repr(Account("one", {"MATRIX_PASSWORD": "hush"}))


def test_a_chosen_account_overrides_the_environment(
    environment: Environment, folder: Folder
) -> None:
    folder.account("one", "MATRIX_PASSWORD=of one", "MATRIX_ACCESS_TOKEN=")
    environment.write("MATRIX_DEVICE_ID=COMMON\nMATRIX_ACCESS_TOKEN=of_all\n")
    environment.put(MATRIX_ACCOUNTS=str(folder.path), MATRIX_DB_PATH=URL)
    with pytest.raises(SettingsRefused, match="--account: two is no account of MATRIX_ACCOUNTS"):
        choose("two")
    with pytest.raises(SettingsRefused, match="MATRIX_ACCOUNTS: names many accounts"):
        load_local_settings()
    choose("one")
    loaded = load_settings()
    assert loaded.user_id == "@one:example.org"
    assert loaded.password is not None
    assert loaded.password.get_secret_value() == "of one"
    assert loaded.access_token is None
    assert loaded.device_id == "COMMON"
    assert loaded.store_path == Path("matrix_store/one")


@pytest.mark.usefixtures("environment")
def test_an_account_can_be_chosen_only_among_many() -> None:
    with pytest.raises(SettingsRefused, match="MATRIX_ACCOUNTS names no folder of accounts"):
        choose("one")


def test_a_pipe_and_a_link_to_nothing_are_no_files_of_accounts(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe.env")
    (folder.path / "link.env").symlink_to(folder.path / "nothing")
    assert folder.refused() == [
        "link.env: cannot be read (No such file or directory): repair the file or remove it",
        "pipe.env: is a pipe or a device: use a regular file",
    ]


def test_another_name_of_one_place_is_the_same_place(folder: Folder) -> None:
    folder.account("one", "MATRIX_STORE_PATH=/srv/one")
    folder.account("two", "MATRIX_STORE_PATH=/srv/x/../one/")
    assert folder.refused() == [
        "two.env: MATRIX_STORE_PATH: is the same as in one.env: each account needs its own"
    ]
