"""The checks of `check` that need the account. They do not disturb a running bot."""

from collections.abc import Callable
from functools import partial
from urllib.parse import quote

from actors.bounds import Bounds
from actors.encryption import ROW as ENCRYPTION_ROW
from actors.port_errors import CredentialsRefused, PortError, RateLimited, RefusedForNow
from actors.ports import Homeserver
from adapter.matrix.gateway import Gateway
from supervisor.app.databases import copied_store
from supervisor.app.findings import ENCRYPTED_LAST, Finding, check_homeserver, check_paths
from supervisor.app.gateway import open_gateway, proxy_of
from supervisor.app.platform_check import check_platform
from supervisor.app.platforms import platform_of
from supervisor.serving.refusals import refusal_in
from supervisor.settings import Settings, SettingsRefused


def _show_nothing(seconds: int) -> None:
    """Show no progress."""


async def check(
    settings: Settings,
    tell: Callable[[Finding], None],
    progress: Callable[[int], None] = _show_nothing,
    bounds: Bounds = Bounds(),
) -> None:
    """Run all checks, and pass each finding to `tell` as soon as it is known.

    A finding may repeat what a server says, secrets included. `progress` is called every second
    while the platform is asked, with the seconds so far. Writes and changes nothing.
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
    if not settings.streams:
        what = "answers are shown only when they are complete, because BOT_STREAM is off"
        tell(Finding(ok=True, note=True, what=what))
    server = await check_homeserver(settings.homeserver, proxy)
    more = server.more or (await _remembered(settings) if server.ok else ())
    for finding in (server, *more):
        tell(finding)
    for finding in await _check_account(settings) if server.ok else ():
        tell(finding)
    make = partial(platform_of, settings, bounds)
    name = f"{settings.platform}, asked by workers," if settings.by_workers else settings.platform
    for finding in await check_platform(name, make, progress, bounds):
        tell(finding)


async def _remembered(settings: Settings) -> tuple[Finding, ...]:
    """What the bot has noted in its database: that the room it created last came out encrypted."""
    try:
        async with copied_store(settings.db_path) as store:
            row = await store.row(ENCRYPTION_ROW) or {}
    except (PortError, OSError, SettingsRefused):
        return ()
    times = row.get("times")
    return (ENCRYPTED_LAST,) if isinstance(times, int) and times > 0 else ()


async def _check_account(settings: Settings) -> list[Finding]:
    async with open_gateway(settings, visiting=True) as gateway:
        try:
            how = await gateway.log_in()
        except PortError as error:
            return [_login_failure(settings, error)]
        refusal = await _refusal(gateway)
        about_keys = await _about_device_keys(gateway)
    return [
        Finding(ok=True, what=f"{settings.user_id} logs in with the {how}"),
        *([_refused(refusal)] if refusal else []),
        *about_keys,
        _about_rate_limits(settings),
    ]


async def _refusal(homeserver: Homeserver) -> RefusedForNow | None:
    """The refusal of an account that may log in, but not read or write; None for none.

    Nothing is written. An account without rooms is only asked to read.
    """
    try:
        joined = sorted(await homeserver.joined_rooms())
        if not joined:
            await homeserver.hydrate()
        return await refusal_in(homeserver, joined[: Bounds().rooms_asked])
    except RefusedForNow as refusal:
        return refusal
    except PortError:
        return None


def _refused(refusal: RefusedForNow) -> Finding:
    return Finding(ok=False, what=refusal.reason, advice=refusal.remedy)


async def _about_device_keys(gateway: Gateway) -> list[Finding]:
    """Whether clients encrypt direct chats with the bot. Nothing is said if that can't be asked."""
    try:
        devices = await gateway.devices_with_keys()
    except PortError:
        return []
    if not devices:
        return []
    note = Finding(
        ok=True,
        note=True,
        what=f"the account has devices with encryption keys ({', '.join(devices)})",
        advice="clients therefore encrypt new direct chats with the bot, which it can't read: "
        "log these devices out; the bot never uploads keys",
    )
    return [note]


def _login_failure(settings: Settings, error: PortError) -> Finding:
    match error:
        case RefusedForNow():
            return _refused(error)
        case CredentialsRefused():
            return Finding(ok=False, what=str(error), refused=True)
        case RateLimited():
            advice = f"try again in {error.retry_after_s:.0f} s"
            return Finding(
                ok=False, what="the homeserver accepts no more logins now", advice=advice
            )
        case _:
            return Finding(
                ok=False,
                what=f"{settings.user_id} could not log in ({error})",
                advice="the bot itself would wait and try again; the log of the homeserver, "
                "or of a proxy in front of it, may say more",
            )


def _about_rate_limits(settings: Settings) -> Finding:
    path = f"/_synapse/admin/v1/users/{quote(settings.user_id, safe='@:')}/override_ratelimit"
    return Finding(
        ok=True,
        note=True,
        what="whether this account is rate limited cannot be seen from here",
        advice=f"a Synapse admin can lift the limits: POST {path} "
        'with {"messages_per_second": 0, "burst_count": 0}',
    )
