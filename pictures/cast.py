"""What a terminal was given over time, in asciinema's text format, version 2."""

import json
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

VERSION: Final = 2


class Output(NamedTuple):
    """What was printed, `at_s` seconds after the start."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Cast:
    """A recording of a terminal of `columns` by `rows` cells."""

    columns: int
    rows: int
    outputs: tuple[Output, ...]

    @classmethod
    def read(cls, text: str) -> Self:
        """The cast in a text. Raises ValueError for another version of the format."""
        head, *lines = (json.loads(line) for line in text.splitlines())
        if head["version"] != VERSION:
            raise ValueError(f"an asciicast of version {head['version']}, not {VERSION}")
        outputs = (Output(at_s, said) for at_s, kind, said in lines if kind == "o")
        return cls(head["width"], head["height"], tuple(outputs))

    def text(self) -> str:
        """The cast as lines of JSON. The times have milliseconds."""
        head = {"version": VERSION, "width": self.columns, "height": self.rows}
        events = ((round(output.at_s, 3), "o", output.text) for output in self.outputs)
        return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in (head, *events))
