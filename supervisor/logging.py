"""Logging setup: structlog and the libraries' records in one stream, without secrets.

Log lines go to stderr. Commands print to stdout.
"""

import html
import json
import logging
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, TextIO, TypeAlias
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from supervisor.settings import LogFormat, LogLevel
from supervisor.text.plain import harmless

REDACTED: Final = "[redacted]"

_SECRET_KEY: Final = re.compile(
    r"passw|token|authorization|secret|cookie|api_?-?key", re.IGNORECASE
)
# Secrets that the settings do not contain, such as an access token from a login.
_SECRET_SHAPE: Final = re.compile(
    r"(?P<before>access_token=|\"access_token\":\s*\"|\bBearer\s+)[^\s&\"',)]+"
    r"|\bsyt_[\w+/=-]+",
)
_WHOLE_WORD_BELOW: Final = 8
_CUT_FROM: Final = 12
_CUT_TO: Final = 20
"""A secret that was cut is found by its beginning: by half of it, within these lengths."""
_MORE_OF_IT: Final = r"[^\s\"'<>&,;:)\]}]*"
"""What may follow the beginning of a secret that was cut."""
_MULTILINE_KEYS: Final = frozenset({"exception", "stack"})
# nio logs whole events, including message bodies. The others log too much below WARNING.
_LIBRARY_LEVELS: Final[Mapping[str, int]] = {
    "nio": logging.CRITICAL + 1,
    "aiohttp": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "asyncio": logging.WARNING,
    "psycopg": logging.ERROR,  # what fails is raised as well
    "procrastinate": logging.WARNING,  # it reports each question
    "transitions": logging.WARNING,
}
_OWN: Final = ("actors", "adapter", "supervisor")
"""The packages of the bot. Below INFO, other libraries log what they send and receive."""
_Replace: TypeAlias = Callable[[str], str]


class Redactor:
    """A structlog processor that removes secrets from all keys and values of an event."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        ordered = sorted(forms, key=len, reverse=True)
        known = [*map(_pattern, ordered), *filter(None, map(_cut_pattern, ordered))]
        self._known = re.compile("|".join(known)) if known else None

    def __call__(
        self, _logger: WrappedLogger, _method: str, event_dict: EventDict
    ) -> MutableMapping[str, Any]:
        """The event without secrets. Values that are not plain become text."""
        return {self.text(key): self._value(key, value) for key, value in event_dict.items()}

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        return _SECRET_SHAPE.sub(lambda found: (found["before"] or "") + REDACTED, text)

    def _value(self, key: object, value: object) -> object:
        if isinstance(key, str) and key != "event" and _SECRET_KEY.search(key):
            is_count = key.endswith("tokens") and isinstance(value, int | float)
            return value if value is None or is_count else REDACTED
        return _in_texts(value, self.text, self._value)


def _forms(secret: str) -> Iterator[str]:
    """The forms in which servers and libraries repeat a secret."""
    yield secret
    for quoted in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted)
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    yield b64encode(secret.encode()).decode()


def _cut_pattern(secret: str) -> str | None:
    """A pattern for the beginning of a long secret, which error texts cut; None if it is short."""
    length = min(max(_CUT_FROM, len(secret) // 2), _CUT_TO)
    begin = secret[:length]
    if len(secret) <= length or re.search(r"\s", begin):
        return None
    return re.escape(begin) + _MORE_OF_IT


def _pattern(secret: str) -> str:
    """A pattern for a secret. A short secret matches only as a word: `pw` is part of many words."""
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
    """Remove control characters, so that text from people cannot control the terminal."""
    return {harmless(key): _harmless_value(key, value) for key, value in event_dict.items()}


def _harmless_value(key: object, value: object) -> object:
    multiline = key in _MULTILINE_KEYS
    return _in_texts(value, _harmless_lines if multiline else harmless, _harmless_value)


def _harmless_lines(text: str) -> str:
    return "\n".join(harmless(line) for line in text.split("\n"))


def configure_logging(
    *,
    log_format: LogFormat | None = None,
    level: LogLevel = "INFO",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send all later log records to `stream` (stderr by default), without the secrets.

    Without a `log_format`, a terminal gets readable lines and any other stream gets JSON.
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
    lowest = logging.getLevelNamesMapping()[level]
    root.setLevel(max(lowest, logging.INFO))
    for name in _OWN:
        logging.getLogger(name).setLevel(lowest)
    logging.captureWarnings(capture=True)
    for name, quieter in _LIBRARY_LEVELS.items():
        logging.getLogger(name).setLevel(quieter)
