"""What `check` finds out with the account: a visit that leaves a running bot alone."""

from urllib.parse import quote

import anyio
import structlog

from actors.ports import CredentialsRefused, PortError, RateLimited
from adapter.matrix.gateway import Gateway
from adapter.matrix.session import SessionFile
from supervisor.check import Finding, check_homeserver, check_paths
from supervisor.settings import Settings

_GOODBYE_S = 10
_log = structlog.get_logger("supervisor.app_check")


async def check(settings: Settings) -> list[Finding]:
    """Everything that can be said before the bot runs. Writes nothing, changes nothing."""
    server = await check_homeserver(settings.homeserver)
    return [
        Finding(ok=True, what="the settings are complete"),
        *check_paths(settings),
        server,
        *(await _check_account(settings) if server.ok else ()),
    ]


async def _check_account(settings: Settings) -> list[Finding]:
    gateway = _visitor(settings)
    try:
        how = await gateway.log_in()
    except PortError as error:
        return [_not_let_in(settings, error)]
    else:
        return [
            Finding(ok=True, what=f"{settings.user_id} is let in with the {how}"),
            _about_rate_limits(settings),
        ]
    finally:
        await _leave(gateway)


def _visitor(settings: Settings) -> Gateway:
    password, access_token = settings.password, settings.access_token
    return Gateway(
        settings.homeserver,
        settings.user_id,
        session_file=SessionFile(settings.store_path),
        password=password.get_secret_value() if password else None,
        access_token=access_token.get_secret_value() if access_token else None,
        device_id=settings.device_id,
        visiting=True,
    )


async def _leave(gateway: Gateway) -> None:
    with anyio.move_on_after(_GOODBYE_S, shield=True):
        try:
            await gateway.log_out()
        except PortError as error:
            _log.warning("visit_not_ended", reason=str(error))
        await gateway.close()


def _not_let_in(settings: Settings, error: PortError) -> Finding:
    match error:
        case CredentialsRefused():
            return Finding(ok=False, what=str(error), refused=True)
        case RateLimited():
            advice = f"try again in {error.retry_after_s:.0f} s"
            return Finding(ok=False, what="the homeserver takes no more logins now", advice=advice)
        case _:
            return Finding(ok=False, what=f"{settings.user_id} could not log in ({error})")


def _about_rate_limits(settings: Settings) -> Finding:
    path = f"/_synapse/admin/v1/users/{quote(settings.user_id, safe='@:')}/override_ratelimit"
    return Finding(
        ok=True,
        what="whether this account is rate limited cannot be seen from here",
        advice=f"a Synapse admin can lift the limits: POST {path} "
        'with {"messages_per_second": 0, "burst_count": 0}',
    )
