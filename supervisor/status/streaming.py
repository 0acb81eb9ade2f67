"""Answers that are shown while they grow, as the status shows them. Pure."""

from actors.meter import LIVE_EDIT_OUTCOMES, Meter
from actors.model import HomeserverTraits
from supervisor.status.snapshot import Streaming


def streaming_seen(
    meter: Meter, traits: HomeserverTraits, *, streams: bool, per_s: float
) -> Streaming:
    """What the bot has shown of growing answers so far."""
    return Streaming(
        off=_reason(traits, streams=streams),
        per_s=per_s,
        live_edits={outcome: meter.live_edits[outcome] for outcome in LIVE_EDIT_OUTCOMES},
        finals_repeated=meter.finals_repeated,
    )


def _reason(traits: HomeserverTraits, *, streams: bool) -> str:
    if not streams:
        return "BOT_STREAM=off"
    return "the homeserver does not bundle edits" if traits.bundles is False else ""
