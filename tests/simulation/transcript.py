"""What the platform has said in answer to each question, attempt by attempt."""

from collections import defaultdict
from dataclasses import dataclass

from actors.model import EventId


def squeezed(text: str) -> str:
    """A text without its white space, which the bot may change."""
    return "".join(text.split())


@dataclass(slots=True)
class Told:
    """One attempt at an answer: what was said so far, and whether that is the whole answer."""

    text: str = ""
    is_whole: bool = False


class Transcript:
    """The attempts at the answer to each question."""

    def __init__(self) -> None:
        self._told: defaultdict[EventId, list[Told]] = defaultdict(list)

    def begin(self, question: EventId) -> Told:
        """Note a further attempt, which has said nothing yet."""
        told = Told()
        self._told[question].append(told)
        return told

    def attempts(self, question: EventId) -> int:
        """The number of attempts at the answer to a question."""
        return len(self._told[question])

    def has_said(self, question: EventId, text: str) -> bool:
        """Whether a text was said in one attempt at the answer to a question."""
        return any(squeezed(text) in squeezed(told.text) for told in self._told[question])

    def has_said_whole(self, question: EventId, text: str) -> bool:
        """Whether a text is one of the whole answers to a question."""
        wholes = (told.text for told in self._told[question] if told.is_whole)
        return any(squeezed(text) == squeezed(whole) for whole in wholes)
