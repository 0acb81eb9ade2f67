"""How long a server asks the bot to wait. Pure."""

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT_S: Final = 3600.0
"""The bot waits no longer than this, even if the server asks for more."""
DEFAULT_WAIT_S: Final = 5.0
_SHORTEST_WAIT_S: Final = 0.1
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?")
_IN_WORDS: Final = re.compile(
    r"(?:try again|retry)\s+(?:in|after)\s+([\d.]+\s*(?:ms|s|m|h)(?:[\d.]+(?:ms|s|m))*)"
)
_A_MOMENT: Final = 10**8
"""Numbers above this are times and not durations, in seconds since the epoch."""
_MILLISECONDS: Final = 10**11


def wait_s(headers: Mapping[str, str], words: str, now: float) -> float:
    """The seconds to wait after a refusal. `now` is in seconds since the epoch.

    `headers` are looked up without regard to case. `words` is the text of the refusal.
    """
    asked = next(_asked(headers, words.lower(), now), DEFAULT_WAIT_S)
    return min(max(asked, _SHORTEST_WAIT_S), LONGEST_WAIT_S)


def _asked(headers: Mapping[str, str], words: str, now: float) -> Iterator[float]:
    """What the server asks for, the plainest words first."""
    if (milliseconds := _number(headers.get("retry-after-ms", ""))) is not None:
        yield milliseconds / 1000
    if (seconds := _retry_after(headers.get("retry-after", ""), now)) is not None:
        yield seconds
    if found := _IN_WORDS.search(words):
        yield from _duration(found[1].replace(" ", ""))
    yield from _resets(headers, now)


def _retry_after(value: str, now: float) -> float | None:
    """The seconds of a Retry-After header, which has a number or a date."""
    if (seconds := _number(value)) is not None:
        return seconds
    try:
        return max(parsedate_to_datetime(value.strip()).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _resets(headers: Mapping[str, str], now: float) -> Iterator[float]:
    """The time until exhausted limits are reset; of several that are exhausted, the longest."""
    exhausted = [
        seconds
        for kind in ("-requests", "-tokens", "")
        if headers.get(f"x-ratelimit-remaining{kind}", "0").strip() == "0"
        for seconds in _until(headers.get(f"x-ratelimit-reset{kind}", ""), now)
    ]
    if exhausted:
        yield max(exhausted)


def _until(value: str, now: float) -> Iterator[float]:
    number = _number(value)
    if number is None:
        yield from _duration(value.strip())
    elif number < _A_MOMENT:
        yield number
    else:
        yield (number / 1000 if number > _MILLISECONDS else number) - now


def _duration(text: str) -> Iterator[float]:
    """The seconds of a duration such as 6m0s, 1.5s or 20ms."""
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return
    hours, minutes, seconds, milliseconds = (_number(part or "0") or 0.0 for part in found.groups())
    yield hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def _number(text: str) -> float | None:
    plain = text.strip()
    return float(plain) if re.fullmatch(r"\d{1,15}(?:\.\d{1,9})?", plain, re.ASCII) else None
