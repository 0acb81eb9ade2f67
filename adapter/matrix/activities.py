"""What the bot does in each state of its lifecycle, over the ports."""

from dataclasses import dataclass, field

import structlog

from actors.messages import InboxWaiting, IntentsWaiting
from actors.model import RoomId
from actors.ports import Homeserver, Hydration, SavePosition, StateStore
from actors.reconciliation import reconcile
from actors.report import ReconcileReport
from actors.system import ActorSystem
from actors.upkeep import Upkeep
from adapter.matrix.outbox import Outbox
from adapter.matrix.pump import Pump, invited

_log = structlog.get_logger()


@dataclass(slots=True)
class Activities:
    """Each method is one state's activity; it ends by returning why, or by raising a port error."""

    homeserver: Homeserver
    store: StateStore
    system: ActorSystem
    outbox: Outbox
    upkeep: Upkeep
    replacements: set[RoomId]
    report: ReconcileReport | None = None
    """The last reconciliation's."""
    _hydration: Hydration | None = field(default=None, init=False)
    _resume: bool = field(default=True, init=False)
    """Whether the stored position is still good."""

    async def log_in(self) -> str:
        """Get a session."""
        return f"logged in by {await self.homeserver.log_in()}"

    async def hydrate(self) -> str:
        """Read every joined room's state."""
        self._hydration = hydration = await self.homeserver.hydrate()
        if hydration.malformed:
            _log.warning("malformed_events", count=hydration.malformed)
        return f"{len(hydration.snapshots)} rooms"

    async def reconcile(self) -> str:
        """Bring the cache in line, and settle from where /sync goes on.

        Where there is no position to resume from, the one that came with the snapshot is taken:
        messages from before it are not seen, invites that wait are.
        """
        if self._hydration is None:
            raise RuntimeError("reconcile comes after hydrate")
        hydration, self._hydration = self._hydration, None
        me = self.homeserver.me
        self.report = report = await reconcile(hydration, self.system, self.store, me)
        _log.info("reconciled", **report)
        if not self._resume or await self.store.position() is None:
            _log.warning("started_from_now", position_lost=not self._resume)
            invites = [invited(invite) for invite in hydration.invites]
            await self.store.commit([*invites, SavePosition(hydration.position)])
            self._resume = True
        return f"{report['changes']} changes, {len(report['conflicts'])} conflicts"

    async def serve(self) -> None:
        """Answer people until something raises."""
        position = await self.store.position()
        if position is None:
            raise RuntimeError("serve comes after reconcile")
        pump = Pump(self.homeserver, self.store, self.system, self.replacements)
        self.system.live = True
        try:
            await self._tell_all_that_wait()
            await pump.run(position)
        finally:
            self.system.live = False

    def forget_position(self) -> None:
        """The server does not know the stored position any more."""
        self._resume = False

    async def probe(self) -> None:
        """Return only when the homeserver and the store really answer."""
        await self.homeserver.probe()
        await self.store.commit([])

    async def _tell_all_that_wait(self) -> None:
        self.system.resume_all()
        for room_id in await self.store.waiting_rooms():
            self.system.tell(room_id, InboxWaiting())
        for owner in await self.store.intent_owners():
            self.system.tell(owner, IntentsWaiting())
        for room_id in await self.store.unsent_rooms():
            self.outbox.wake(room_id)
        self.upkeep.start()
