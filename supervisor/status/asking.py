"""Asking the bot that runs, over its status page."""

from http.client import HTTPConnection, HTTPException
from typing import Final

from supervisor.lock import holder
from supervisor.settings import Bind, LocalSettings
from supervisor.status.snapshot import NotASnapshot, Snapshot, decode

ANSWER_WITHIN_S: Final = 5.0
_OK: Final = 200
_MUCH: Final = 16 * 2**20
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask, not to listen


def url_of(bind: Bind) -> str:
    """Where the page is for whoever sits at the machine."""
    host = _ANYWHERE.get(bind.host, bind.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{bind.port}/"


def asked(settings: LocalSettings) -> tuple[Snapshot | None, str]:
    """What the bot of this store folder says, or why it is not known. Blocks as `ask` does."""
    bind = settings.status_bind
    if bind is None or bind.port == 0:
        return None, "STATUS_BIND gives no fixed address to ask"
    try:
        snapshot = ask(bind)
    except NotASnapshot as error:
        return None, f"something else answers at {url_of(bind)} ({error})"
    if snapshot is None:
        return None, f"nothing answers at {url_of(bind)}"
    ours = holder(settings.store_path)
    if ours is not None and ours != snapshot.pid:
        return None, f"another bot, {snapshot.user_id}, answers at {url_of(bind)}"
    return snapshot, ""


def ask(bind: Bind) -> Snapshot | None:
    """What the bot says of itself; None where nothing answers. Blocks, for seconds at most.

    Raises NotASnapshot where something else answers.
    """
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
    return decode(content)
