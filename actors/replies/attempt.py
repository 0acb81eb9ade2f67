"""One answer of the platform, within the limits of time that hold for every platform."""

from collections.abc import Callable

import anyio

from actors.bounds import Bounds
from actors.platform import Ask, Platform
from actors.port_errors import PlatformFailed
from actors.replies.growing import Growing
from actors.replies.stream import END, Stream


def _nothing() -> None:
    pass


async def attempt(
    platform: Platform,
    ask: Ask,
    growing: Growing,
    bounds: Bounds,
    *,
    close_s: float,
    on_first: Callable[[], None],
    on_sign: Callable[[], None] = _nothing,
) -> None:
    """Ask the platform once, and let the answer grow until it is complete.

    `on_first` is called with the first word or file, `on_sign` with each sign of life. Raises only
    what `Platform.answer` may raise, whatever the platform does; an answer without an end, with two
    of them, or with nothing in it is a PlatformFailed.
    """
    async with Stream(platform, ask, close_s) as stream:
        with anyio.move_on_after(bounds.platform_total_s) as whole:
            await _read(stream, growing, bounds, on_first, on_sign)
        if whole.cancelled_caught:
            raise PlatformFailed(f"no whole answer within {bounds.platform_total_s:g} s")


async def _read(
    stream: Stream,
    growing: Growing,
    bounds: Bounds,
    on_first: Callable[[], None],
    on_sign: Callable[[], None],
) -> None:
    limit_s = bounds.platform_first_s
    while growing.reason is None:
        with anyio.move_on_after(limit_s) as wait:
            said = await stream.next()
        if wait.cancelled_caught:
            raise PlatformFailed(f"no sign of life for {limit_s:g} s")
        if said is END:
            raise PlatformFailed("the answer ended before it was complete")
        on_sign()
        began = growing.has_begun
        growing.take(said)
        if growing.has_begun and not began:
            on_first()
        limit_s = bounds.platform_idle_s
    await _expect_end(stream, growing, bounds)


async def _expect_end(stream: Stream, growing: Growing, bounds: Bounds) -> None:
    """Let the platform end by itself. What it says after the end of the answer is a failure."""
    if growing.is_cut:
        return
    with anyio.move_on_after(bounds.platform_close_s):
        while (said := await stream.next()) is not END:
            growing.take(said)
