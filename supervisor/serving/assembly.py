"""Builds a bot from actors, outbox and activities over the ports, without nio or a database."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

import anyio

from actors import assembly
from actors.appearance import PLAIN, Look
from actors.bounds import Bounds
from actors.gate import Gate
from actors.governor import Governor
from actors.late_edits import LateEdits
from actors.leadership import NO_LEASE
from actors.messages import RoomChanged, room_address
from actors.meter import Meter
from actors.model import Instance, RoomId, UserId
from actors.platform import Platform
from actors.ports import Homeserver, Ids, StateStore
from actors.registry import Registry
from actors.rules.answers import Answers
from actors.rules.formatting import Formatter, plain_parts
from actors.runtime.background import Background
from actors.runtime.letters import Address
from actors.runtime.system import ActorSystem
from actors.runtime.transition_log import TransitionLog
from actors.services import Services
from actors.texts import ENGLISH, Texts
from actors.traits import Traits
from supervisor.serving.activities import BotActivities
from supervisor.serving.backlog import Backlog
from supervisor.serving.bundling import Bundling
from supervisor.serving.generations import Generations
from supervisor.serving.live_only import LiveOnly
from supervisor.serving.outbox import Outbox
from supervisor.serving.pruner import Pruner
from supervisor.serving.refusals import Refusals
from supervisor.serving.rereading import Rereading
from supervisor.serving.second_instance import SecondInstanceDetector


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that is ready to run. The caller enters `system` first."""

    services: Services
    activities: BotActivities
    governor: Governor

    @property
    def system(self) -> ActorSystem:
        """The actors."""
        return self.services.system

    async def stop(self, within_s: float) -> tuple[Address, ...]:
        """Handle nothing new, and wait up to `within_s` seconds for what is under way.

        Replies that the platform works on may end, and are committed. Returns the actors that are
        still busy then, and the rooms whose reply did not end.
        """
        began = anyio.current_time()
        late = await self.services.replies.stop_all(within_s)
        left_s = max(within_s - (anyio.current_time() - began), 0.0)
        with anyio.move_on_after(left_s):
            await self.system.handled()
        busy = await self.system.stop(max(within_s - (anyio.current_time() - began), 0.0))
        return tuple(dict.fromkeys((*map(room_address, late), *busy)))


def assemble(
    homeserver: Homeserver,
    store: StateStore,
    platform: Platform,
    transitions: TransitionLog,
    *,
    allows: Callable[[UserId], bool],
    answers: Answers = Answers.MENTIONS,
    texts: Texts = ENGLISH,
    look: Look = PLAIN,
    ids: Ids | None = None,
    random: Random | None = None,
    meter: Meter | None = None,
    where: str = "",
    clock: Callable[[], float] = anyio.current_time,
    formatted: Formatter = plain_parts,
    streams: bool = True,
    epoch: int = NO_LEASE,
    remaining_s: Callable[[], float] = lambda: math.inf,
    bounds: Bounds = Bounds(),
) -> Bot:
    """Build a bot over the ports.

    `allows` decides which users may use it; `meter` counts its work; `where` describes this process
    for people; `clock` returns anyio's time, which a known event loop returns faster than anyio.
    Without `streams`, answers are shown only when they are complete. `epoch` and `remaining_s` are
    those of the lead.
    """
    gate, random, meter = Gate(), random or Random(), meter or Meter()  # noqa: S311  jitter
    # Replies have slots of their own: rooms that give no answer must not delay them.
    slots = anyio.CapacityLimiter(bounds.homeserver_slots)
    registry, background = Registry(), Background()
    refusals = Refusals(homeserver, gate, background, bounds.rooms_asked)
    governor = Governor(bounds, lambda: outbox.is_busy, meter=meter, clock=clock)
    guarded = LiveOnly(homeserver, gate, refusals, governor, remaining_s)
    traits = Traits(guarded)
    outbox = Outbox(
        guarded,
        store,
        background,
        gate,
        slots=slots,
        random=random,
        gaps=registry.gaps,
        traits=traits,
        wall_clock=transitions.wall_clock,
        bounds=bounds,
    )
    services = assembly.assemble(
        guarded,
        store,
        platform,
        transitions,
        allows=allows,
        answers=answers,
        gate=gate,
        registry=registry,
        background=background,
        deliver=outbox.wake,
        texts=texts,
        look=look,
        ids=ids,
        random=random,
        meter=meter,
        clock=clock,
        homeserver_slots=anyio.CapacityLimiter(bounds.homeserver_slots),
        formatted=formatted,
        governor=governor,
        traits=traits,
        streams=streams,
        epoch=epoch,
        bounds=bounds,
    )
    outbox.on_refusal = partial(_look_again, services)
    outbox.on_edit = Bundling(guarded, traits, background).look
    generations = Generations(guarded, store, services.ids.nonce, bounds)
    detector = SecondInstanceDetector(guarded, Instance(transitions.boot, where), bounds)
    pruner = Pruner(store, services.wall_clock, bounds)
    activities = BotActivities(
        services,
        outbox,
        Backlog(services),
        detector,
        generations,
        refusals,
        pruner,
        meter,
        LateEdits(transitions.boot),
        Rereading(services),
    )
    return Bot(services, activities, governor)


def _look_again(services: Services, room_id: RoomId) -> None:
    """Read a room again in which a message was refused: it is no part of the conversation."""
    services.histories.drop(room_id)
    services.tell_room(room_id, RoomChanged())
