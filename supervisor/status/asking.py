"""How a command asks the running bot for its status, over HTTP."""

from typing import TYPE_CHECKING, Final

from supervisor.lock import holder
from supervisor.settings import Bind, LocalSettings
from supervisor.status.not_a_snapshot import NotASnapshot

if TYPE_CHECKING:
    from supervisor.status.snapshot import Snapshot

ANSWER_WITHIN_S: Final = 5.0
_OK: Final = 200
_MUCH: Final = 16 * 2**20
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


def url_of(bind: Bind) -> str:
    """The URL of the status page, as seen from the same machine."""
    host = _ANYWHERE.get(bind.host, bind.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{bind.port}/"


def asked(settings: LocalSettings) -> "tuple[Snapshot | None, str]":
    """The snapshot of the bot that uses this store folder, and "".

    None and a reason in words if that bot does not answer. Blocks like `ask`.
    """
    bind = settings.status_bind
    if bind is None or bind.port == 0:
        return None, "STATUS_BIND has no fixed address to ask"
    try:
        snapshot = ask(bind)
    except NotASnapshot as error:
        return None, f"another program answers at {url_of(bind)} ({error})"
    if snapshot is None:
        return None, f"it does not answer at {url_of(bind)}"
    pid = holder(settings.store_path)
    if pid is not None and pid != snapshot.pid:
        return None, f"another bot, {snapshot.user_id}, answers at {url_of(bind)}"
    return snapshot, ""


def ask(bind: Bind) -> "Snapshot | None":
    """Ask the bot at this address for a snapshot; None if the connection fails.

    Blocks for at most `ANSWER_WITHIN_S` for each step. Raises NotASnapshot if another program
    answers.
    """
    from http.client import HTTPConnection, HTTPException  # noqa: PLC0415 - only to ask

    connection = HTTPConnection(
        _ANYWHERE.get(bind.host, bind.host), bind.port, timeout=ANSWER_WITHIN_S
    )
    try:
        connection.request("GET", "/status.json")
        answer = connection.getresponse()
        content = answer.read(_MUCH)
    except OSError:
        return None
    except HTTPException as error:
        raise NotASnapshot(str(error)) from error
    finally:
        connection.close()
    if answer.status != _OK:
        raise NotASnapshot(f"it answers with {answer.status}")
    from supervisor.status.snapshot import decode  # noqa: PLC0415 - only if there is one

    return decode(content)
