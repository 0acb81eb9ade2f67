"""An ask as messages of the API. Pure."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from actors.platform import Ask, File, Role, Turn

Message: TypeAlias = dict[str, object]
PDF: Final = "application/pdf"


def messages_of(ask: Ask, system: str, transcripts: Mapping[bytes, str]) -> list[Message]:
    """The messages of an ask. `transcripts` has the words of each voice message, by its bytes."""
    spoken = [_message(turn, transcripts) for turn in ask.turns]
    return [{"role": "system", "content": _clean(system)}, *spoken] if system else spoken


def without_system(messages: Iterable[Message]) -> list[Message]:
    """The messages for a model without system prompts: the first turn begins with the prompt."""
    first, *others = messages
    if first["role"] != "system" or not others:
        return [first, *others]
    question = others[0]
    return [{**question, "content": _joined(first["content"], question["content"])}, *others[1:]]


def _joined(prompt: object, content: object) -> object:
    if isinstance(content, list):
        return [{"type": "text", "text": prompt}, *content]
    return f"{prompt}\n\n{content}"


def _message(turn: Turn, transcripts: Mapping[bytes, str]) -> Message:
    text = _text(turn, transcripts)
    parts = [part for file in turn.attachments if (part := _part(file)) is not None]
    if not parts:
        return {"role": str(turn.role), "content": text}
    words = [{"type": "text", "text": text}] if text else []
    return {"role": str(turn.role), "content": [*words, *parts]}


def _text(turn: Turn, transcripts: Mapping[bytes, str]) -> str:
    heard = [transcripts[file.data] for file in turn.attachments if file.data in transcripts]
    said = "\n\n".join(part for part in (turn.text, *heard) if part)
    if turn.speaker and turn.role is Role.PERSON:
        said = f"{turn.speaker}: {said}"
    if turn.quoted:
        said = f"{_quote(turn.quoted)}\n\n{said}"
    return _clean(said)


def _quote(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _part(file: File) -> Message | None:
    """The part of a message for a file that the model sees itself; None for a transcribed one."""
    data = f"data:{file.mime_type};base64,{b64encode(file.data).decode()}"
    if file.mime_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": data}}
    if file.mime_type == PDF:
        return {"type": "file", "file": {"filename": _clean(file.name), "file_data": data}}
    return None


def _clean(text: str) -> str:
    """The text without half surrogate pairs, which cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
