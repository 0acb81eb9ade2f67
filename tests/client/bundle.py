"""The client of these tests: a page on matrix-js-sdk, made with esbuild and served on loopback.

`python -m tests.client.bundle` serves it on port 8009, to look at any homeserver with it.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from typing_extensions import override

HERE: Final = Path(__file__).parent
MODULES: Final = HERE.parent / "browser" / "node_modules"
ESBUILD: Final = MODULES / ".bin" / "esbuild"
HOW_TO_INSTALL: Final = (
    "no esbuild in tests/browser/node_modules: install npm (apt-get install npm) "
    "and run `make setup`"
)


class ClientMissing(Exception):
    """The packages that the client is made of are not installed. The text says how to get them."""


class _Quiet(SimpleHTTPRequestHandler):
    @override
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served_client(port: int = 0) -> Iterator[str]:
    """The address of the client. Raises ClientMissing."""
    if not ESBUILD.exists():
        raise ClientMissing(HOW_TO_INSTALL)
    with tempfile.TemporaryDirectory(prefix="surfaces-client-") as folder:
        _bundle(Path(folder))
        handler = partial(_Quiet, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
            Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}/"
            server.shutdown()


def _bundle(folder: Path) -> None:
    for name in ("index.html", "page.css"):
        shutil.copy(HERE / name, folder)
    outfile = folder / "bundle.js"
    subprocess.run(
        [
            ESBUILD,
            "page.js",
            "--bundle",
            "--format=esm",
            f"--outfile={outfile}",
            "--log-level=error",
        ],
        cwd=HERE,
        env={"NODE_PATH": str(MODULES)},
        check=True,
    )


if __name__ == "__main__":
    with served_client(8009) as address:
        input(f"The client is at {address}; Enter ends it. ")
