"""The checks of `check` that need no account: writable paths and a reachable homeserver."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import aiohttp

from actors.port_errors import StoreCorrupt, StoreRefused, StoreUnavailable
from adapter.matrix.bodies import ENCRYPTION_FORCED_FEATURE
from adapter.matrix.errors import PROXY_LOGIN_WANTED, TRANSPORT_ERRORS, login_wanted, unavailable
from adapter.proxy import Proxy
from supervisor.app.databases import Place, checked_server
from supervisor.settings import LocalSettings, PlatformSettings, SettingsRefused

_TIMEOUT_S: Final = 15
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `check`.

    `refused`: waiting does not help, a person has to change something. `note`: the line is for
    information only. `more` are further lines that come of the same look.
    """

    ok: bool
    what: str
    advice: str = ""
    refused: bool = False
    note: bool = False
    more: tuple["Finding", ...] = ()


_ENCRYPTED_ROOMS: Final = Finding(
    ok=False,
    what="the homeserver encrypts every new private room by default, and the bot can't read those: "
    "it creates no Space and no chat",
    advice="an administrator has to turn that off "
    "(Synapse: encryption_enabled_by_default_for_room_type: off); people wait until then",
)

ENCRYPTED_LAST: Final = Finding(
    ok=False,
    what="the homeserver has encrypted the room that the bot created last, and the bot can't read "
    "such rooms: it creates no Space and no chat",
    advice="an administrator has to turn off encryption by default; the bot tries again by itself",
)


def check_paths(settings: LocalSettings) -> list[Finding]:
    """Check whether the database, the journal and the store are writable. Leaves no file behind."""
    return [
        _check_place("MATRIX_DB_PATH", settings.db_path, settings),
        _check_path("MATRIX_STORE_PATH", settings.store_path),
        _check_place("MATRIX_JOURNAL_PATH", settings.journal_path, settings),
    ]


def _check_place(variable: str, place: Place, settings: LocalSettings) -> Finding:
    if isinstance(place, Path):
        return _check_path(variable, place)
    try:
        version = checked_server(
            place,
            account=settings.user_id if isinstance(settings, PlatformSettings) else None,
            for_store=variable == "MATRIX_DB_PATH",
            makes_schema=place == settings.db_path,
        )
    except SettingsRefused as error:
        return Finding(ok=False, what=f"{variable}: {error}", refused=True)
    except (StoreUnavailable, StoreCorrupt) as error:
        what = f"{variable}: {place} cannot be used ({error})"
        refused = isinstance(error, StoreRefused)
        advice = "fix that or name another database"
        return Finding(ok=False, what=what, advice=advice, refused=refused)
    return Finding(ok=True, what=f"{variable}: {place} answers: PostgreSQL {version}")


def _check_path(variable: str, path: Path) -> Finding:
    whole = path.absolute()
    existing = next(place for place in (whole, *whole.parents) if os.path.lexists(place))
    usable = existing == whole or existing.is_dir()
    fault = _write_fault(existing) if usable else f"{existing} is a file"
    if fault is None:
        return Finding(ok=True, what=f"{variable}: {path} can be written to")
    is_full = fault == os.strerror(errno.ENOSPC)
    advice = "free some space" if is_full else "fix that"
    return Finding(
        ok=False,
        what=f"{variable}: {path} cannot be written to",
        advice=f"{fault}: {advice} or name another path",
        refused=not is_full,
    )


def _write_fault(existing: Path) -> str | None:
    """Why a file or folder is not writable; None if it is.

    An unnamed temporary file in its folder is the test.
    """
    folder = existing if existing.is_dir() else existing.parent
    if not os.access(existing, os.W_OK) or not (existing.is_dir() or existing.is_file()):
        return f"the bot's user may not write to {existing}"
    try:
        with TemporaryFile(dir=folder, buffering=0) as file:
            file.write(b"0")
    except PermissionError:
        return f"the bot's user may not write to {existing}"
    except OSError as error:
        return error.strerror or str(error)
    return None


async def check_homeserver(url: str, proxy: Proxy | None = None) -> Finding:
    """Check whether a Matrix homeserver answers at this URL, and what it does to new rooms.

    The request goes through the proxy, if there is one.
    """
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    headers, tunnel = proxy.headers(url) if proxy else ({}, {})
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(
                f"{url}/_matrix/client/versions",
                headers=headers,
                proxy=proxy.address if proxy else None,
                proxy_headers=tunnel if proxy else None,
            ) as response,
        ):
            status, body = response.status, await _json(response)
    except TRANSPORT_ERRORS as error:
        return _unreachable(url, _cause(error) if proxy is None else _cause_at(proxy, error))
    if proxy is not None and status == PROXY_LOGIN_WANTED:
        return _unreachable(url, login_wanted(proxy))
    return replace(_answered(url, status, body), more=_about_encryption(body))


def _cause_at(proxy: Proxy, error: Exception) -> str:
    return str(unavailable(error, _TIMEOUT_S, proxy))


async def _json(response: aiohttp.ClientResponse) -> object:
    try:
        return await response.json(content_type=None)
    except ValueError:
        return None


def _answered(url: str, status: int, body: object) -> Finding:
    versions = body.get("versions") if isinstance(body, Mapping) else None
    if isinstance(versions, list) and versions:
        return Finding(ok=True, what=f"{url} answers and speaks Matrix up to {versions[-1]}")
    if status >= _SERVER_ERROR:
        return _unreachable(url, f"{status} from the homeserver or a proxy in front of it")
    return Finding(
        ok=False,
        what=f"{url} answers with {status}, but the answer is not Matrix",
        advice="set MATRIX_HOMESERVER to the URL that /.well-known/matrix/client names",
    )


def _about_encryption(versions: object) -> tuple[Finding, ...]:
    features = versions.get("unstable_features") if isinstance(versions, Mapping) else None
    encrypts = isinstance(features, Mapping) and features.get(ENCRYPTION_FORCED_FEATURE) is True
    return (_ENCRYPTED_ROOMS,) if encrypts else ()


def _unreachable(url: str, cause: str) -> Finding:
    return Finding(
        ok=False,
        what=f"{url} cannot be reached ({cause})",
        advice="check MATRIX_HOMESERVER, and that the homeserver runs; the bot itself would wait",
    )


def _cause(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {_TIMEOUT_S} s"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not valid: {error.certificate_error}"
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int(number))) if number > 0:
            return os.strerror(number)
        case aiohttp.ClientConnectorError():  # an unknown host name has no errno
            return error.os_error.strerror or "no connection"
        case _:
            return str(error) or type(error).__name__
