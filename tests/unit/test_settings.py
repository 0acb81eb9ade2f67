"""Settings: what is accepted, and what is said about what is not."""

import os
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.bounds import Bounds
from actors.rules.answers import Answers
from supervisor.settings import (
    VARIABLES,
    Bind,
    SettingsRefused,
    hints,
    load_local_settings,
    load_settings,
)
from tests.environment import ENOUGH, Environment


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    return Environment(monkeypatch, tmp_path)


def refused() -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as caught:
        load_settings()
    return caught.value.lines


@pytest.mark.usefixtures("environment")
def test_three_variables_are_enough_and_the_rest_has_the_documented_defaults() -> None:
    loaded = load_settings()
    assert loaded.homeserver == "https://matrix.example.org"
    assert loaded.user_id == "@bot:example.org"
    assert loaded.server_name == "example.org"
    assert loaded.password is not None
    assert loaded.password.get_secret_value() == "correct horse"
    assert loaded.access_token is None
    assert loaded.device_id == "SURFACESBOT"
    assert loaded.db_path == Path("lambda_matrix.db")
    assert loaded.store_path == Path("matrix_store")
    assert loaded.journal_path == Path("lambda_journal.db")
    assert (loaded.locale, loaded.platform) == ("en", "echo")
    assert loaded.answers is Answers.MENTIONS
    assert loaded.status_bind == Bind("127.0.0.1", 8484)
    assert (loaded.log_format, loaded.log_level) == (None, "INFO")


def test_a_dotenv_file_is_read_and_the_environment_wins(environment: Environment) -> None:
    dotenv = "MATRIX_USER_ID=@other:example.org\nMATRIX_DEVICE_ID=FROMFILE\n"
    (environment.folder / ".env").write_text(dotenv, encoding="utf-8")
    loaded = load_settings()
    assert loaded.device_id == "FROMFILE"
    assert loaded.user_id == "@bot:example.org"


def test_every_mistake_is_told_at_once_on_a_line_that_names_the_variable(
    environment: Environment,
) -> None:
    environment.drop("MATRIX_USER_ID", "MATRIX_PASSWORD")
    environment.put(MATRIX_HOMESERVER="example.org", BOT_LOCALE="de", STATUS_BIND="8484")
    lines = refused()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "BOT_LOCALE",
        "MATRIX_HOMESERVER",
        "MATRIX_PASSWORD",
        "MATRIX_USER_ID",
        "STATUS_BIND",
    ]
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MATRIX_HOMESERVER", "example.org", "https://matrix.example.org"),
        ("MATRIX_HOMESERVER", "localhost:8008", "is not a URL"),
        ("MATRIX_HOMESERVER", "ftp://example.org", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://exa mple.org", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://example.org:99999", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://[::1", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://matrix..example.org", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://.example.org", "is not a URL"),
        ("MATRIX_HOMESERVER", f"https://{'a' * 64}.example.org", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://example.org\\matrix", "is not a URL"),
        ("MATRIX_HOMESERVER", "https://example.org/_matrix/client", "/_matrix included"),
        ("MATRIX_HOMESERVER", "https://example.org?x=1", "a path, a query or a fragment"),
        ("MATRIX_HOMESERVER", "https://example.org/matrix/_matrix", "/_matrix included"),
        ("MATRIX_HOMESERVER", "https://example.org/matrix#x", "a query or a fragment"),
        ("HTTPS_PROXY", "socks5://localhost:1080", "names a socks5 proxy"),
        ("MATRIX_HOMESERVER", "https://me:hush-hush@example.org", "remove it"),
        ("MATRIX_USER_ID", "bot", "@bot:example.org"),
        ("MATRIX_USER_ID", "bot:example.org", "@bot:example.org"),
        ("MATRIX_USER_ID", "@bot", "@bot:example.org"),
        ("MATRIX_USER_ID", f"@{'b' * 300}:example.org", "@bot:example.org"),
        ("MATRIX_DEVICE_ID", "my device", "is not a device id"),
        ("MATRIX_ALLOWED_USERS", "@alice:example.org, bob", "'bob'"),
        ("MATRIX_ALLOWED_USERS", ",", "names nobody"),
        ("MATRIX_ALLOWED_USERS", "  ", "names nobody"),
        ("MATRIX_ALLOWED_USERS", "@alice:example.org;@bob:example.org", "separated by commas"),
        ("MATRIX_ACCESS_TOKEN", "tok\n", "copy it again"),
        ("MATRIX_ACCESS_TOKEN", "tök", "copy it again"),
        ("MATRIX_PASSWORD", "hush-hush\n", "ends with a line break"),
        ("MATRIX_DB_PATH", '"lambda.db"', "is in quotes"),
        ("MATRIX_DB_PATH", ".", "is a folder"),
        ("MATRIX_DB_PATH", "~nobody-of-that-name/db", "of an unknown user"),
        ("MATRIX_JOURNAL_PATH", "lambda_matrix.db", "the same file as MATRIX_DB_PATH"),
        ("MATRIX_JOURNAL_PATH", "x/../lambda_matrix.db", "the same file as MATRIX_DB_PATH"),
        ("BOT_LOCALE", "de", "use 'en' or 'ru'"),
        ("BOT_ANSWERS", "all", "use 'mentions', 'everyone' or 'owner'"),
        ("BOT_STREAM", "on", "use 'auto' or 'off'"),
        ("BOT_PLATFORM_IDLE_S", "0", "a number of seconds"),
        ("BOT_PLATFORM_FIRST_S", "nan", "a number of seconds"),
        ("BOT_PLATFORM_TOTAL_S", "1e9", "up to 86400"),
        ("BOT_PLATFORM_CONNECT_S", "30s", "is '30s'"),
        ("STATUS_BIND", "8484", "127.0.0.1:8484"),
        ("STATUS_BIND", "127.0.0.1:99999", "127.0.0.1:8484"),
        ("STATUS_BIND", ":8484", "127.0.0.1:8484"),
        ("LOG_FORMAT", "xml", "use 'console' or 'json'"),
        ("LOG_LEVEL", "loud", "'DEBUG'"),
    ],
)
def test_one_wrong_value_is_one_line_that_says_what_to_do(
    environment: Environment, variable: str, value: str, says: str
) -> None:
    environment.put(**{variable: value})
    (line,) = refused()
    assert line.startswith(f"{variable}: ")
    assert says in line
    assert "hush-hush" not in line


def test_a_store_path_that_is_a_file_is_refused(environment: Environment) -> None:
    (environment.folder / "matrix_store").touch()
    assert refused() == ("MATRIX_STORE_PATH: is a file: name a folder",)


def test_either_credential_is_enough_but_none_is_not(environment: Environment) -> None:
    environment.drop("MATRIX_PASSWORD")
    (line,) = refused()
    assert "MATRIX_PASSWORD" in line
    assert "MATRIX_ACCESS_TOKEN" in line
    environment.put(MATRIX_ACCESS_TOKEN="tok")
    assert load_settings().secrets == ("tok",)


def test_an_empty_variable_is_an_unset_one_but_turns_the_status_page_off(
    environment: Environment,
) -> None:
    environment.put(MATRIX_DEVICE_ID="", MATRIX_ALLOWED_USERS="", STATUS_BIND="", BOT_LOCALE="")
    loaded = load_settings()
    assert loaded.status_bind is None
    assert loaded.device_id == "SURFACESBOT"
    assert loaded.locale == "en"
    assert loaded.allows("@anyone:example.org")


def test_an_empty_password_is_a_missing_one(environment: Environment) -> None:
    environment.put(MATRIX_PASSWORD="")
    (line,) = refused()
    assert line.startswith("MATRIX_PASSWORD: is not set")


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://example.org/", "https://example.org"),
        ("http://127.0.0.1:8008", "http://127.0.0.1:8008"),
        ("http://[::1]:8008/", "http://[::1]:8008"),
        ("https://example.org/matrix", "https://example.org/matrix"),
        ("https://example.org/a/b//", "https://example.org/a/b"),
        ("https://example.org//", "https://example.org"),
    ],
)
def test_a_slash_after_the_homeserver_is_dropped(
    environment: Environment, given_url: str, kept: str
) -> None:
    environment.put(MATRIX_HOMESERVER=given_url)
    assert load_settings().homeserver == kept


@pytest.mark.parametrize(
    ("text", "bind"),
    [("0.0.0.0:80", Bind("0.0.0.0", 80)), ("[::1]:0", Bind("::1", 0))],  # noqa: S104
)
def test_the_status_address_may_be_of_either_family(
    environment: Environment, text: str, bind: Bind
) -> None:
    environment.put(STATUS_BIND=text)
    assert load_settings().status_bind == bind


def test_a_proxy_is_found_in_the_environment_and_in_the_dotenv_file(
    environment: Environment,
) -> None:
    assert load_settings().proxy is None
    text = "HTTPS_PROXY=http://me:hush-hush@proxy.example.org:3128\n"
    (environment.folder / ".env").write_text(text, encoding="utf-8")
    loaded = load_settings()
    assert loaded.proxy is not None
    assert loaded.proxy.variable == "HTTPS_PROXY"
    assert "hush-hush" in loaded.secrets
    assert "hush-hush" not in f"{loaded!r} {loaded}"
    environment.put(NO_PROXY="example.org")
    assert load_settings().proxy is None


def test_the_time_limits_of_the_platform_become_bounds(environment: Environment) -> None:
    environment.put(BOT_PLATFORM_IDLE_S="7.5", BOT_PLATFORM_TOTAL_S="")
    given = replace(Bounds(), platform_idle_s=1.0, platform_total_s=2.0)
    bounds = load_settings().bounded(given)
    assert bounds == replace(given, platform_idle_s=7.5)


def test_levels_and_formats_may_be_written_in_any_case(environment: Environment) -> None:
    environment.put(LOG_LEVEL="debug", LOG_FORMAT="JSON")
    loaded = load_settings()
    assert (loaded.log_level, loaded.log_format) == ("DEBUG", "json")


@pytest.mark.usefixtures("environment")
def test_without_a_list_everyone_on_the_own_homeserver_is_allowed_and_nobody_else() -> None:
    loaded = load_settings()
    assert loaded.allows("@alice:example.org")
    assert not loaded.allows("@alice:example.com")
    assert not loaded.allows("@alice:evil-example.org")


def test_the_default_list_holds_for_a_server_named_by_an_address(environment: Environment) -> None:
    environment.put(MATRIX_USER_ID="@bot:[::1]:8448")
    loaded = load_settings()
    assert loaded.allows("@alice:[::1]:8448")
    assert not loaded.allows("@alice:1:8448")


def test_a_list_replaces_the_default_and_knows_capitals(environment: Environment) -> None:
    environment.put(MATRIX_ALLOWED_USERS=" @alice:example.org , @*.staff:example.com,")
    loaded = load_settings()
    assert loaded.allows("@alice:example.org")
    assert loaded.allows("@bob.staff:example.com")
    assert not loaded.allows("@bob:example.org")
    assert not loaded.allows("@Alice:example.org")


def test_a_star_allows_everyone(environment: Environment) -> None:
    environment.put(MATRIX_ALLOWED_USERS="*")
    assert load_settings().allows("@who:ever.example")


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("MATRIX_ALLOWED_USER", "MATRIX_ALLOWED_USERS"),
        ("MATRIX_HOMESERVER_URL", None),
        ("MATRIX_TOKEN", "MATRIX_ACCESS_TOKEN"),
        ("matrix_db_path", None),
        ("BOT_LOCAL", "BOT_LOCALE"),
        ("MATRIX_SOMETHING_ELSE_ENTIRELY", None),
        ("LOG_LEVELS", None),
    ],
)
def test_an_unknown_variable_close_to_an_unset_one_of_ours_gets_a_hint(
    environment: Environment, slip: str, meant: str | None
) -> None:
    environment.put(**{slip: "x"})
    told = hints()
    if slip == "matrix_db_path":
        meant = "MATRIX_DB_PATH"
    assert told == (
        () if meant is None else (f"{slip}: is not a variable of the bot: did you mean {meant}?",)
    )


def test_a_hint_accompanies_the_refusal_that_the_slip_caused(environment: Environment) -> None:
    environment.drop("MATRIX_HOMESERVER")
    (environment.folder / ".env").write_text("MATRIX_HOMSERVER=https://x.org\n", encoding="utf-8")
    missing, hint = refused()
    assert missing.startswith("MATRIX_HOMESERVER: is not set")
    assert hint.endswith("did you mean MATRIX_HOMESERVER?")


def test_a_dotenv_file_that_is_not_text_is_refused_by_name(environment: Environment) -> None:
    (environment.folder / ".env").write_bytes(b"MATRIX_USER_ID=\xff\xfe\n")
    (line,) = refused()
    assert line.startswith(".env: cannot be read (it is not UTF-8)")


def test_a_broken_line_of_the_dotenv_file_is_told_once_with_its_number(
    environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "# mine\nMATRIX_ALLOWED_USERS @alice:example.org\nLOG_LEVEL=loud\n"
    (environment.folder / ".env").write_text(text, encoding="utf-8")
    broken, wrong = refused()
    assert broken == (
        ".env, line 2: is not of the form NAME=value, or a quote is not closed: "
        "correct the line or remove it"
    )
    assert wrong.startswith("LOG_LEVEL: ")
    assert capsys.readouterr() == ("", "")


def test_a_name_without_a_value_needs_a_variable_of_the_environment(
    environment: Environment,
) -> None:
    (environment.folder / ".env").write_text("MATRIX_ALLOWED_USERS\n", encoding="utf-8")
    (line,) = refused()
    assert line.startswith(".env, line 1: is not of the form NAME=value")
    environment.put(MATRIX_ALLOWED_USERS="@alice:example.org")
    assert load_settings().allowed_users == ("@alice:example.org",)


def test_a_quote_that_is_not_closed_is_told_without_the_secret_behind_it(
    environment: Environment,
) -> None:
    environment.drop("MATRIX_PASSWORD")
    (environment.folder / ".env").write_text('MATRIX_PASSWORD="hush-hush\n', encoding="utf-8")
    broken, missing = refused()
    assert broken.startswith(".env, line 1: ")
    assert missing.startswith("MATRIX_PASSWORD: is not set")
    assert "hush-hush" not in broken


def test_a_mark_in_front_of_the_first_line_does_not_hide_it(environment: Environment) -> None:
    environment.drop("MATRIX_HOMESERVER")
    text = "MATRIX_HOMESERVER=https://first.example.org\r\nMATRIX_DEVICE_ID=SECOND\r\n"
    (environment.folder / ".env").write_text(text, encoding="utf-8-sig")
    loaded = load_settings()
    assert (loaded.homeserver, loaded.device_id) == ("https://first.example.org", "SECOND")


def test_the_journal_can_be_found_without_an_account(environment: Environment) -> None:
    environment.drop(*ENOUGH)
    environment.put(MATRIX_JOURNAL_PATH="~/journal.db", HOME="/home/somebody")
    assert load_local_settings().journal_path == Path("/home/somebody/journal.db")


@pytest.mark.usefixtures("environment")
def test_settings_cannot_be_changed_and_do_not_show_their_secrets() -> None:
    loaded = load_settings()
    with pytest.raises(FrozenInstanceError):
        loaded.locale = "ru"  # type: ignore[misc]
    assert "correct horse" not in f"{loaded!r} {loaded}"


@pytest.mark.usefixtures("environment")
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_a_variable_holds_the_answer_is_settings_or_one_line(text: str) -> None:
    for name in VARIABLES:
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setenv(name, text)
            assert len(lines_of_loading()) <= 1


def lines_of_loading() -> tuple[str, ...]:
    try:
        load_settings()
    except SettingsRefused as refusal:
        return refusal.lines
    return ()


def test_a_dotenv_that_links_to_nothing_cannot_be_read(environment: Environment) -> None:
    (environment.folder / ".env").symlink_to(environment.folder / "nothing")
    (line, *_) = refused()
    assert line.startswith(".env: cannot be read (No such file or directory)")


def test_a_pipe_is_refused_before_it_is_read(environment: Environment) -> None:
    os.mkfifo(environment.folder / ".env")
    (line, *_) = refused()
    assert line.startswith(".env: cannot be read (it is a pipe, and not a regular file)")
