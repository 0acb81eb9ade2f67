"""The bot itself, but for what a test needs otherwise; run as a script with these words.

`impatient`   waits shortly for the homeserver, and forgets an outage as soon as it is over
`hasty`       repeats a createRoom without an answer within seconds
`poisoned`    has a platform that fails on every message with "poison" in it, until there is a file
              `antidote`
`read-only`   has a database that can't be written as long as there is a file `read-only`
"""

import sys
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

import actors.creation as creation_module
import actors.system as system_module
import adapter.matrix.gateway as gateway_module
import adapter.matrix.outbox as outbox_module
import adapter.matrix.pump as pump_module
import supervisor.app as app_module
import supervisor.supervisor as supervisor_module
from actors.model import EventId, PlatformChatId
from actors.ports import PlatformFailed
from actors.restart import Backoff
from adapter.matrix.connection import Connection
from adapter.platform.echo import EchoPlatform
from adapter.sqlite.group import GroupCommit, _Batch
from adapter.sqlite.store import SqliteStore
from supervisor.cli import main
from supervisor.supervisor import Supervisor

ANTIDOTE: Final = Path("antidote")
READ_ONLY: Final = Path("read-only")
WAIT_S: Final = 2.0
SHORT: Final = Backoff(base_s=0.1, cap_s=1.0, floor_s=0.1)


def make_impatient() -> None:
    """Notice within seconds what takes the real program half a minute."""
    bounds: list[tuple[Any, str, object]] = [
        (pump_module, "POLL_S", WAIT_S / 2),
        (gateway_module, "_SYNC_GRACE_S", WAIT_S / 2),
        (supervisor_module, "HEALTHY_AFTER_S", 0.0),
        (outbox_module, "Backoff", lambda: SHORT),
        (system_module, "RESTART", SHORT),
    ]
    for module, name, bound in bounds:
        if not hasattr(module, name):
            raise AttributeError(name)
        setattr(module, name, bound)
    defaults: list[tuple[Any, str, object]] = [
        (Connection.request, "timeout_s", WAIT_S),
        (gateway_module.Gateway._write, "timeout_s", WAIT_S),
        (Supervisor.__init__, "backoff", SHORT),
        (vars(SqliteStore)["open"].__wrapped__.__wrapped__, "busy_timeout_s", WAIT_S / 2),
    ]
    for function, name, default in defaults:
        if name not in function.__kwdefaults__:
            raise AttributeError(name)
        function.__kwdefaults__[name] = default


def make_hasty() -> None:
    """Wait for a createRoom without an answer no longer than Synapse needs for one here."""
    creation_module.UNCLEAR_FOR_S = 5 * WAIT_S  # type: ignore[misc]


class PoisonedPlatform(EchoPlatform):
    """Echoes what it can stomach."""

    @override
    async def reply(self, chat: PlatformChatId, text: str, idempotency_key: EventId) -> str:
        if "poison" in text and not ANTIDOTE.exists():
            raise PlatformFailed("poisoned")
        return await super().reply(chat, text, idempotency_key)


def make_read_only() -> None:
    """Let SQLite itself refuse what is written."""
    transact = GroupCommit._transact

    async def checked(self: GroupCommit, group: list[_Batch]) -> None:
        await self._db.execute_fetchall(f"PRAGMA query_only = {int(READ_ONLY.exists())}")
        await transact(self, group)

    GroupCommit._transact = checked  # type: ignore[method-assign]


if __name__ == "__main__":
    words = set(sys.argv[1:])
    if "impatient" in words:
        make_impatient()
    if "hasty" in words:
        make_hasty()
    if "poisoned" in words:
        app_module.PLATFORMS["echo"] = PoisonedPlatform
    if "read-only" in words:
        make_read_only()
    sys.argv[1:] = ["run"]
    main()
