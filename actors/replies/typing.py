"""The typing notice that is shown while the platform works."""

import anyio

from actors.bounds import Bounds
from actors.model import RoomId
from actors.port_errors import RateLimited
from actors.ports import Homeserver


async def show_typing(
    homeserver: Homeserver, room_id: RoomId, done: anyio.Event, bounds: Bounds
) -> None:
    """Show a typing notice until `done` is set, and always take it back.

    No notice is shown if `done` is set within `typing_after_s`. The answer goes first: the notice
    is taken back a moment later.
    """
    with anyio.move_on_after(bounds.typing_after_s):
        await done.wait()
    if done.is_set():
        return
    try:
        while not done.is_set():
            pause_s = bounds.typing_again_s
            try:
                await homeserver.set_typing(room_id, typing=True)
            except RateLimited as limit:
                pause_s = limit.retry_after_s
            with anyio.move_on_after(pause_s):
                await done.wait()
        await anyio.sleep(bounds.answers_first_s)
    finally:
        with anyio.move_on_after(5, shield=True):
            await homeserver.set_typing(room_id, typing=False)
