"""The chat platform as the status shows it: its state with a remedy, and its work. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from actors.meter import REPLY_OUTCOMES, TOKEN_KINDS, Meter
from actors.platform_health import PlatformHealth
from actors.platform_state import PlatformState
from supervisor.status.snapshot import PlatformSeen

REMEDIES: Final[Mapping[PlatformState, str]] = {
    PlatformState.WELL: "",
    PlatformState.BUSY: (
        "Questions wait for as long as the platform asks. If that is often so, give the platform "
        "more slots or a higher limit."
    ),
    PlatformState.UNAVAILABLE: (
        "Questions wait, and are answered in order when the platform is back. Look whether it "
        "runs, and at its own log. The command surfaces-bot check asks it."
    ),
    PlatformState.MISCONFIGURED: (
        "Questions wait. Correct the platform's settings and restart the bot, or correct the "
        "platform: the bot asks it again every minute. The command surfaces-bot check asks it now."
    ),
}
"""What an operator can do, for each state."""
_MEDIAN: Final = 0.5


def platform_seen(
    name: str,
    health: PlatformHealth,
    meter: Meter,
    *,
    running: int,
    waiting: int,
    at: Callable[[float], str],
    hide: Callable[[str], str],
) -> PlatformSeen:
    """The platform and its work so far.

    `at` writes seconds since the epoch for people, and `hide` removes secrets from a text.
    """
    return PlatformSeen(
        name=name,
        state=health.state.value,
        since=at(health.since),
        reason=hide(health.reason),
        remedy=REMEDIES[health.state],
        running=running,
        waiting=waiting,
        replies={outcome: meter.replies[outcome] for outcome in REPLY_OUTCOMES},
        first_token_s=meter.first_token.quantile_s(_MEDIAN),
        reply_s=meter.reply.quantile_s(_MEDIAN),
        tokens={kind: meter.tokens[kind] for kind in TOKEN_KINDS},
    )
