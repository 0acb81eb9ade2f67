"""Logging, set up once: structlog and the libraries' records, one stream, no secrets.

Lines go to stderr; stdout belongs to what a command prints.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final, TextIO, TypeAlias
from urllib.parse import quote

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from supervisor.settings import LogFormat, LogLevel
from supervisor.text.console import harmless

REDACTED: Final = "[redacted]"

_SECRET_KEY: Final = re.compile(r"passw|token|authorization|secret|cookie", re.IGNORECASE)
# Secrets that the settings do not know: a token that was given to us at login, for one.
_SECRET_SHAPE: Final = re.compile(
    r"(?P<before>access_token=|\"access_token\":\s*\"|\bBearer\s+)[^\s&\"',)]+|\bsyt_[\w+/=-]+"
)
_WHOLE_WORD_BELOW: Final = 8
_OF_MANY_LINES: Final = frozenset({"exception", "stack"})
# nio logs whole events, with what people wrote; the others are chatty below a warning.
_LIBRARY_LEVELS: Final[Mapping[str, int]] = {
    "nio": logging.CRITICAL + 1,
    "aiohttp": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "asyncio": logging.WARNING,
    "transitions": logging.WARNING,
}
_Replace: TypeAlias = Callable[[str], str]


class Redactor:
    """A structlog processor that takes secrets out of an event, wherever in it they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        known = [_pattern(form) for form in sorted(forms, key=len, reverse=True)]
        self._known = re.compile("|".join(known)) if known else None

    def __call__(
        self, _logger: WrappedLogger, _method: str, event_dict: EventDict
    ) -> MutableMapping[str, Any]:
        """The event without secrets; what is no plain value comes out as text."""
        return {self.text(key): self._value(key, value) for key, value in event_dict.items()}

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _SECRET_SHAPE.sub(lambda found: (found["before"] or "") + REDACTED, text)

    def _value(self, key: object, value: object) -> object:
        if isinstance(key, str) and key != "event" and _SECRET_KEY.search(key):
            return None if value is None else REDACTED
        return _in_texts(value, self.text, self._value)


def _pattern(secret: str) -> str:
    """Anywhere for a real secret; a short one only as a word, or `pw` would blot out the log."""
    found = re.escape(secret)
    return found if len(secret) >= _WHOLE_WORD_BELOW else rf"(?<!\w){found}(?!\w)"


def _in_texts(value: object, replace: _Replace, item: Callable[[object, object], object]) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return replace(value)
        case Mapping():
            return {replace(str(key)): item(key, inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [item(None, inner) for inner in value]
        case _:
            return replace(repr(value) if not isinstance(value, Exception) else str(value))


def _harmless(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Whatever people have put into a room's name, it must not steer the terminal."""
    return {harmless(key): _harmless_value(key, value) for key, value in event_dict.items()}


def _harmless_value(key: object, value: object) -> object:
    lines = key in _OF_MANY_LINES
    return _in_texts(value, _harmless_lines if lines else harmless, _harmless_value)


def _harmless_lines(text: str) -> str:
    return "\n".join(harmless(line) for line in text.split("\n"))


def configure_logging(
    *,
    log_format: LogFormat | None = None,
    level: LogLevel = "INFO",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send everything that is logged from now on to `stream` (stderr), without the secrets.

    Without a `log_format` a terminal gets lines for people and anything else gets JSON.
    """
    out = sys.stderr if stream is None else stream
    shape = log_format or ("console" if out.isatty() else "json")
    shared = _shared_processors()
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                Redactor(secrets),
                *_rendering(shape, out),
            ],
        )
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _route_libraries(handler, level)


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.UnicodeDecoder(),
    ]


def _rendering(shape: LogFormat, out: TextIO) -> list[Processor]:
    if shape == "json":
        return [structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [
        _harmless,
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=plain, sort_keys=False
        ),
    ]


def _route_libraries(handler: logging.Handler, level: LogLevel) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name, quieter in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(quieter)
