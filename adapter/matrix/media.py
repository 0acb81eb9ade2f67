"""Downloads files from the homeserver, and uploads files to it.

Homeservers without authenticated media know only the older paths.
"""

from collections.abc import Awaitable
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from actors.model import SharedFile
from actors.platform import File
from actors.port_errors import (
    HomeserverRefused,
    HomeserverUnavailable,
    RefusedForNow,
    RefusedUnclearly,
)
from actors.rules.file_types import type_of
from adapter.matrix.bodies import MediaConfig, Uploaded, WhoAmI
from adapter.matrix.connection import WHOAMI, Connection, Payload
from adapter.matrix.files import is_mxc, mxc_parts

_PATHS: Final = ("/_matrix/client/v1/media", "/_matrix/media/v3")
_UPLOAD: Final = "/_matrix/media/v3/upload"
_PICTURE: Final = urlencode({"width": 800, "height": 600, "method": "scale"})
_UNRECOGNIZED: Final = "M_UNRECOGNIZED"

A = TypeVar("A")


class Media:
    """The files of the homeserver, over HTTP."""

    def __init__(self, connection: Connection) -> None:
        self._http = connection
        self._largest: int | None = None
        """The size of the largest upload; None until the homeserver has said it."""

    async def download(self, file: SharedFile, *, limit: int, picture: bool = False) -> File:
        """The bytes of a file; with `picture`, a small version if the homeserver makes one.

        HomeserverRefused for a file that is gone or too large. RefusedUnclearly if the homeserver
        answers, but fails to give this file.
        """
        if not is_mxc(file.mxc):
            raise HomeserverRefused(404, "M_NOT_FOUND", "the file has no valid address")
        data = await self._blaming_file(self._data(file, limit, picture=picture))
        return File(file.name, type_of(data, file.mime_type), data)

    async def upload(self, file: File) -> SharedFile:
        """Upload a file. HomeserverRefused with M_TOO_LARGE if it has too many bytes.

        RefusedUnclearly if the homeserver answers, but fails to take this file: a proxy in front of
        it may hang up on one that is too large.
        """
        size, largest = len(file.data), await self._largest_upload()
        if size > largest:
            raise HomeserverRefused(413, "M_TOO_LARGE", f"more than {largest} bytes")
        try:
            mxc = await self._blaming_file(self._sent(file))
        except HomeserverRefused:
            self._largest = None
            raise
        return SharedFile(mxc, file.name, file.mime_type, size)

    async def _sent(self, file: File) -> str:
        """Upload a file and return its address."""
        path = f"{_UPLOAD}?{urlencode({'filename': file.name})}"
        body = Payload(file.data, file.mime_type)
        timeout_s = self._http.bounds.media_s
        answer = await self._http.request("POST", path, Uploaded, body, timeout_s=timeout_s)
        if not is_mxc(answer.content_uri):
            raise HomeserverUnavailable("200 to an upload without a valid address")
        return answer.content_uri

    async def _data(self, file: SharedFile, limit: int, *, picture: bool) -> bytes:
        small = await self._small(file.mxc, limit) if picture else None
        return await self._whole(file, limit) if small is None else small

    async def _small(self, mxc: str, limit: int) -> bytes | None:
        """A small version of a picture; None if there is none."""
        try:
            return await self._get("thumbnail", mxc, limit, f"?{_PICTURE}&animated=false")
        except HomeserverRefused:
            return None

    async def _whole(self, file: SharedFile, limit: int) -> bytes:
        if file.size > limit:
            raise HomeserverRefused(413, "M_TOO_LARGE", f"{file.size} bytes")
        return await self._get("download", file.mxc, limit)

    async def _get(self, what: str, mxc: str, limit: int, query: str = "") -> bytes:
        address = "/".join(quote(part, safe="") for part in mxc_parts(mxc))
        timeout_s = self._http.bounds.media_s
        newer, older = (f"{path}/{what}/{address}{query}" for path in _PATHS)
        try:
            return await self._http.download(newer, limit=limit, timeout_s=timeout_s)
        except HomeserverRefused as refusal:
            if refusal.errcode != _UNRECOGNIZED:
                raise
        return await self._http.download(older, limit=limit, timeout_s=timeout_s)

    async def _blaming_file(self, request: Awaitable[A]) -> A:
        """The answer to a request about a file.

        RefusedUnclearly if the homeserver fails to answer it, but answers another one: then the
        file is to blame. It may be kept by another homeserver, which is gone.
        """
        try:
            return await request
        except RefusedForNow:
            raise
        except HomeserverUnavailable as error:
            await self._http.request("GET", WHOAMI, WhoAmI)
            raise RefusedUnclearly(502, "M_UNKNOWN", str(error)) from error

    async def _largest_upload(self) -> int:
        if self._largest is None:
            try:
                answer = await self._config()
            except HomeserverRefused:
                answer = MediaConfig()
            said = answer.upload_size
            self._largest = said if said is not None and said > 0 else 2**53
        return self._largest

    async def _config(self) -> MediaConfig:
        newer, older = (f"{path}/config" for path in _PATHS)
        try:
            return await self._http.request("GET", newer, MediaConfig)
        except HomeserverRefused as refusal:
            if refusal.errcode != _UNRECOGNIZED:
                raise
        return await self._http.request("GET", older, MediaConfig)
