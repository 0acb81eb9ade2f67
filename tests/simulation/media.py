"""The files of the simulated server."""

from dataclasses import dataclass, field

from actors.model import SharedFile
from actors.platform import File
from actors.port_errors import HomeserverRefused
from tests.pictures import png, size_of
from tests.simulation.events import Content

LARGEST_UPLOAD = 1_000_000
SMALL = (800, 600)
"""A small version of a picture has at most this width and height."""
FILES = ("m.image", "m.file", "m.audio", "m.video")


@dataclass(slots=True)
class Media:
    """Files by address. `uploads` are the names of all files that were uploaded, in order."""

    name: str
    largest: int = LARGEST_UPLOAD
    files: dict[str, File] = field(default_factory=dict)
    uploads: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    """The addresses of all files that were read, in order."""

    def upload(self, file: File) -> str:
        """Keep a file and return its address. A repetition keeps it again."""
        if len(file.data) > self.largest:
            raise HomeserverRefused(413, "M_TOO_LARGE", "Upload request body is too large")
        mxc = f"mxc://{self.name}/{len(self.uploads):06d}"
        self.files[mxc] = file
        self.uploads.append(file.name)
        return mxc

    def download(self, mxc: str, limit: int, *, picture: bool) -> File:
        """Return a file, or the small version of a PNG."""
        if mxc not in self.files:
            raise HomeserverRefused(404, "M_NOT_FOUND", "Not found")
        self.read.append(mxc)
        file = self.files[mxc]
        if picture and file.data.startswith(b"\x89PNG"):
            width, height = size_of(file.data)
            file = File(file.name, "image/png", png(min(width, SMALL[0]), min(height, SMALL[1])))
        if len(file.data) > limit:
            raise HomeserverRefused(413, "M_TOO_LARGE", f"more than {limit} bytes")
        return file


def content_of(file: File, mxc: str, caption: str = "") -> Content:
    """The content of a message that shows a file."""
    kind = file.mime_type.partition("/")[0]
    return {
        "msgtype": f"m.{kind}" if kind in {"image", "audio", "video"} else "m.file",
        "body": caption or file.name,
        "filename": file.name,
        "url": mxc,
        "info": {"mimetype": file.mime_type, "size": len(file.data)},
    }


def read_file(content: Content) -> SharedFile | None:
    """The file that a message shows. The simulation has valid ones only."""
    url, info = content.get("url"), content.get("info")
    if content.get("msgtype") not in FILES or not isinstance(url, str):
        return None
    info = info if isinstance(info, dict) else {}
    name = str(content.get("filename") or content.get("body") or "")
    voice = "org.matrix.msc3245.voice" in content
    mime_type = str(info.get("mimetype", "application/octet-stream"))
    return SharedFile(url, name, mime_type, int(info.get("size", 0)), voice)


def read_caption(content: Content) -> str | None:
    """The caption of a file; None for a message without a file."""
    if content.get("msgtype") not in FILES:
        return None
    body = str(content.get("body", ""))
    return body if content.get("filename") not in {None, body} else ""
