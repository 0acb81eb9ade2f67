"""The bot itself, but for what a test needs otherwise; run as a script with these words.

`impatient`   waits shortly for the homeserver, and forgets an outage as soon as it is over
`hasty`       repeats a createRoom without an answer within seconds
`poisoned`    has a platform that fails on every message with "poison" in it, until there is a file
              `antidote`
`seeing`      has a platform that takes pictures, says how large they are, and shows them again
`deaf`        never ends an answer to "deaf", and has a file `deaf` since it began
`lively`      takes the limits of its homeserver for lifted
`read-only`   has a database that can't be written as long as there is a file `read-only`
"""

import asyncio
import struct
import sys
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
from typing_extensions import override

from actors.bounds import Bounds
from actors.platform import Ask, Attachment, Capabilities, Delta, Text
from actors.port_errors import PlatformFailed
from actors.rules.bucket import EditLimits
from actors.runtime.policy import RuntimeBounds
from actors.runtime.restart import Backoff
from adapter.platform.echo import EchoPlatform
from adapter.sql.values import Statement
from adapter.sqlite.connection import Connection
from supervisor.app.platforms import load_settings_and_platform
from supervisor.app.run import Parts, run_bot
from supervisor.commands.invocation import configure
from supervisor.lock import instance_lock

ANTIDOTE: Final = Path("antidote")
READ_ONLY: Final = Path("read-only")
DEAF: Final = Path("deaf")
WAIT_S: Final = 2.0
SHORT: Final = Backoff(base_s=0.1, cap_s=1.0, floor_s=0.1)


def bounds_for(words: Collection[str]) -> Bounds:
    """The bounds that the words ask for.

    An impatient bot notices within seconds what takes the real program half a minute. A hasty one
    waits for a createRoom without an answer no longer than Synapse needs for one here.
    """
    bounds = Bounds()
    if "impatient" in words:
        bounds = replace(
            bounds,
            poll_s=WAIT_S / 2,
            sync_grace_s=WAIT_S / 2,
            request_s=WAIT_S,
            busy_s=WAIT_S / 2,
            healthy_after_s=0.0,
            send=SHORT,
            probe=SHORT,
            runtime=RuntimeBounds(restart=SHORT),
        )
    if "lively" in words:
        bounds = replace(bounds, live_edits=EditLimits(per_s=5.0, burst=60))
    if "deaf" in words:
        bounds = replace(bounds, stop_within_s=1.0, runtime=RuntimeBounds(leave_within_s=1.0))
    return replace(bounds, unclear_for_s=5 * WAIT_S) if "hasty" in words else bounds


class PoisonedPlatform(EchoPlatform):
    """Echoes what it can stomach."""

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        if "poison" in ask.question.text and not ANTIDOTE.exists():
            raise PlatformFailed("poisoned")
        async for delta in super().answer(ask):
            yield delta


class SeeingPlatform(EchoPlatform):
    """Says how large a PNG is, and shows it again."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(keeps_history=True, accepts=("image/png",))

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        for picture in ask.question.attachments:
            width, height = struct.unpack(">II", picture.data[16:24])
            yield Text(f"I see {width} x {height}.")
            yield Attachment(replace(picture, name="seen.png"))
        async for delta in super().answer(ask):
            yield delta


class DeafPlatform(EchoPlatform):
    """An answer to "deaf" never ends, whatever cancels it."""

    @override
    async def answer(self, ask: Ask) -> AsyncGenerator[Delta, None]:
        while ask.question.text == "deaf":
            DEAF.touch()
            with suppress(asyncio.CancelledError), anyio.CancelScope(shield=True):
                await anyio.sleep(1)
        async for delta in super().answer(ask):
            yield delta


def make_read_only() -> None:
    """Let SQLite itself refuse what is written."""
    write_all = Connection.write_all

    async def checked(self: Connection, statements: Sequence[Statement]) -> None:
        await self.execute_fetchall(f"PRAGMA query_only = {int(READ_ONLY.exists())}")
        await write_all(self, statements)

    Connection.write_all = checked  # type: ignore[method-assign]


def launch(words: Collection[str]) -> int:
    """Run a bot as the words say; its exit code."""
    platform = PoisonedPlatform if "poisoned" in words else EchoPlatform
    platform = SeeingPlatform if "seeing" in words else platform
    platform = DeafPlatform if "deaf" in words else platform
    if "read-only" in words:
        make_read_only()
    settings = load_settings_and_platform()
    configure(settings, level="INFO")
    parts = Parts(bounds_for(words), {"echo": platform})
    with instance_lock(settings.store_path) as lock:
        return anyio.run(run_bot, settings, lock, parts)


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
