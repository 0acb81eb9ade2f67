"""Fills the sentences of a catalogue, as plain text and as the HTML of a Matrix message. Pure.

In a sentence, backticks stand around a command: people see it in bold. `str.format` fills the
fields in braces.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

from actors.model import ChatId
from actors.rules.formatting import Formatted, cleaned, fits, plain_parts
from actors.rules.numbering import chat_number
from actors.texts import number_in_default_name

_COMMAND: Final = "`"


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a room, under the room's name. With `in_html`, the plain text has only the name."""

    name: str
    url: str
    in_html: bool = False


Value: TypeAlias = str | int | Link


def worded(sentence: str, **values: Value) -> Formatted:
    """A sentence with its values. It has no HTML if it has neither a command nor a link.

    In the plain text, the addresses of links follow the sentence.
    """
    pieces = sentence.split(_COMMAND)
    links = [value for value in values.values() if isinstance(value, Link)]
    plain = {name: it.name if isinstance(it, Link) else str(it) for name, it in values.items()}
    body = "".join(pieces).format(**plain) + _addresses([it for it in links if not it.in_html])
    if len(pieces) == 1 and not links:
        return Formatted(cleaned(body))
    marked_up = {name: _html(value) for name, value in values.items()}
    html = "".join(
        f"<strong>{_filled(piece, marked_up)}</strong>" if place % 2 else _filled(piece, marked_up)
        for place, piece in enumerate(pieces)
    )
    return Formatted(cleaned(body), cleaned(html))


def in_lines(lines: Iterable[Formatted]) -> Formatted:
    """Sentences below each other."""
    all_lines = list(lines)
    body = "\n".join(line.body for line in all_lines)
    if not any(line.html for line in all_lines):
        return Formatted(body)
    return Formatted(body, "<br>".join(line.html or _html(line.body) for line in all_lines))


def parts_of_lines(lines: Iterable[Formatted]) -> tuple[Formatted, ...]:
    """Sentences below each other, in as many messages as they need. A line is cut only alone."""
    parts: list[Formatted] = []
    for line in lines:
        for piece in [line] if fits(line) else plain_parts(line.body):
            together = in_lines([parts[-1], piece]) if parts else piece
            parts[-1:] = [together] if fits(together) else [*parts[-1:], piece]
    return tuple(parts)


def called(name: str, chat_id: ChatId | None) -> str:
    """A chat's name for people, with its number unless the name says it."""
    number = chat_number(chat_id or "")
    if number is None or number_in_default_name(name) == number:
        return name
    return f"{name} ({chat_id})"


def _addresses(links: Sequence[Link]) -> str:
    """The address of one link behind the sentence; of several, each below it with its name."""
    if len(links) == 1:
        return f" {links[0].url}"
    return "".join(f"\n{link.name}: {link.url}" for link in links)


def _html(value: Value) -> str:
    if isinstance(value, Link):
        return f'<a href="{escape(value.url)}">{escape(value.name, quote=False)}</a>'
    return escape(str(value), quote=False).replace("\n", "<br>")


def _filled(piece: str, values: Mapping[str, str]) -> str:
    return _html(piece).format(**values)
