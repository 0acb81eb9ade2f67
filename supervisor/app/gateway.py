"""Creates gateways to the configured homeserver, for the bot and for single commands."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
import structlog

from actors.bounds import Bounds
from actors.meter import Meter
from actors.port_errors import PortError
from adapter.matrix.gateway import Gateway
from adapter.matrix.session import SessionFile, Sessions
from adapter.proxy import Proxy
from supervisor.secret import Secret
from supervisor.settings import Settings

_LOG_OUT_WITHIN_S: Final = 10
_log = structlog.get_logger()


def gateway_for(
    settings: Settings,
    *,
    visiting: bool = False,
    sessions: Sessions | None = None,
    meter: Meter | None = None,
    remaining_s: Callable[[], float] = lambda: math.inf,
    bounds: Bounds = Bounds(),
) -> Gateway:
    """A gateway that is not logged in yet. With `visiting`, it does not disturb a running bot.

    `sessions` keeps its session, by default in the store folder. `remaining_s` is of the lead.
    """
    return Gateway(
        settings.homeserver,
        settings.user_id,
        sessions=sessions or SessionFile(settings.store_path),
        password=_revealed(settings.password),
        access_token=_revealed(settings.access_token),
        device_id=settings.device_id,
        visiting=visiting,
        proxy=proxy_of(settings),
        meter=meter,
        remaining_s=remaining_s,
        bounds=bounds,
    )


def proxy_of(settings: Settings) -> Proxy | None:
    """The proxy between the bot and the homeserver, if the environment names one."""
    return None if settings.proxy is None else Proxy.of(settings.proxy.url)


@asynccontextmanager
async def open_gateway(
    settings: Settings, *, visiting: bool, sessions: Sessions | None = None
) -> AsyncIterator[Gateway]:
    """A gateway for one task, not logged in yet. On exit, it is logged out and closed."""
    gateway = gateway_for(settings, visiting=visiting, sessions=sessions)
    try:
        yield gateway
    finally:
        with anyio.move_on_after(_LOG_OUT_WITHIN_S, shield=True):
            try:
                await gateway.log_out()
            except PortError as error:
                _log.warning("visit_not_ended", reason=str(error))
            await gateway.close()


def _revealed(secret: Secret | None) -> str | None:
    return secret.get_secret_value() if secret else None
