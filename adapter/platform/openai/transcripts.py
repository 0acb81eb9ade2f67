"""Voice messages as text, by a model that writes down what it hears."""

from collections import OrderedDict
from hashlib import sha256
from typing import Final

import aiohttp
import msgspec

from actors.platform import File
from actors.port_errors import PlatformFailed, PlatformMisconfigured, PlatformRefused, Unsupported
from adapter.platform.openai.api import Api
from adapter.platform.openai.chunks import storable
from adapter.platform.openai.errors import Asked

_KEPT: Final = 256
_ENDINGS: Final = {
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/aac": "m4a",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/webm": "webm",
}
_WITHOUT_WORDS: Final = "[voice message without words]"


class Transcripts:
    """Writes down voice messages, and keeps the newest texts in memory: an ask repeats them all."""

    def __init__(self, api: Api, model: str) -> None:
        self._api = api
        self._model = model
        self._texts: OrderedDict[bytes, str] = OrderedDict()

    async def words_of(self, file: File, asked: Asked) -> str:
        """The words of a voice message. Raises Unsupported if the model can't read the file."""
        digest = sha256(file.data).digest()
        if digest not in self._texts:
            self._texts[digest] = await self._heard(file, asked)
        self._texts.move_to_end(digest)
        while len(self._texts) > _KEPT:
            self._texts.popitem(last=False)
        return self._texts[digest]

    async def _heard(self, file: File, asked: Asked) -> str:
        path = "/audio/transcriptions"
        async with self._api.ask("POST", path, asked, form=lambda: self._form(file)) as answered:
            if answered.refusal is None:
                return _words(await answered.body())
            error = self._api.error(answered, asked)
        if isinstance(error, PlatformRefused):
            raise Unsupported((file.mime_type,))
        if isinstance(error, PlatformMisconfigured) and answered.response.status in {404, 405}:
            raise PlatformMisconfigured(
                f"{asked.url} writes down no voice messages with {self._model!r}: "
                "correct OPENAI_TRANSCRIPTION_MODEL or remove it"
            )
        raise error

    def _form(self, file: File) -> aiohttp.FormData:
        ending = _ENDINGS.get(file.mime_type, "ogg")
        form = aiohttp.FormData()
        form.add_field("model", self._model)
        form.add_field("response_format", "json")
        form.add_field("file", file.data, filename=f"voice.{ending}", content_type=file.mime_type)
        return form


def _words(body: bytes) -> str:
    """The text of an answer, which is JSON, or plain for servers that know no other form."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        if body.lstrip()[:1] in {b"<", b"{"}:
            raise PlatformFailed("the server sends no transcript of a voice message") from None
        found = body.decode(errors="replace")
    text = found.get("text") if isinstance(found, dict) else found
    if not isinstance(text, str):
        raise PlatformFailed("the server sends no transcript of a voice message")
    return storable(text).strip() or _WITHOUT_WORDS
