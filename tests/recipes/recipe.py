"""A recipe of CONTRIBUTING.md, read as edits and commands that can be carried out."""

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Final, Self

_PLACE: Final = re.compile(
    r"`(?P<path>[^`\s]+)`,\s+above\s+`(?P<anchor>[^`]+)`:\n(?P<lines>(?:\n| {7}.*\n)+)"
)
_BLOCK: Final = re.compile(r":\n\n {7}\S")
_COMMAND: Final = re.compile(r"^ {4}(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines to put above the one line of a file that contains the anchor."""

    path: str
    anchor: str
    lines: str

    def make(self, tree: Path) -> None:
        """Change the file. Raises AssertionError unless exactly one line contains the anchor."""
        file = tree / self.path
        before = file.read_text(encoding="utf-8").splitlines(keepends=True)
        places = [at for at, line in enumerate(before) if self.anchor in line]
        assert len(places) == 1, f"{self.path}: {len(places)} lines contain {self.anchor!r}"
        at = places[0]
        margin = before[at][: len(before[at]) - len(before[at].lstrip())]
        file.write_text(
            "".join([*before[:at], indent(self.lines, margin), *before[at:]]), encoding="utf-8"
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """The edits of a recipe and the commands at its end, in their order."""

    edits: tuple[Edit, ...]
    commands: tuple[str, ...]

    @classmethod
    def read(cls, document: str, title: str) -> Self:
        """The recipe below a heading. Raises AssertionError for lines that have no place."""
        section = document.split(f"\n### {title}\n", 1)[1]
        section = re.split(r"^##+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
        steps, closing = section.split("\nThen:\n")
        edits = tuple(
            Edit(place["path"], place["anchor"], dedent(place["lines"]).strip("\n") + "\n")
            for place in _PLACE.finditer(steps)
        )
        blocks = len(_BLOCK.findall(steps))
        assert len(edits) == blocks, f"{title}: {blocks} blocks of lines, {len(edits)} places"
        return cls(edits, tuple(_COMMAND.findall(closing)))
