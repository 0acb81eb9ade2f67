"""The least program on nio that starts warm: a stored session, and one filtered sync since then.

Its first start in a folder logs in by password.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

from nio import AsyncClient, AsyncClientConfig, LoginResponse, SyncResponse  # type: ignore[import-untyped]

from benchmarks.stopwatch import Stopwatch

_FILTER: Final[dict[str, Any]] = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "state": {"lazy_load_members": True},
        "timeline": {"limit": 10},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}


async def run() -> None:
    """Start, and report that the program is ready; then keep the session and the position."""
    stopwatch = Stopwatch()
    me = os.environ["MATRIX_USER_ID"]
    kept = Path(os.environ["MATRIX_DB_PATH"]).with_name("nio.json")
    config = AsyncClientConfig(encryption_enabled=False)
    client = AsyncClient(os.environ["MATRIX_HOMESERVER"], me, config=config)
    since = None
    try:
        if kept.exists():
            stored = json.loads(kept.read_text())
            client.restore_login(me, stored["device_id"], stored["access_token"])
            since = stored["since"]
        else:
            login = await client.login(os.environ["MATRIX_PASSWORD"])
            assert isinstance(login, LoginResponse), login
        answer = await client.sync(timeout=0, sync_filter=_FILTER, since=since)
        assert isinstance(answer, SyncResponse), answer
        stopwatch.ready()
        session = {"device_id": client.device_id, "access_token": client.access_token}
        kept.write_text(json.dumps({**session, "since": answer.next_batch}))
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(run())
