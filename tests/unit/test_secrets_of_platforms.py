"""A key that a server repeats in every way: `check` and the log show none of it."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from typing_extensions import override

from supervisor import cli

KEY = "sk-proj-7Qm2/fX9bLr4+TzW8kPvN3"
MATRIX_PASSWORD = "correct horse battery"


class Parrot(BaseHTTPRequestHandler):
    """Refuses every request, and repeats its Authorization header."""

    refuses: Callable[[str], tuple[int, str, str]]

    def do_GET(self) -> None:
        """Answer as a server without a list of models."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a question."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        status, kind, body = type(self).refuses(self.headers["Authorization"])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def parrot() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, parrot: str) -> None:
    monkeypatch.chdir(tmp_path)
    given = {
        "MATRIX_HOMESERVER": "http://127.0.0.1:1",
        "MATRIX_USER_ID": "@bot:example.org",
        "MATRIX_PASSWORD": MATRIX_PASSWORD,
        "BOT_PLATFORM": "openai",
        "OPENAI_BASE_URL": parrot,
        "OPENAI_API_KEY": KEY,
        "OPENAI_MODEL": "big",
        "LOG_LEVEL": "DEBUG",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def problem(message: str) -> str:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}})


WAYS: dict[str, Callable[[str], tuple[int, str, str]]] = {
    "JSON": lambda sent: (401, "application/json", problem(f"you sent {sent}")),
    "forbidden": lambda sent: (403, "application/json", problem(f"no access with {sent}")),
    "cut": lambda sent: (403, "application/json", problem(f"Incorrect key: {sent[:-6]}...")),
    "quoted": lambda sent: (500, "text/plain", f"/v1?auth={quote(sent)}&x=1 failed"),
    "quoted all": lambda sent: (503, "text/plain", f"auth={quote(sent, safe='')} failed"),
    "bad request": lambda sent: (400, "application/json", problem(f"bad header {sent!r}")),
    "page": lambda sent: (502, "text/html", f"<html><body>{sent}</body></html>"),
    "in a 200": lambda sent: (200, "application/json", problem(f"you sent {sent}")),
    "in a stream": lambda sent: (
        200,
        "text/event-stream",
        f"data: {problem(f'overloaded with {sent}')}\n\n",
    ),
    "no JSON": lambda sent: (200, "text/event-stream", f"data: {{{sent}\n\n"),
}


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("way", WAYS)
def test_check_and_its_log_show_nothing_of_a_key_that_the_server_repeats(
    way: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Parrot, "refuses", staticmethod(WAYS[way]), raising=False)
    with pytest.raises(SystemExit) as end:
        cli.main(["check"])
    said = capfd.readouterr()
    (line,) = (each for each in said.out.splitlines() if "the platform openai" in each)
    assert line.startswith("WRONG ")
    assert end.value.code in {1, 78}
    everything = said.out + said.err
    assert KEY[:12] not in everything
    assert quote(KEY, safe="")[:14] not in everything
    assert MATRIX_PASSWORD not in everything
