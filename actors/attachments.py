"""The files of conversations: loads them for the platform, and uploads those of its answers.

Bytes are read when the platform is asked, and kept in memory for a while, nowhere else.
"""

import math
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import chain
from typing import Final

import anyio

from actors.bounds import Bounds
from actors.model import SharedFile
from actors.platform import Capabilities, File, Turn
from actors.port_errors import HomeserverRefused, RefusedUnclearly
from actors.ports import Homeserver
from actors.rules.file_names import clean_name, clean_type, is_text_type
from actors.rules.file_types import fenced, text_of, type_of
from actors.rules.files import TOO_LARGE, Reason, Refusal, file_note, is_accepted, why_left_out
from actors.rules.history import Draft, Drafts
from actors.rules.tokens import estimated_tokens

_REMEMBERED: Final = 256
"""So many files that the homeserver failed to give are remembered."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Turns with their files, and the files of the question that were left out.

    `empty` says that nothing remains of the question: it has no words, and each file with it was
    left out. `has_earlier` says that files of earlier messages are attached.
    """

    turns: tuple[Turn, ...]
    refusals: tuple[Refusal, ...] = ()
    empty: bool = False
    has_earlier: bool = False


@dataclass(slots=True)
class _Takes:
    """What a model takes: files of some types, and so many tokens of texts besides the question."""

    capabilities: Capabilities
    refuses: Collection[str]
    of_question: Collection[SharedFile]
    tokens: float
    earlier: bool

    def attached(self, file: SharedFile, mime_type: str) -> bool:
        """Whether it takes a file of this type."""
        if not self.earlier and file not in self.of_question:
            return False
        accepted = is_accepted(mime_type, self.capabilities.accepts)
        return accepted and not is_accepted(mime_type, self.refuses)

    def text(self, file: SharedFile, text: str) -> "_Part":
        """The text of a file, or a note instead if it is too long for what is left."""
        needed = estimated_tokens(text)
        if file not in self.of_question and needed > self.tokens:
            return _Part(file_note(file))
        self.tokens -= needed
        return _Part(text)


@dataclass(frozen=True, slots=True)
class _Part:
    """What becomes of one file: a part of the turn's text, or an attachment."""

    text: str = ""
    file: File | None = None
    refusal: Refusal | None = None
    is_earlier: bool = False


class Attachments:
    """Reads files from the homeserver when a platform is asked; nothing is kept on disk."""

    def __init__(self, homeserver: Homeserver, bounds: Bounds) -> None:
        self._homeserver = homeserver
        self._bounds = bounds
        self._slots = anyio.CapacityLimiter(bounds.file_slots)
        self._cache: OrderedDict[tuple[str, bool], File] = OrderedDict()
        """Files by address, and whether they are the small versions. The last one was used last."""
        self._cached_bytes = 0
        self._failures: OrderedDict[str, int] = OrderedDict()
        """How often the homeserver has failed to give a file, by address."""

    async def load(
        self,
        drafts: Drafts,
        capabilities: Capabilities,
        refuses: Collection[str] = (),
        *,
        of_question: Collection[SharedFile] = (),
        tokens: float = math.inf,
        earlier: bool = True,
    ) -> Loaded:
        """The turns with their files, as far as the platform accepts them.

        `refuses` are patterns of MIME types that the model does not take. `of_question` are the
        files of the question itself: only what is left out of these is told. Text becomes a part of
        its turn, for any platform; that of other files only within `tokens`, the newest first.
        Without `earlier`, nothing else is attached than files of the question. A file that is left
        out leaves a note in its turn. Raises the errors of the homeserver that may pass: the
        question waits.
        """
        takes = _Takes(capabilities, refuses, of_question, tokens, earlier)
        loaded = [await self._turn(draft, takes) for draft in reversed(drafts.turns)]
        turns = tuple(turn for turn, _ in reversed(loaded))
        parts = loaded[0][1] if loaded else []
        told = (part.refusal for part in parts if part.refusal is not None)
        refusals = tuple(refusal for refusal in told if refusal.file in of_question)
        has_words = bool(drafts.turns) and bool(drafts.turns[-1].text.strip())
        is_empty = bool(refusals) and not has_words and all(part.refusal for part in parts)
        has_earlier = any(part.is_earlier for _, parts in loaded for part in parts)
        return Loaded(turns, refusals, is_empty, has_earlier)

    async def keep(self, file: File) -> SharedFile:
        """Upload a file of the platform, under a name and a type that can be trusted.

        Raises the errors of the homeserver that may pass, and HomeserverRefused if it does not take
        the file: an unclear refusal counts as a clear one when it has come several times. A
        repetition uploads the file again, so the answer that shows it is committed with its
        address.
        """
        cleaned = _cleaned(file)
        for _ in range(self._bounds.file_attempts - 1):
            try:
                return await self._homeserver.contents.upload(cleaned)
            except RefusedUnclearly:
                await anyio.sleep(self._bounds.file_again_s)
        try:
            return await self._homeserver.contents.upload(cleaned)
        except RefusedUnclearly as refusal:
            raise HomeserverRefused(refusal.status, refusal.errcode, refusal.message) from refusal

    async def _turn(self, draft: Draft, takes: _Takes) -> tuple[Turn, list[_Part]]:
        files = () if takes.capabilities.ignores_files else draft.files
        parts = [await self._part(file, takes) for file in reversed(files)][::-1]
        texts = filter(None, chain([draft.text], (part.text for part in parts)))
        loaded = tuple(part.file for part in parts if part.file is not None)
        return Turn(draft.role, "\n\n".join(texts), draft.speaker, draft.quoted, loaded), parts

    async def _part(self, file: SharedFile, takes: _Takes) -> _Part:
        """One file as a part of its turn."""
        is_text = is_text_type(file.mime_type)
        reason = why_left_out(file, takes.capabilities)
        if reason is None and not is_text and not takes.attached(file, file.mime_type):
            reason = Reason.TYPE
        if reason is not None:
            return _left_out(file, reason)
        limit = self._bounds.text_file_bytes if is_text else self._bounds.file_bytes
        try:
            found = await self._read(file, limit)
        except HomeserverRefused as refusal:
            return _left_out(file, self._reason(file, refusal), limit)
        text = text_of(found.data) if is_text_type(found.mime_type) else None
        if text is not None and len(found.data) > self._bounds.text_file_bytes:
            return _left_out(file, Reason.TOO_LARGE, self._bounds.text_file_bytes)
        if text is not None:
            return takes.text(file, fenced(file.name, text))
        if not takes.attached(file, found.mime_type):
            return _left_out(file, Reason.TYPE)
        return _Part(file=found, is_earlier=file not in takes.of_question)

    def _reason(self, file: SharedFile, refusal: HomeserverRefused) -> Reason:
        """Why a file can't be had. Raises a refusal that may pass, until it has come too often."""
        if refusal.errcode == TOO_LARGE:
            return Reason.TOO_LARGE
        if not isinstance(refusal, RefusedUnclearly):
            return Reason.GONE
        failures = self._failures.pop(file.mxc, 0) + 1
        self._failures[file.mxc] = failures
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)
        if failures < self._bounds.file_attempts:
            raise refusal
        return Reason.FAILED

    async def _read(self, file: SharedFile, limit: int) -> File:
        picture = file.mime_type.startswith("image/") and not is_text_type(file.mime_type)
        key = (file.mxc, picture)
        if (cached := self._cache.get(key)) is not None and len(cached.data) <= limit:
            self._cache.move_to_end(key)
            return cached
        contents = self._homeserver.contents
        async with self._slots:
            found = await contents.download(file, limit=limit, picture=picture)
        self._failures.pop(file.mxc, None)
        self._remember(key, found)
        return found

    def _remember(self, key: tuple[str, bool], file: File) -> None:
        replaced = self._cache.pop(key, None)
        self._cached_bytes += len(file.data) - (len(replaced.data) if replaced else 0)
        self._cache[key] = file
        while self._cached_bytes > self._bounds.file_cache_bytes:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest.data)


def _left_out(file: SharedFile, reason: Reason, limit: int = 0) -> _Part:
    return _Part(file_note(file), refusal=Refusal(file, reason, limit))


def _cleaned(file: File) -> File:
    name = clean_name(file.name, "file")
    return File(name, type_of(file.data, clean_type(file.mime_type, name)), file.data)
