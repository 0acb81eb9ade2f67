"""Logging: the shape of a line, and that no secret ever is in one."""

import html
import io
import json
import logging
import os
import subprocess
import sys
import warnings
from base64 import b64encode
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from supervisor.logging import REDACTED, Redactor, configure_logging
from supervisor.settings import LogFormat

SECRET = "correct/horse battery"


def configured(log_format: LogFormat | None = "json", *secrets: str) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(log_format=log_format, secrets=secrets or (SECRET,), stream=stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_a_utc_time() -> None:
    stream = configured()
    structlog.get_logger("bot").info("room_repaired", room_id="!r", writes=3, ok=True, none=None)
    (event,) = events(stream)
    at = datetime.fromisoformat(str(event.pop("timestamp")))
    assert at.utcoffset() == timedelta(0)
    assert event == {
        "event": "room_repaired",
        "level": "info",
        "room_id": "!r",
        "writes": 3,
        "ok": True,
        "none": None,
    }


def test_a_library_speaks_in_the_same_shape() -> None:
    stream = configured()
    logging.getLogger("some.library").warning("no answer from %s", "there")
    (event,) = events(stream)
    assert event["event"] == "no answer from there"
    assert event["logger"] == "some.library"
    assert event["level"] == "warning"


def test_a_warning_of_python_becomes_an_event_too() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("this is old", DeprecationWarning, stacklevel=1)
    (event,) = events(stream)
    assert "this is old" in str(event["event"])


def test_below_the_level_nothing_is_said() -> None:
    stream = configured()
    structlog.get_logger().debug("detail")
    logging.getLogger("some.library").debug("detail")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("name", ["nio", "nio.rooms", "nio.responses"])
def test_nio_is_silent_because_it_logs_what_people_write(name: str) -> None:
    stream = configured()
    logging.getLogger(name).critical("Hello, doctor")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "name", ["aiohttp.access", "asyncio", "aiosqlite", "procrastinate.jobs", "transitions.core"]
)
def test_chatty_libraries_are_heard_from_a_warning_on(name: str) -> None:
    stream = configured()
    configure_logging(log_format="json", level="DEBUG", stream=stream)
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble")
    assert [event["event"] for event in events(stream)] == ["trouble"]


@pytest.mark.parametrize("name", ["openai._base_client", "httpcore.http11", "a_plugin"])
def test_what_libraries_send_is_not_logged_even_for_debugging(name: str) -> None:
    stream = io.StringIO()
    configure_logging(log_format="json", level="DEBUG", stream=stream)
    logging.getLogger(name).debug("request body: Hello, doctor")
    logging.getLogger(name).info("it works")
    logging.getLogger("adapter.platform.mine").debug("detail")
    assert [event["event"] for event in events(stream)] == ["it works", "detail"]


def leaks(text: str) -> bool:
    return any(form in text for form in (SECRET, "correct%2Fhorse", "correct/horse"))


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_appears_wherever_it_stood(log_format: LogFormat) -> None:
    stream = configured(log_format)
    log = structlog.get_logger().bind(bound=f"<{SECRET}>")
    try:
        int(SECRET)
    except ValueError as error:
        log.exception("failed", error=error, nested={"a": [f"x{SECRET}", (SECRET,)]})
        logging.getLogger("library").exception("failed with %s", SECRET)
    log.info(SECRET, path=Path(f"/{SECRET}"), raw=SECRET.encode(), **{SECRET: 1})
    log.info("asked", url="https://x.org/login?p=correct%2Fhorse%20battery")
    assert stream.getvalue().count(REDACTED) >= 10
    assert not leaks(stream.getvalue())


@pytest.mark.parametrize(
    "key",
    ["password", "MATRIX_PASSWORD", "access_token", "token", "Authorization", "secret", "Cookie"],
)
def test_a_key_that_names_a_secret_hides_its_value_whatever_it_is(key: str) -> None:
    stream = configured()
    structlog.get_logger().info("sent", headers={key: "abc"}, **{key: {"inner": "abc"}})
    (event,) = events(stream)
    assert event[key] == REDACTED
    assert event["headers"] == {key: REDACTED}


@pytest.mark.parametrize(
    "text",
    [
        "GET /sync?access_token=MDAx-yz&since=s1",
        "Authorization: Bearer MDAx-yz",
        '{"access_token": "MDAx-yz"}',
        "got syt_Ym90_MDAx-yz_1a2b3c",
    ],
)
def test_a_token_that_nobody_announced_is_known_by_its_shape(text: str) -> None:
    hidden = Redactor(()).text(text)
    assert "MDAx-yz" not in hidden
    assert REDACTED in hidden


API_KEY = 'sk-proj-a/b+c"d<e&f?12345678'


@pytest.mark.parametrize(
    "form",
    [
        API_KEY,
        quote(API_KEY),
        quote(API_KEY, safe=""),
        quote(API_KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        quote_plus(f" {API_KEY}"),
        json.dumps(API_KEY),
        repr({"key": API_KEY}),
        html.escape(API_KEY),
        b64encode(API_KEY.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_every_form_that_servers_repeat(form: str) -> None:
    hidden = Redactor([API_KEY]).text(f"Incorrect key provided: {form}. Find yours at /keys")
    assert "12345678" not in hidden
    assert "a/b" not in hidden
    assert hidden.startswith("Incorrect key provided: ")


@pytest.mark.parametrize("kept", [12, 14, 20, 22])
@pytest.mark.parametrize("end", ["", "…", " is wrong", '"}', "*****"])
def test_a_long_secret_that_was_cut_is_found_by_its_beginning(kept: int, end: str) -> None:
    key = "sk-7Qm2fX9bLr4TzW8kPvN3"
    hidden = Redactor([key]).text(f"bad key {key[:kept]}{end}")
    assert hidden.startswith(f"bad key {REDACTED}")
    assert key[:12] not in hidden


def test_words_that_begin_like_a_secret_stay_readable() -> None:
    redactor = Redactor(["surfaces-bot-and-more-than-that", "correct horse battery staple"])
    text = "surfaces-bot has the correct horse"
    assert redactor.text(text) == text


def test_the_number_of_tokens_is_no_secret() -> None:
    stream = configured()
    structlog.get_logger().info("done", prompt_tokens=40, tokens=2, api_key="abc", bot_tokens="t")
    (event,) = events(stream)
    assert (event["prompt_tokens"], event["tokens"]) == (40, 2)
    assert (event["api_key"], event["bot_tokens"]) == (REDACTED, REDACTED)


def test_a_short_secret_hides_as_a_word_and_leaves_other_words_readable() -> None:
    assert Redactor(["bot"]).text("bot: robots say 'bot'") == (
        f"{REDACTED}: robots say '{REDACTED}'"
    )


@given(secret=st.text(min_size=8), before=st.text(), after=st.text())
def test_a_long_secret_is_found_amid_anything(secret: str, before: str, after: str) -> None:
    hidden = Redactor([secret]).text(before + secret + after)
    assert secret not in hidden.replace(REDACTED, "\n\n") or secret in before + "\n\n" + after


@pytest.mark.parametrize("key", ["room", "event"])
def test_the_console_shows_other_peoples_text_without_obeying_it(key: str) -> None:
    stream = configured("console")
    structlog.get_logger().info(**{"event": "seen", key: "a\x1b[2Jb\nfake line\u202ec"})
    (line, rest) = stream.getvalue().split("\n")
    assert rest == ""
    assert line.isprintable()
    assert all(sign in line for sign in ("x1b[2Jb", "fake line", "u202ec"))


def test_the_console_keeps_the_order_in_which_things_are_told() -> None:
    stream = configured("console")
    structlog.get_logger().info("lifecycle_transition", src="login", dst="hydrate", because="x")
    assert "src=login dst=hydrate because=x" in stream.getvalue()


def test_the_console_shows_a_traceback_on_lines_of_its_own() -> None:
    stream = configured("console")
    try:
        int("nothing there")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "\nValueError: invalid literal" in stream.getvalue()


def test_without_a_terminal_the_format_is_json() -> None:
    stream = configured(None)
    structlog.get_logger().info("seen")
    assert events(stream)


def test_configuring_twice_does_not_say_things_twice() -> None:
    configured()
    stream = configured()
    logging.getLogger("some.library").warning("once")
    structlog.get_logger().info("once")
    assert len(events(stream)) == 2


def test_stdout_is_left_to_the_commands() -> None:
    program = "from supervisor.logging import configure_logging as c; import structlog; c();"
    program += "structlog.get_logger().info('seen')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=dict(os.environ),
    )
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "seen"
