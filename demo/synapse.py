"""A real homeserver, Synapse, in a temporary folder that is removed at the end."""

import base64
import hashlib
import hmac
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import anyio

from demo.child_program import ChildProgram

SERVER_NAME: Final = "localhost"

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  only as the parent of a folder made by mkdtemp
_MIN_FREE_BYTES: Final = 2 * 1024**3
_PROGRAMS_OWN: Final = ("COVERAGE", "COV_", "PYTEST", "MATRIX_", "SYNAPSE_", "LLMOCK_", "LLAMA_")

_NO_LIMIT: Final = {"per_second": 10_000, "burst_count": 10_000}
_NO_LOGIN_LIMITS: Final = {
    "rc_registration": _NO_LIMIT,
    "rc_login": {"address": _NO_LIMIT, "account": _NO_LIMIT, "failed_attempts": _NO_LIMIT},
}
_NO_OTHER_LIMITS: Final = {
    "rc_message": _NO_LIMIT,
    "rc_joins": {"local": _NO_LIMIT, "remote": _NO_LIMIT},
    "rc_joins_per_room": _NO_LIMIT,
    "rc_invites": {"per_room": _NO_LIMIT, "per_user": _NO_LIMIT, "per_issuer": _NO_LIMIT},
    "rc_room_creation": _NO_LIMIT,
    "rc_delayed_event_mgmt": _NO_LIMIT,
    "rc_reports": _NO_LIMIT,
    "rc_profile": _NO_LIMIT,
}


class SynapseMissing(Exception):
    """Synapse is not installed in this Python environment. The text says how to install it."""


class SynapseFailed(Exception):
    """Synapse did not start, or refused a registration. The text has its last lines or answer."""


class ThrowawaySynapse:
    """One Synapse on a free loopback port, in a folder that is removed on leaving the context.

    The folder is in memory if there is enough space: Synapse spends most of its time waiting for
    the disk.

    By default Synapse has no rate limits. `stock_limits` keeps its own limits, except those for
    registration and login. `on_progress` receives sentences on the progress of the start.
    `default_room_version` is the version of rooms that are created without one; None keeps
    Synapse's default. `settings` are further settings of Synapse and override all others.
    """

    def __init__(
        self,
        *,
        stock_limits: bool = False,
        default_room_version: str | None = None,
        settings: Mapping[str, object] | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.stock_limits = stock_limits
        self.default_room_version = default_room_version
        self.settings = settings or {}
        self._on_progress = on_progress
        self.secret = secrets.token_hex(16)
        self._program: ChildProgram | None = None
        self._keep = False
        self.port = 0
        self.folder = Path()

    async def __aenter__(self) -> Self:
        _require_synapse()
        self.folder = Path(tempfile.mkdtemp(prefix="surfaces-synapse-", dir=_memory_folder()))
        try:
            self.port = free_port()
            self._write_configuration()
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
        if not self._keep:
            await self._leave()

    @property
    def url(self) -> str:
        """The base URL for clients."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id, which is also the group id. Raises SynapseFailed if it does not run."""
        return self._running().pid

    @property
    def log(self) -> Path:
        """The output of Synapse: warnings and errors."""
        return self.folder / "synapse.log"

    async def start(self, timeout_s: float = 60) -> None:
        """Start Synapse and wait until it answers. Raises SynapseFailed."""
        self._program = ChildProgram(
            [sys.executable, "-m", "synapse.app.homeserver", "--config-path", "homeserver.json"],
            folder=self.folder,
            log=self.log,
            environment=plain_environment(),
            remove_folder=self.folder,
        )
        started = time.monotonic()
        while not await _answers(self.url):
            elapsed_s = time.monotonic() - started
            self._on_progress(f"Synapse is starting ({elapsed_s:.0f} s)")
            if self._program.exit_code() is not None:
                raise SynapseFailed(f"Synapse ended while starting:\n{self._last_lines()}")
            if elapsed_s > timeout_s:
                raise SynapseFailed(f"Synapse is not ready after {timeout_s:g} s")
            await anyio.sleep(0.05)
        self._on_progress(f"Synapse answers at {self.url}")

    async def stop(self) -> None:
        """Stop Synapse with SIGTERM, if it runs."""
        if self._program is not None:
            await self._program.end()
            self._program = None

    async def kill(self) -> None:
        """End Synapse with SIGKILL."""
        await self._running().kill()
        self._program = None

    async def restart(self, **settings: object) -> None:
        """Stop Synapse and start it again, on the same port with the same data.

        `settings` are changed settings of Synapse.
        """
        await self.stop()
        self.settings = {**self.settings, **settings}
        self._write_settings()
        await self.start()

    def pause(self) -> None:
        """Freeze Synapse with SIGSTOP: it accepts connections and does not answer."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """End a pause."""
        self._running().signal(signal.SIGCONT)

    def keep(self) -> None:
        """Leave Synapse running, and keep its folder, when this process ends."""
        self._running().detach()
        self._keep = True

    async def register(self, localpart: str, password: str, *, admin: bool = False) -> str:
        """Register an account and return its user id. Raises SynapseFailed if it is refused."""
        path = f"{self.url}/_synapse/admin/v1/register"
        async with aiohttp.ClientSession() as http:
            async with http.get(path) as answer:
                nonce = str((await answer.json())["nonce"])
            request = {
                "nonce": nonce,
                "username": localpart,
                "password": password,
                "admin": admin,
                "mac": _mac(
                    self.secret, nonce, localpart, password, "admin" if admin else "notadmin"
                ),
                "inhibit_login": True,
            }
            async with http.post(path, json=request) as answer:
                body = await answer.json()
        if "user_id" not in body:
            raise SynapseFailed(f"cannot register {localpart}: {body}")
        return str(body["user_id"])

    def _running(self) -> ChildProgram:
        if self._program is None:
            raise SynapseFailed("Synapse is not running")
        return self._program

    async def _leave(self) -> None:
        await self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _write_configuration(self) -> None:
        """Write Synapse's files. They are JSON, which is valid YAML and needs no library."""
        (self.folder / "log.json").write_text(json.dumps(_LOGGING))
        self._write_settings()
        seed = base64.b64encode(os.urandom(32)).decode().rstrip("=")
        (self.folder / "signing.key").write_text(f"ed25519 a_demo {seed}\n")

    def _write_settings(self) -> None:
        (self.folder / "homeserver.json").write_text(json.dumps(_configuration(self), indent=1))


_LOGGING: Final = {
    "version": 1,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "WARNING", "handlers": ["console"]},
    "disable_existing_loggers": False,
}


def _resources(synapse: ThrowawaySynapse) -> list[str]:
    return ["client", "consent"] if "user_consent" in synapse.settings else ["client"]


def _configuration(synapse: ThrowawaySynapse) -> dict[str, object]:
    listener = {
        "type": "http",
        "port": synapse.port,
        "bind_addresses": ["127.0.0.1"],
        "resources": [{"names": _resources(synapse), "compress": False}],
    }
    return {
        "server_name": SERVER_NAME,
        "public_baseurl": f"{synapse.url}/",
        "listeners": [listener],
        "database": {"name": "sqlite3", "args": {"database": str(synapse.folder / "synapse.db")}},
        "media_store_path": str(synapse.folder / "media"),
        "signing_key_path": str(synapse.folder / "signing.key"),
        "log_config": str(synapse.folder / "log.json"),
        "registration_shared_secret": synapse.secret,
        "macaroon_secret_key": synapse.secret,
        "form_secret": synapse.secret,
        "bcrypt_rounds": 4,
        "report_stats": False,
        "presence": {"enabled": False},
        "user_directory": {"enabled": False},
        "trusted_key_servers": [],
        "federation_domain_whitelist": [],
        **_NO_LOGIN_LIMITS,
        **({} if synapse.stock_limits else _NO_OTHER_LIMITS),
        **_given(default_room_version=synapse.default_room_version),
        **synapse.settings,
    }


def _mac(secret: str, *parts: str) -> str:
    """What Synapse's registration with a shared secret asks for."""
    return hmac.new(secret.encode(), "\0".join(parts).encode(), hashlib.sha1).hexdigest()


def _given(**options: object) -> dict[str, object]:
    """The options that are not None. Synapse's own defaults hold for the others."""
    return {name: value for name, value in options.items() if value is not None}


def _require_synapse() -> None:
    if importlib.util.find_spec("synapse") is None:
        raise SynapseMissing(
            "The demo needs a homeserver, and matrix-synapse is not installed: "
            f"run `make setup`, or `{sys.executable} -m pip install matrix-synapse`."
        )


def _memory_folder() -> Path | None:
    """A folder in memory with enough space, or None."""
    with suppress(OSError):
        if shutil.disk_usage(_MEMORY).free >= _MIN_FREE_BYTES and os.access(_MEMORY, os.W_OK):
            return _MEMORY
    return None


async def _answers(url: str) -> bool:
    """Whether a homeserver answers at this base URL."""
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"{url}/_matrix/client/versions") as answer,
        ):
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plain_environment() -> dict[str, str]:
    """The environment of this process without variables for coverage, pytest, bot or servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PROGRAMS_OWN)}
