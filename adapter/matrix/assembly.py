"""Putting actors, outbox and activities together over the ports; knows no nio and no database."""

import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import anyio

from actors.messages import Address
from actors.meter import Meter
from actors.model import ChatId, Instance, Nonce, PlatformChatId, RoomId, UserId
from actors.owner.actor import UserActor
from actors.ports import Homeserver, Ids, Platform, StateStore
from actors.room.actor import RoomActor
from actors.runtime.cell import Actor
from actors.runtime.system import ActorSystem
from actors.runtime.transition_log import TransitionLog
from actors.services import ActorContext
from actors.texts import ENGLISH, Texts
from actors.upkeep import Upkeep
from actors.writes import OpenGap
from adapter.matrix.activities import Activities
from adapter.matrix.instances import Instances
from adapter.matrix.live_only import LiveOnly
from adapter.matrix.outbox import Outbox

HOMESERVER_SLOTS: Final = 16
PLATFORM_SLOTS: Final = 16


class RandomIds:
    """Implements `actors.ports.Ids` with the system's randomness."""

    def nonce(self) -> Nonce:
        """128 random bits."""
        return Nonce(secrets.token_hex(16))

    def platform_chat_id(self, owner: UserId, chat_id: ChatId) -> PlatformChatId:  # noqa: ARG002
        """A random UUID."""
        return PlatformChatId(str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot, ready to be driven. Enter `system` first."""

    system: ActorSystem
    activities: Activities


def assemble(
    homeserver: Homeserver,
    store: StateStore,
    platform: Platform,
    transitions: TransitionLog,
    *,
    allows: Callable[[UserId], bool],
    texts: Texts = ENGLISH,
    ids: Ids | None = None,
    random: Random | None = None,
    meter: Meter | None = None,
    where: str = "",
    clock: Callable[[], float] = anyio.current_time,
) -> Bot:
    """Build a bot over the ports. `allows` says who may use it; `meter` counts what it does.

    `where` says to people which process this is; `clock` gives anyio's time, for which an event
    loop that is known can be asked more quickly.
    """
    random = random or Random()  # noqa: S311  jitter needs no secrets

    def spawn(address: Address) -> Actor:
        if address.startswith("!"):
            return RoomActor(RoomId(address), context)
        return UserActor(UserId(address), context)

    system = ActorSystem(spawn, transitions, random, clock=clock, meter=meter)
    slots = anyio.CapacityLimiter(HOMESERVER_SLOTS)
    guarded = LiveOnly(homeserver, system)
    gaps: dict[RoomId, OpenGap] = {}
    outbox = Outbox(guarded, store, system, slots, random, gaps=gaps)
    context = ActorContext(
        homeserver=guarded,
        store=store,
        platform=platform,
        system=system,
        texts=texts,
        ids=ids or RandomIds(),
        allows=allows,
        deliver=outbox.wake,
        upkeep=Upkeep(guarded, system),
        wall_clock=transitions.wall_clock,
        platform_slots=anyio.CapacityLimiter(PLATFORM_SLOTS),
        homeserver_slots=slots,
        gaps=gaps,
    )
    return Bot(system, _activities(context, outbox, Instance(transitions.boot, where)))


def _activities(context: ActorContext, outbox: Outbox, ours: Instance) -> Activities:
    """What drives the actors."""
    return Activities(
        homeserver=context.homeserver,
        store=context.store,
        system=context.system,
        outbox=outbox,
        upkeep=context.upkeep,
        instances=Instances(context.homeserver, ours),
        replacements=context.replacements,
        gaps=context.gaps,
        undecided=context.undecided,
        taken=context.taken,
        wall_clock=context.wall_clock,
    )
