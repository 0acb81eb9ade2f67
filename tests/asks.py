"""Asks for tests of platforms."""

from collections.abc import Sequence
from contextlib import aclosing

from actors.model import EventId, PlatformChatId, UserId
from actors.platform import Ask, Delta, File, Platform, Role, Text, Turn

PICTURE = File("cat.png", "image/png", b"\x89PNG")
VOICE = File("voice", "audio/ogg", b"OggS")
PAPER = File("paper.pdf", "application/pdf", b"%PDF")


def ask(
    *said: str | Turn,
    system: str | None = None,
    model: str | None = None,
    temperature: float | None = None,
    files: Sequence[File] = (),
) -> Ask:
    """An ask whose turns alternate, a person's first and last. `files` belong to the last one."""
    roles = (Role.PERSON, Role.ASSISTANT)
    turns = [
        turn if isinstance(turn, Turn) else Turn(roles[place % 2], turn)
        for place, turn in enumerate(said or ("Hello?",))
    ]
    last = turns.pop()
    turns.append(Turn(last.role, last.text, last.speaker, last.quoted, (*files, *last.attachments)))
    return Ask(
        chat=PlatformChatId("chat-1"),
        key=EventId("$question-1"),
        attempt=1,
        turns=tuple(turns),
        owner=UserId("@alice:example.org"),
        system=system,
        model=model,
        temperature=temperature,
    )


async def answered(platform: Platform, asked: Ask) -> list[Delta]:
    """All parts of an answer."""
    async with aclosing(platform.answer(asked)) as parts:
        return [part async for part in parts]


def text_of(parts: Sequence[Delta]) -> str:
    """The text of an answer."""
    return "".join(part.text for part in parts if isinstance(part, Text))
