"""Turns a room's timeline into the turns of a conversation. Pure."""

from dataclasses import dataclass

from actors.model import SharedFile
from actors.platform import Role


@dataclass(frozen=True, slots=True)
class Draft:
    """A turn whose files are not loaded yet."""

    role: Role
    text: str
    speaker: str = ""
    quoted: str = ""
    files: tuple[SharedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Drafts:
    """A conversation, the question last. `trimmed`: turns were left out to fit the budget."""

    turns: tuple[Draft, ...]
    trimmed: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """The room for a conversation. `factor` is how many tokens of the model an estimated one is."""

    tokens: int
    factor: float = 1.0
