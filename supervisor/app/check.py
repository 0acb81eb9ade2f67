"""The checks of `check` that need the account. They do not disturb a running bot."""

from collections.abc import Callable
from urllib.parse import quote

from actors.ports import CredentialsRefused, PortError, RateLimited
from supervisor.app.findings import Finding, check_homeserver, check_paths
from supervisor.app.gateway import open_gateway, proxy_of
from supervisor.settings import Settings


async def check(settings: Settings, tell: Callable[[Finding], None]) -> None:
    """Run all checks, and pass each finding to `tell` as soon as it is known.

    Writes and changes nothing.
    """
    tell(Finding(ok=True, what="the settings are complete"))
    for finding in check_paths(settings):
        tell(finding)
    proxy = proxy_of(settings)
    if proxy is not None and settings.proxy is not None:
        what = (
            f"requests go through the proxy {proxy.address}, which {settings.proxy.variable} names"
        )
        tell(Finding(ok=True, note=True, what=what))
    server = await check_homeserver(settings.homeserver, proxy)
    tell(server)
    for finding in await _check_account(settings) if server.ok else ():
        tell(finding)


async def _check_account(settings: Settings) -> list[Finding]:
    async with open_gateway(settings, visiting=True) as gateway:
        try:
            how = await gateway.log_in()
        except PortError as error:
            return [_login_failure(settings, error)]
    return [
        Finding(ok=True, what=f"{settings.user_id} logs in with the {how}"),
        _about_rate_limits(settings),
    ]


def _login_failure(settings: Settings, error: PortError) -> Finding:
    match error:
        case CredentialsRefused():
            return Finding(ok=False, what=str(error), refused=True)
        case RateLimited():
            advice = f"try again in {error.retry_after_s:.0f} s"
            return Finding(
                ok=False, what="the homeserver accepts no more logins now", advice=advice
            )
        case _:
            return Finding(ok=False, what=f"{settings.user_id} could not log in ({error})")


def _about_rate_limits(settings: Settings) -> Finding:
    path = f"/_synapse/admin/v1/users/{quote(settings.user_id, safe='@:')}/override_ratelimit"
    return Finding(
        ok=True,
        note=True,
        what="whether this account is rate limited cannot be seen from here",
        advice=f"a Synapse admin can lift the limits: POST {path} "
        'with {"messages_per_second": 0, "burst_count": 0}',
    )
